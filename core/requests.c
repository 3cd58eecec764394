/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/requests.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/events.h"
#include "core/held.h"
#include "core/path.h"
#include "core/timestamp.h"
#include "core/writers.h"

bool requests_is_ours(struct registry *r, const struct record *rec)
{
	return record_is_open(rec) && !strcmp(rec->lease, r->engine->lease);
}

int requests_judge_holder(struct registry *r, const char *path,
			  const struct record *rec)
{
	int holder = LEASE_LIVE;

	if (record_is_open(rec) && !requests_is_ours(r, rec))
		holder = engine_judge(r->engine, rec->lease);
	if (holder == LEASE_STALE && r->options.share_dir > 0 &&
	    writers_exist_at(r->options.share_dir, path))
		holder = LEASE_GIVEN_UP;
	return holder;
}

bool registry_is_stale(struct registry *r, const struct record *rec)
{
	return record_is_open(rec) && !requests_is_ours(r, rec) &&
	       engine_probe(r->engine, rec->lease) == LEASE_STALE;
}

bool registry_is_live(struct registry *r, const struct record *rec)
{
	return record_is_open(rec) &&
	       (requests_is_ours(r, rec) ||
		engine_probe(r->engine, rec->lease) == LEASE_LIVE);
}

/* The record at a path. Returns 1, 0 if there is none, or -ENOMEM. */
int requests_find(struct registry *r, const char *path,
		  struct record *ret_record)
{
	size_t len;
	const char *text = engine_find(r->engine, path, &len);
	int err = text ? record_parse(ret_record, text, len) : -EINVAL;

	return err == 0 ? 1 : err == -EINVAL ? 0 : err;
}

/* ---- judging ---- */

/* Its mount is gone. */
static void reap(struct registry *r, struct request *q, const char *path,
		 const struct record *rec)
{
	events_note(r, REGISTRY_REAPED, path, rec);
	engine_remove(r->engine, path);
	q->edited = true;
}

int requests_conflict(struct request *q, const char *path,
		      struct record *holder)
{
	q->conflict->path = strdup(path);
	q->conflict->holder = *holder;
	*holder = (struct record){};
	return q->conflict->path ? REGISTRY_HELD : -ENOMEM;
}

/* Somebody's record is in the way, unless its mount is gone, or is given up
 * and nothing is to be taken. Returns 0, REGISTRY_HELD or -ENOMEM. */
static int judge_others(struct registry *r, struct request *q, const char *path,
			struct record *rec)
{
	int holder = requests_judge_holder(r, path, rec);

	if (holder == LEASE_STALE)
		reap(r, q, path, rec);
	if (holder == LEASE_STALE ||
	    (holder == LEASE_GIVEN_UP && q->apply == request_check))
		return 0;
	q->conflict->given_up = holder == LEASE_GIVEN_UP;
	return requests_conflict(q, path, rec);
}

/* One record, at the path or above or below it. */
static int judge_record(struct registry *r, struct request *q, const char *path,
			const struct owner *owner)
{
	_cleanup_record_ struct record now = {};
	int found = requests_find(r, path, &now);

	if (found <= 0)
		return found < 0 ? found : REGISTRY_RECORDED;
	if (record_owned_by(&now, owner))
		return requests_is_ours(r, &now) ? REGISTRY_RECORDED
						 : REGISTRY_KEPT;
	return judge_others(r, q, path, &now);
}

/* An open record of a folder is somebody moving it just now, and with it all
 * that is below. */
static int judge_above(struct registry *r, struct request *q, const char *path,
		       const struct owner *owner)
{
	_cleanup_free_ char *copy = strdup(path);
	char *slash;

	if (!copy)
		return -ENOMEM;
	while ((slash = strrchr(copy, '/'))) {
		_cleanup_record_ struct record now = {};
		int found;

		*slash = '\0';
		found = requests_find(r, copy, &now);
		if (found < 0)
			return found;
		if (found > 0 && record_is_open(&now) &&
		    !record_owned_by(&now, owner))
			found = judge_others(r, q, copy, &now);
		else
			found = 0;
		if (found != 0)
			return found;
	}
	return 0;
}

static int judge_below(struct registry *r, struct request *q,
		       const char *folder, const struct owner *owner)
{
	_cleanup_buffer_ struct buffer paths = {};
	int outcome = engine_list(r->engine, folder, &paths);

	for (size_t at = 0; outcome >= 0 && at < paths.len;
	     at += strlen(paths.data + at) + 1) {
		outcome = judge_record(r, q, paths.data + at, owner);
		if (outcome == REGISTRY_HELD)
			return outcome;
	}
	return outcome < 0 ? outcome : 0;
}

