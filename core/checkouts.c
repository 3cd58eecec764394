/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/checkouts.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/ending.h"
#include "core/timestamp.h"

/* Another mount's checkin may be as late as ours, and we can't see whether
 * its handles are flushed; this is how long we look again. */
#define OTHER_MOUNT_GRACE_MS CHECKOUTS_GRACE_MS
#define OTHER_MOUNT_PAUSE (4 * NSEC_PER_MSEC)

/* ---- whose they are ---- */

char *checkouts_path(struct checkouts *c, const struct checkout *co)
{
	LOCK_SCOPE(&c->mutex);
	return strdup(co->path);
}

/* ---- taking ---- */

static int refuse(const struct checkout *co,
		  struct registry_conflict *ret_conflict)
{
	struct registry_conflict conflict = { .path = strdup(co->path) };

	if (!conflict.path || record_copy(&conflict.holder, &co->record) < 0) {
		free(conflict.path);
		return -ENOMEM;
	}
	*ret_conflict = conflict;
	return CHECKOUTS_REFUSED;
}

/* Under a kept checkout it is that which is in the way, whatever its owner has
 * open just now. Lets the mutex go in between. */
static void name_kept(struct checkouts *c, struct registry_conflict *conflict)
{
	struct record kept = {};
	bool found;

	pthread_mutex_unlock(&c->mutex);
	found = registry_peek(c->registry, conflict->path, &kept);
	pthread_mutex_lock(&c->mutex);
	if (found && !record_is_open(&kept) &&
	    !strcmp(kept.user, conflict->holder.user)) {
		struct record open = conflict->holder;

		conflict->holder = kept;
		kept = open;
	}
	record_release(&kept);
}

/* What is in the way of a claim, if only for a moment; or NULL. */
static struct checkout *find_obstacle(struct checkouts *c,
				      const struct checkout_claim *claim,
				      const struct record *want)
{
	struct checkout *co = taken_find(c, claim->path);

	if (co && (co->busy || !checkout_is_owned_by(co, want)))
		return co;
	co = taken_find_above(c, claim->path);
	if (!co && claim->tree)
		co = taken_find_below(c, claim->path, want);
	return co;
}

static bool is_leaving(const struct checkout *co)
{
	return co->uses > 0 && co->flushed == co->uses;
}

/* Whether there is no use in waiting for it any longer. Taking a path over may
 * take as long as copying its file. */
static bool is_to_stay(const struct checkout *co, const struct record *want,
		       bool late)
{
	if (co->tree)
		return false;
	if (co->busy)
		return late && co->brief && !checkout_is_owned_by(co, want);
	return late || !is_leaving(co);
}

/* Under the mutex: waits until nothing is in the way of any claim, or surely
 * is. Returns 0, CHECKOUTS_REFUSED or -errno. */
static int settle(struct checkouts *c, const struct checkout_claim *claims,
		  size_t n, const struct record *want, const struct wait *w,
		  struct registry_conflict *ret_conflict)
{
	uint64_t until = clock_now() + CHECKOUTS_GRACE_MS * NSEC_PER_MSEC;
	size_t i = 0;

	while (i < n) {
		struct checkout *co = find_obstacle(c, &claims[i], want);
		int r;

		if (!co) {
			i++;
			continue;
		}
		if (is_to_stay(co, want, clock_now() >= until)) {
			r = refuse(co, ret_conflict);
			if (r == CHECKOUTS_REFUSED)
				name_kept(c, ret_conflict);
			return r;
		}
		r = taken_await_change(c, w);
		if (r < 0)
			return r;
		i = 0;
	}
	return 0;
}

/* Whether to ask the registry again: what another mount has may have been
 * closed, and not be written yet. Then the conflict is released. */
static bool is_worth_another_look(struct registry_conflict *conflict,
				  const struct wait *grace)
{
	if (!record_is_open(&conflict->holder) || conflict->given_up ||
	    wait_sleep(grace, OTHER_MOUNT_PAUSE) < 0)
		return false;
	registry_conflict_release(conflict);
	return true;
}

