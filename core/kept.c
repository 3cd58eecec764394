/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What people do to records on purpose: keep a checkout, end it, take it over.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/held.h"
#include "core/requests.h"
#include "core/timestamp.h"

static int format_kept(const struct record *want, struct buffer *text)
{
	char now[TIMESTAMP_SIZE];
	char kind[] = RECORD_KIND_KEPT, no_message[] = "";
	struct record rec = {
		.user = want->user,
		.timestamp = now,
		.message = want->message ? want->message : no_message,
		.kind = kind,
		.host = want->host,
		.seat = want->seat,
		.client = want->client,
	};

	timestamp_now(now);
	return record_format(&rec, text);
}

/* The owner's own, with another message. */
static int change_message(struct registry *r, struct request *q,
			  const char *path)
{
	_cleanup_buffer_ struct buffer changed = {};
	size_t len;
	const char *text = engine_find(r->engine, path, &len);
	int err;

	if (!q->want->message || !text)
		return 0;
	err = record_set_message(text, len, q->want->message, &changed);
	if (err == 0)
		err = engine_put(r->engine, path, changed.data, changed.len);
	q->edited |= err == 0;
	return err;
}

static int keep(struct registry *r, struct request *q,
		const struct registry_claim *claim, const struct buffer *text)
{
	int err;

	if (claim->outcome == REGISTRY_KEPT)
		return change_message(r, q, claim->path);
	err = engine_put(r->engine, claim->path, text->data, text->len);
	q->edited |= err == 0;
	q->n_new++;
	return err;
}

/* As requests_judge(); kept records of whom `over` names are in nobody's way.
 * An open one is: the mount that has it would only put it back. */
static int judge(struct registry *r, struct request *q, size_t i,
		 const struct owner *owner)
{
	struct registry_claim *claim = &q->claims[i];
	int outcome = requests_judge(r, q, claim, owner);

	if (outcome != REGISTRY_HELD || !q->over ||
	    record_is_open(&q->conflict->holder) ||
	    (*q->over && strcmp(q->conflict->holder.user, q->over) != 0))
		return outcome;
	q->ret_record[i] = q->conflict->holder;
	q->conflict->holder = (struct record){};
	registry_conflict_release(q->conflict);
	claim->outcome = REGISTRY_RECORDED;
	return 0;
}

/* Memory may end half-way: then the error spoils the edits of the whole batch,
 * which are undone with it (requests_run()). */
int request_keep(struct registry *r, struct request *q)
{
	_cleanup_buffer_ struct buffer text = {};
	struct owner owner = record_owner(
		q->want, r->engine->lease[0] ? r->engine->lease : NULL);
	int err = engine_is_sure(r->engine) ? 0 : -EIO;

	for (size_t i = 0; err == 0 && i < q->n_claims; i++)
		err = judge(r, q, i, &owner);
	if (err == 0)
		err = format_kept(q->want, &text);
	for (size_t i = 0; err == 0 && i < q->n_claims; i++)
		err = keep(r, q, &q->claims[i], &text);
	return err;
}

/* Whether it is a kept one of the owner's. As requests_judge(). */
static int judge_unkeep(struct registry *r, struct request *q, const char *path)
{
	_cleanup_record_ struct record now = {};
	int found = requests_find(r, path, &now);

	if (found < 0)
		return found;
	if (found == 0) {
		q->conflict->path = strdup(path);
		return q->conflict->path ? -ENOENT : -ENOMEM;
	}
	if (record_is_open(&now) || !record_owned_by(&now, q->owner))
		return requests_conflict(q, path, &now);
	return 0;
}

static int unkeep(struct registry *r, struct request *q, const char *path)
{
	const char *open = held_text(r, path);
	int err = 0;

	if (open)
		err = engine_put(r->engine, path, open, strlen(open));
	else
		engine_remove(r->engine, path);
	q->edited |= err == 0;
	return err;
}

int request_unkeep(struct registry *r, struct request *q)
{
	int err = 0;

	for (size_t i = 0; err == 0 && i < q->n_claims; i++)
		err = judge_unkeep(r, q, q->claims[i].path);
	for (size_t i = 0; err == 0 && i < q->n_claims; i++)
		err = unkeep(r, q, q->claims[i].path);
	return err;
}

static int judge_seize(struct registry *r, struct request *q, size_t i)
{
	const char *path = q->claims[i].path;
	struct record *was = &q->ret_record[i];
	int found = requests_find(r, path, was);

	q->claims[i].outcome = REGISTRY_RECORDED;
	if (found <= 0)
		return found;
	if (q->only_user && strcmp(was->user, q->only_user) != 0)
		return requests_conflict(q, path, was);
	if (q->only_lease &&
	    (!record_is_open(was) || strcmp(was->lease, q->only_lease) != 0 ||
	     requests_judge_holder(r, path, was) == LEASE_LIVE))
		return requests_conflict(q, path, was);
	return 0;
}

int request_seize(struct registry *r, struct request *q)
{
	int err = engine_is_sure(r->engine) ? 0 : -EIO;

	for (size_t i = 0; err == 0 && i < q->n_claims; i++)
		err = judge_seize(r, q, i);
	return err == 0 ? requests_put_open(r, q) : err;
}

/* What nobody but its own fields' readers would miss is lost of the record:
 * fields we don't know. */
int request_unseize(struct registry *r, struct request *q)
{
	_cleanup_record_ struct record now = {};
	_cleanup_buffer_ struct buffer text = {};
	int found = requests_find(r, q->path, &now);
	int err = 0;

	if (found <= 0 || !requests_is_ours(r, &now))
		return found < 0 ? found : 0; /* somebody has broken it */
	if (!q->want->user) {
		engine_remove(r->engine, q->path);
		held_remove(r, q->path);
	} else {
		err = record_format(q->want, &text);
		if (err == 0 && requests_is_ours(r, q->want))
			err = held_gain(q, q->path, text.data, text.len);
		else if (err == 0)
			held_remove(r, q->path);
		if (err == 0)
			err = engine_put(r->engine, q->path, text.data,
					 text.len);
	}
	q->edited = err == 0;
	return err;
}

/* Whether the record is to be copied: not if it stands there already. As
 * requests_judge(). */
static int judge_copy(struct registry *r, struct request *q, const char *path,
		      const char *text, size_t len, bool *ret_wanted)
{
	_cleanup_record_ struct record rec = {}, now = {};
	size_t old_len;
	const char *old = engine_find(r->engine, path, &old_len);
	int err = record_parse(&rec, text, len);

	*ret_wanted = err == 0 && !record_is_open(&rec) &&
		      !(old && old_len == len && !memcmp(old, text, len));
	if (err == -ENOMEM)
		return err;
	err = *ret_wanted ? requests_find(r, path, &now) : 0;
	return err > 0 ? requests_conflict(q, path, &now) : err;
}

/* All are judged before the first is copied. */
int request_copy(struct registry *r, struct request *q)
{
	int err = 0;

	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = q->from; err == 0 && i < q->until; i++) {
			const char *path = snapshot_path(q->snapshot, i);
			bool wanted;
			size_t len;
			const char *text = snapshot_text(q->snapshot, i, &len);

			err = judge_copy(r, q, path, text, len, &wanted);
			if (err == 0 && wanted && pass == 1) {
				err = engine_put(r->engine, path, text, len);
				q->edited |= err == 0;
			}
		}
	}
	return err;
}