int requests_judge(struct registry *r, struct request *q,
		   struct registry_claim *claim, const struct owner *owner)
{
	int outcome = judge_record(r, q, claim->path, owner);

	if (outcome < 0 || outcome == REGISTRY_HELD)
		return outcome;
	claim->outcome = outcome;
	outcome = judge_above(r, q, claim->path, owner);
	if (outcome == 0 && claim->tree)
		outcome = judge_below(r, q, claim->path, owner);
	return outcome;
}

int requests_judge_text(struct registry *r, const char *path, const char *text,
			size_t len, const struct owner *owner,
			struct registry_conflict *ret_conflict)
{
	_cleanup_record_ struct record now = {};
	struct request q = { .conflict = ret_conflict };
	int holder, err = record_parse(&now, text, len);

	if (err == -ENOMEM)
		return err;
	if (err < 0 || record_owned_by(&now, owner))
		return 0;
	holder = requests_judge_holder(r, path, &now);
	if (holder == LEASE_STALE || holder == LEASE_GIVEN_UP)
		return 0;
	return requests_conflict(&q, path, &now);
}

/* ---- the requests ---- */

static int judge_all(struct registry *r, struct request *q,
		     const struct owner *owner)
{
	int outcome = 0;

	for (size_t i = 0; outcome == 0 && i < q->n_claims; i++)
		outcome = requests_judge(r, q, &q->claims[i], owner);
	return outcome;
}

static int format_open(struct registry *r, const struct record *want,
		       struct buffer *text)
{
	char now[TIMESTAMP_SIZE];
	char kind[] = RECORD_KIND_OPEN;
	struct record rec = *want;

	timestamp_now(now);
	if (!rec.timestamp)
		rec.timestamp = now;
	rec.kind = kind;
	rec.lease = r->engine->lease;
	return record_format(&rec, text);
}

/* Under a kept checkout there is nothing to write; but should that end while
 * the file is open, the open record takes its place. */
static int put_open(struct registry *r, struct request *q,
		    const struct registry_claim *claim,
		    const struct buffer *text)
{
	int err = held_gain(q, claim->path, text->data, text->len);

	if (err < 0 || claim->outcome != REGISTRY_RECORDED)
		return err;
	err = engine_put(r->engine, claim->path, text->data, text->len);
	q->edited |= err == 0;
	return err;
}

int requests_put_open(struct registry *r, struct request *q)
{
	_cleanup_buffer_ struct buffer text = {};
	int err = format_open(r, q->want, &text);

	for (size_t i = 0; err == 0 && i < q->n_claims; i++)
		err = put_open(r, q, &q->claims[i], &text);
	return err;
}

int request_checkout(struct registry *r, struct request *q)
{
	struct owner owner = record_owner(q->want, r->engine->lease);
	int outcome = engine_is_sure(r->engine) ? judge_all(r, q, &owner)
						: -EIO;

	return outcome != 0 ? outcome : requests_put_open(r, q);
}

int request_check(struct registry *r, struct request *q)
{
	return judge_all(r, q, q->owner);
}

int request_checkin(struct registry *r, struct request *q)
{
	_cleanup_record_ struct record now = {};
	int found = requests_find(r, q->path, &now);

	if (found > 0 && requests_is_ours(r, &now)) {
		engine_remove(r->engine, q->path);
		q->edited = true;
	}
	return found < 0 ? found : 0;
}

/* Takes one of the owner's records out; its new path and its text are added to
 * `moved`, each with a NUL behind it. */
static int take_out(struct registry *r, struct request *q, const char *path,
		    const char *from, const char *to, struct buffer *moved)
{
	_cleanup_record_ struct record rec = {};
	const char *text;
	size_t len;

	text = engine_find(r->engine, path, &len);
	if (!text || record_parse(&rec, text, len) < 0 ||
	    !record_owned_by(&rec, q->owner))
		return 0;
	if (buffer_append_string(moved, to) < 0 ||
	    buffer_append(moved, path + strlen(from),
			  strlen(path + strlen(from)) + 1) < 0 ||
	    buffer_append(moved, text, len) < 0 ||
	    buffer_append(moved, "", 1) < 0)
		return -ENOMEM;
	engine_remove(r->engine, path);
	held_remove(r, path);
	q->edited = true;
	return 0;
}