static struct wait other_mount_grace(const struct wait *w)
{
	struct wait grace = wait_for_ms(OTHER_MOUNT_GRACE_MS);

	grace.interrupted = w->interrupted;
	grace.interrupted_arg = w->interrupted_arg;
	grace.firm_until = w->firm_until;
	return grace;
}

/* Asks the registry, again for a while if another mount has a path. */
static int ask_registry(struct checkouts *c, struct registry_claim *claims,
			size_t n, const struct record *want,
			const struct wait *w,
			struct registry_conflict *ret_conflict)
{
	struct wait grace = other_mount_grace(w);
	int r;

	do
		r = registry_checkout(c->registry, claims, n, want, w,
				      ret_conflict);
	while (r == REGISTRY_HELD &&
	       is_worth_another_look(ret_conflict, &grace));
	return r == REGISTRY_HELD ? CHECKOUTS_REFUSED : r;
}

/* Under the mutex, all settled: an owner's checkout is used once more, the
 * others are made, busy. Returns how many were made, or -ENOMEM. */
static ssize_t use_or_add(struct checkouts *c, struct checkout_claim *claims,
			  size_t n, const struct record *want,
			  struct registry_claim *ret_made)
{
	ssize_t made = 0;

	for (size_t i = 0; i < n; i++) {
		struct checkout *co = taken_find(c, claims[i].path);

		if (co) {
			co->uses++;
			taken_add_file(c, co);
			ending_set(c, co, 0);
		} else {
			co = taken_add(c, &claims[i], want);
			if (co)
				ret_made[made++] = (struct registry_claim){
					.path = co->path, .tree = co->tree
				};
		}
		claims[i].checkout = co;
		if (!co)
			return -ENOMEM;
		co->operations += claims[i].operation;
	}
	return made;
}

/* Under the mutex: nothing came of it. */
static void unuse(struct checkouts *c, struct checkout_claim *claims, size_t n)
{
	for (size_t i = 0; i < n && claims[i].checkout; i++) {
		struct checkout *co = claims[i].checkout;

		co->operations -= claims[i].operation;
		if (co->busy)
			taken_remove(c, co);
		else if (--co->uses == 0 &&
			 !ending_is_put_off(c, co, co->scratch))
			ending_now(c, co);
	}
}

static void settle_made(struct checkouts *c, struct checkout_claim *claims,
			size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct checkout *co = claims[i].checkout;

		if (co->busy && !co->tree)
			measures_took(registry_measures(c->registry));
		co->busy = false;
	}
	pthread_cond_broadcast(&c->changed);
}

/* With all settled: `want` has a timestamp. */
static int take(struct checkouts *c, struct checkout_claim *claims, size_t n,
		const struct record *want, const struct wait *w,
		struct registry_conflict *ret_conflict)
{
	struct registry_claim few[4];
	_cleanup_free_ struct registry_claim *many =
		n > 4 ? calloc(n, sizeof(*many)) : NULL;
	struct registry_claim *made = n > 4 ? many : few;
	ssize_t n_made;
	int r = 0;

	if (!made)
		return -ENOMEM;
	n_made = use_or_add(c, claims, n, want, made);
	if (n_made > 0) {
		pthread_mutex_unlock(&c->mutex);
		r = ask_registry(c, made, (size_t)n_made, want, w,
				 ret_conflict);
		pthread_mutex_lock(&c->mutex);
	}
	if (n_made < 0)
		r = (int)n_made;
	if (r != 0)
		unuse(c, claims, n);
	else
		settle_made(c, claims, n);
	return r;
}

int checkouts_take(struct checkouts *c, struct checkout_claim *claims, size_t n,
		   const struct record *want, const struct wait *w,
		   struct registry_conflict *ret_conflict)
{
	char now[TIMESTAMP_SIZE];
	struct record from_now = *want;
	int r;

	LOCK_SCOPE(&c->mutex);
	r = settle(c, claims, n, want, w, ret_conflict);
	if (r != 0)
		return r;
	timestamp_now(now);
	from_now.timestamp = now;
	return take(c, claims, n, &from_now, w, ret_conflict);
}

int checkouts_check(struct checkouts *c, const char *path, bool tree,
		    bool after_close, const struct record *want,
		    const struct wait *w,
		    struct registry_conflict *ret_conflict)
{
	struct checkout_claim claim = { .path = path, .tree = tree };
	struct owner owner = record_owner(want, registry_lease(c->registry));
	struct wait grace = other_mount_grace(w);
	bool recent;
	int r;

	pthread_mutex_lock(&c->mutex);
	recent = after_close && taken_was_recently(c, path, want);
	r = recent ? 0 : settle(c, &claim, 1, want, w, ret_conflict);
	pthread_mutex_unlock(&c->mutex);
	if (recent || r != 0)
		return r;
	do
		r = registry_check(c->registry, path, tree, &owner, w,
				   ret_conflict);
	while (r == REGISTRY_HELD &&
	       is_worth_another_look(ret_conflict, &grace));
	return r == REGISTRY_HELD ? CHECKOUTS_REFUSED : r;
}

int checkouts_holder(struct checkouts *c, const char *path,
		     struct record *ret_holder)
{
	const struct checkout *co;

	LOCK_SCOPE(&c->mutex);
	co = taken_find(c, path);
	if (!co || co->tree || co->busy || is_leaving(co))
		return -ENOENT;
	return record_copy(ret_holder, &co->record);
}

int checkouts_list_others(struct checkouts *c, const struct record *owner,
			  struct buffer *ret_paths)
{
	int r = 0;

	LOCK_SCOPE(&c->mutex);
	for (struct checkout *co = c->files; r == 0 && co; co = co->next_file)
		if (!co->tree && !checkout_is_owned_by(co, owner))
			r = buffer_append(ret_paths, co->path,
					  strlen(co->path) + 1);
	return r;
}

/* ---- on purpose ---- */

int checkouts_keep(struct checkouts *c, const char *const *paths, size_t n,
		   const struct record *want, const struct wait *w,
		   size_t *ret_new, struct registry_conflict *ret_conflict)
{
	struct wait grace = other_mount_grace(w);
	int r = 0;

	pthread_mutex_lock(&c->mutex);
	for (size_t i = 0; r == 0 && i < n; i++) {
		struct checkout_claim claim = { .path = paths[i] };

		r = settle(c, &claim, 1, want, w, ret_conflict);
	}
	pthread_mutex_unlock(&c->mutex);
	if (r != 0)
		return r;
	do
		r = registry_keep(c->registry, paths, n, want, NULL, w, ret_new,
				  NULL, ret_conflict);
	while (r == REGISTRY_HELD &&
	       is_worth_another_look(ret_conflict, &grace));
	return r == REGISTRY_HELD ? CHECKOUTS_REFUSED : r;
}

/* ---- while it lasts, and after ---- */

bool checkouts_begin_version(struct checkouts *c, struct checkout *co,
			     bool surely)
{
	LOCK_SCOPE(&c->mutex);
	while (co->keeping)
		wait_on(&c->changed, &c->mutex, UINT64_MAX);
	if (surely)
		free(take_ptr(co->version));
	if (co->kept)
		return false;
	co->kept = co->keeping = true;
	return true;
}

void checkouts_end_version(struct checkouts *c, struct checkout *co, char *name)
{
	LOCK_SCOPE(&c->mutex);
	co->version = name;
	co->keeping = false;
	pthread_cond_broadcast(&c->changed);
}

/* Under the mutex, without uses: the next one keeps one again. */
static void end_versions(struct checkout *co, char **ret_version)
{
	_cleanup_free_ char *version = take_ptr(co->version);

	if (!co->written && ret_version)
		*ret_version = take_ptr(version);
	co->kept = false;
}