static int put_back(struct registry *r, struct request *q, const char *path,
		    const char *text)
{
	_cleanup_record_ struct record rec = {};
	size_t len = strlen(text);
	int err = record_parse(&rec, text, len);

	if (err == 0 && requests_is_ours(r, &rec))
		err = held_gain(q, path, text, len);
	return err == 0 ? engine_put(r->engine, path, text, len) : err;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int append_names(struct registry *r, const char *folder,
			struct buffer *names)
{
	_cleanup_buffer_ struct buffer paths = {};
	int err = engine_list(r->engine, folder, &paths);

	for (size_t at = 0; err == 0 && at < paths.len;
	     at += strlen(paths.data + at) + 1) {
		const char *name = paths.data + at + strlen(folder) + 1;

		err = buffer_append(names, name, strlen(name) + 1);
	}
	return err;
}

/* The names below the folder, or below either of the two, that are to be moved
 * now: sorted, so that what was moved before is known by the last one. Sets
 * n_done and left. */
static int choose_names(struct request *q, const struct buffer *all,
			const char ***ret_names)
{
	size_t n = 0, kept = 0;
	const char **names;

	for (size_t at = 0; at < all->len; at += strlen(all->data + at) + 1)
		n++;
	names = calloc(n ? n : 1, sizeof(*names));
	if (!names)
		return -ENOMEM;
	n = 0;
	for (size_t at = 0; at < all->len; at += strlen(all->data + at) + 1)
		names[n++] = all->data + at;
	qsort(names, n, sizeof(*names), compare_names);
	for (size_t i = 0; i < n; i++)
		if ((!q->after || strcmp(names[i], q->after) > 0) &&
		    (kept == 0 || strcmp(names[i], names[kept - 1]) != 0))
			names[kept++] = names[i];
	q->left = q->at_most && kept > q->at_most;
	q->n_done = q->left ? q->at_most : kept;
	*ret_names = names;
	return 0;
}

static int take_out_name(struct registry *r, struct request *q,
			 const char *from, const char *to, const char *name,
			 struct buffer *moved)
{
	_cleanup_buffer_ struct buffer path = {};
	int err = buffer_printf(&path, "%s/%s", from, name);

	return err == 0 ? take_out(r, q, path.data, from, to, moved) : err;
}

static int put_all_back(struct registry *r, struct request *q,
			const struct buffer *moved)
{
	int err = 0;

	for (size_t at = 0; err == 0 && at < moved->len;) {
		const char *path = moved->data + at;
		const char *text = path + strlen(path) + 1;

		err = put_back(r, q, path, text);
		at += strlen(path) + strlen(text) + 2;
	}
	return err;
}

/* All are taken out before the first is put back: of two folders that change
 * places, one's records may go where the other's are. */
int request_move(struct registry *r, struct request *q)
{
	_cleanup_buffer_ struct buffer all = {}, moved = {};
	_cleanup_free_ const char **names = NULL;
	int err = append_names(r, q->path, &all);

	if (err == 0 && q->exchange)
		err = append_names(r, q->to, &all);
	if (err == 0)
		err = choose_names(q, &all, &names);
	for (size_t i = 0; err == 0 && i < q->n_done; i++) {
		err = take_out_name(r, q, q->path, q->to, names[i], &moved);
		if (err == 0 && q->exchange)
			err = take_out_name(r, q, q->to, q->path, names[i],
					    &moved);
	}
	if (err == 0)
		err = put_all_back(r, q, &moved);
	free(take_ptr(q->last));
	if (err == 0 && q->left && !(q->last = strdup(names[q->n_done - 1])))
		err = -ENOMEM;
	return err;
}

int request_less(struct request *q)
{
	if (q->n_done < 2)
		return -E2BIG;
	q->at_most = q->n_done / 2;
	return 0;
}

int request_break(struct registry *r, struct request *q)
{
	for (size_t i = 0; i < q->n_claims; i++) {
		const char *path = q->claims[i].path;
		int found = requests_find(r, path, &q->ret_record[i]);

		if (found < 0)
			return found;
		if (found == 0)
			continue;
		engine_remove(r->engine, path);
		held_remove(r, path);
		q->edited = true;
	}
	return 0;
}

int request_nothing(struct registry *r, struct request *q)
{
	return 0;
}

int request_mark(struct registry *r, struct request *q)
{
	engine_mark(r->engine);
	return 0;
}

static bool is_to_reap(struct registry *r, const char *path,
		       struct record *ret_record)
{
	return requests_find(r, path, ret_record) > 0 &&
	       requests_judge_holder(r, path, ret_record) == LEASE_STALE;
}

/* Every record of a mount that is gone. */
int request_reap(struct registry *r, struct request *q)
{
	_cleanup_buffer_ struct buffer paths = {};
	int err = engine_list(r->engine, NULL, &paths);

	q->n_done = 0;
	q->left = false;
	for (size_t at = 0; err == 0 && at < paths.len;
	     at += strlen(paths.data + at) + 1) {
		_cleanup_record_ struct record rec = {};

		if (!is_to_reap(r, paths.data + at, &rec))
			continue;
		q->left = q->at_most && q->n_done == q->at_most;
		if (q->left)
			break;
		reap(r, q, paths.data + at, &rec);
		q->n_done++;
	}
	return err;
}

/* ---- the batch ---- */

static void fail_batch(struct request *batch, int error, bool only_edited)
{
	for (struct request *q = batch; q; q = q->next)
		if (!only_edited || q->edited)
			q->result = error;
}

static bool apply_all(struct registry *r, struct request *batch,
		      bool *ret_durable)
{
	bool edited = false;

	for (struct request *q = batch; q; q = q->next) {
		q->edited = false;
		q->result = q->apply(r, q);
		edited |= q->edited;
		*ret_durable |= q->edited && q->durable;
	}
	return edited;
}

/* Whether one of them failed with some of its edits made, which are not to be
 * told from the others'. */
static int half_done(const struct request *batch)
{
	for (const struct request *q = batch; q; q = q->next)
		if (q->edited && q->result < 0)
			return q->result;
	return 0;
}

/* What is to be checked in is not open any more, even if it must be tried
 * again, and is not put back. */
static void let_go(struct registry *r, struct request *batch)
{
	for (struct request *q = batch; q; q = q->next)
		if (q->apply == request_checkin)
			held_remove(r, q->path);
}

/* Nothing of what it did is to be: it may be done again. */
static void forget_result(struct request *q)
{
	held_drop_gains(q);
	if (q->conflict)
		registry_conflict_release(q->conflict);
	for (size_t i = 0; q->ret_record && i < (q->n_claims ? q->n_claims : 1);
	     i++) {
		record_release(&q->ret_record[i]);
		q->ret_record[i] = (struct record){};
	}
	q->n_new = 0;
}

/* Decides and writes once. Returns 0, ENGINE_AGAIN or -errno. */
static int decide(struct registry *r, struct request *batch)
{
	bool edited = false, durable = false, left = false;
	int err = engine_load(r->engine);

	if (err < 0) {
		fail_batch(batch, err, false);
		return err;
	}
	if (err == ENGINE_MENDED)
		events_note(r, REGISTRY_MENDED, r->engine->damaged, NULL);
	r->changed_by_others |= err != 0;
	if (err != 0 || r->owes)
		edited = held_reassert(r, &left);
	edited |= apply_all(r, batch, &durable);
	err = half_done(batch);
	if (err < 0)
		engine_discard(r->engine);
	else if (edited || r->engine->confirms)
		err = engine_commit(r->engine, edited, durable);
	r->owes |= err != 0;
	if (err == 0) {
		r->owes = left;
		return 0;
	}
	events_drop(r, REGISTRY_REAPED);
	events_drop(r, REGISTRY_REASSERTED);
	for (struct request *q = batch; q; q = q->next)
		if (q->edited || r->engine->confirms)
			forget_result(q);
	fail_batch(batch, err, !r->engine->confirms);
	return err;
}

/* What is too much for the engine at once is done by halves, so that nobody is
 * refused for what others want. The batch may be empty: what is owed is done. */
static void run_some(struct registry *r, struct request *batch)
{
	struct request *middle = batch, *rest;
	int err;

	do
		err = decide(r, batch);
	while (err == ENGINE_AGAIN);
	if (err != -E2BIG || !batch || !batch->next)
		return;
	for (struct request *q = batch->next; q && (q = q->next); q = q->next)
		middle = middle->next;
	rest = middle->next;
	middle->next = NULL;
	run_some(r, batch);
	run_some(r, rest);
	middle->next = rest;
}

void requests_run(struct registry *r, struct request *batch)
{
	let_go(r, batch);
	run_some(r, batch);
	for (struct request *q = batch; q; q = q->next) {
		if (q->result >= 0)
			held_keep_gains(r, q);
		held_drop_gains(q);
	}
}