/* Under the mutex, which it may let go in between: one use less. */
static bool end_use(struct checkouts *c, struct checkout *co, bool written,
		    pid_t pid, struct record *ret_record, char **ret_version)
{
	co->written |= written;
	if (co->uses == 1)
		end_versions(co, ret_version);
	if (co->fenced) {
		if (--co->uses == 0)
			taken_free_fenced(c, co);
		return false;
	}
	if (--co->uses > 0) {
		pthread_cond_broadcast(&c->changed);
		return false;
	}
	written = co->written && record_copy(ret_record, &co->record) == 0;
	co->written = false;
	if (ending_is_put_off(c, co, pid))
		pthread_cond_broadcast(&c->changed);
	else
		ending_now(c, co);
	return written;
}

bool checkouts_give_back(struct checkouts *c, struct checkout *co, bool flushed,
			 bool written, pid_t pid, struct record *ret_record,
			 char **ret_version)
{
	LOCK_SCOPE(&c->mutex);
	if (flushed)
		co->flushed--;
	return end_use(c, co, written, pid, ret_record, ret_version);
}

void checkouts_give_up(struct checkouts *c, struct checkout *co)
{
	_cleanup_record_ struct record was = {};

	LOCK_SCOPE(&c->mutex);
	co->operations--;
	end_use(c, co, false, 0, &was, NULL);
}

void checkouts_flushed(struct checkouts *c, struct checkout *co, bool flushed)
{
	LOCK_SCOPE(&c->mutex);
	if (flushed)
		co->flushed++;
	else
		co->flushed--;
	pthread_cond_broadcast(&c->changed);
}

void checkouts_add_use(struct checkouts *c, struct checkout *co, bool flushed)
{
	LOCK_SCOPE(&c->mutex);
	co->uses++;
	co->flushed += flushed;
}

void checkouts_operation_done(struct checkouts *c, struct checkout *co)
{
	LOCK_SCOPE(&c->mutex);
	co->operations--;
	pthread_cond_broadcast(&c->changed);
}

void checkouts_name_gone(struct checkouts *c, struct checkout *co)
{
	LOCK_SCOPE(&c->mutex);
	co->gone = true;
}

void checkouts_name_exists(struct checkouts *c, struct checkout *co)
{
	LOCK_SCOPE(&c->mutex);
	co->gone = false;
}

void checkouts_name_made(struct checkouts *c, const char *path)
{
	struct checkout *co;

	LOCK_SCOPE(&c->mutex);
	co = taken_find(c, path);
	if (!co || co->busy || !co->gone)
		return;
	co->gone = false;
	taken_add_file(c, co);
	if (co->uses == 0 && !ending_is_put_off(c, co, co->scratch))
		ending_now(c, co);
}

/* ---- opening and closing ---- */

int checkouts_open(struct checkouts **ret_checkouts, struct registry *r,
		   unsigned linger_ms)
{
	struct checkouts *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	c->registry = r;
	c->linger_ms = linger_ms;
	c->next_sweep = UINT64_MAX;
	pthread_mutex_init(&c->mutex, NULL);
	pthread_cond_init(&c->changed, NULL);
	pthread_cond_init(&c->timed, NULL);
	err = -pthread_create(&c->sweeper, NULL, ending_sweep, c);
	if (err < 0) {
		free(c);
		return err;
	}
	*ret_checkouts = c;
	return 0;
}

void checkouts_free(struct checkouts *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->mutex);
	c->closing = true;
	pthread_cond_signal(&c->timed);
	pthread_mutex_unlock(&c->mutex);
	pthread_join(c->sweeper, NULL);
	taken_clear(c);
	ending_clear(c);
	pthread_cond_destroy(&c->changed);
	pthread_cond_destroy(&c->timed);
	pthread_mutex_destroy(&c->mutex);
	free(c);
}
