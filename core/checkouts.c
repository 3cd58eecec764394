/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/checkouts.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/hash.h"
#include "core/timestamp.h"

/* Another mount's checkin may be as late as ours, and we can't see whether
 * its handles are flushed; this is how long we look again. */
#define OTHER_MOUNT_GRACE_MS 40
#define OTHER_MOUNT_PAUSE (4 * NSEC_PER_MSEC)
#define WAKE_MS 20 /* to see an interruption */

struct checkout {
	struct hash_node node; /* in checkouts.by_path */
	struct record record;  /* what others are told; fixed */
	bool kept;    /* the owner's own kept checkout covers it */
	bool busy;    /* the registry is being asked, or told */
	bool written; /* by a handle that is closed */
	size_t handles;
	size_t flushed; /* of them */
	char path[];
};

/* Nothing is called under the mutex. A busy checkout belongs to the thread
 * that made it so; all others wait for `changed`. */
struct checkouts {
	struct registry *registry;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	struct hash by_path; /* under mutex, and all that is in it */
};

int checkouts_open(struct checkouts **ret_checkouts, struct registry *r)
{
	struct checkouts *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->registry = r;
	pthread_mutex_init(&c->mutex, NULL);
	pthread_cond_init(&c->changed, NULL);
	*ret_checkouts = c;
	return 0;
}

static void free_checkout(struct checkout *co)
{
	record_release(&co->record);
	free(co);
}

static void drop(struct hash_node *n)
{
	free_checkout(container_of(n, struct checkout, node));
}

void checkouts_free(struct checkouts *c)
{
	if (!c)
		return;
	hash_clear(&c->by_path, drop);
	pthread_cond_destroy(&c->changed);
	pthread_mutex_destroy(&c->mutex);
	free(c);
}

static struct checkout *find(struct checkouts *c, const char *path)
{
	for (struct hash_node *n = hash_first(&c->by_path, hash_string(path));
	     n; n = hash_next(n)) {
		struct checkout *co = container_of(n, struct checkout, node);

		if (!strcmp(co->path, path))
			return co;
	}
	return NULL;
}

/* A new one, busy, with one handle; its record is `want`, from now. */
static struct checkout *add(struct checkouts *c, const char *path,
			    const struct record *want)
{
	size_t size = strlen(path) + 1;
	struct checkout *co = calloc(1, sizeof(*co) + size);
	char now[TIMESTAMP_SIZE];
	struct record rec = *want;

	timestamp_now(now);
	rec.timestamp = now;
	if (!co || record_copy(&co->record, &rec) < 0 ||
	    hash_insert(&c->by_path, &co->node, hash_string(path)) < 0) {
		if (co)
			free_checkout(co);
		return NULL;
	}
	memcpy(co->path, path, size);
	co->busy = true;
	co->handles = 1;
	return co;
}

static void remove_checkout(struct checkouts *c, struct checkout *co)
{
	hash_remove(&c->by_path, &co->node);
	pthread_cond_broadcast(&c->changed);
	free_checkout(co);
}

static bool same(const char *a, const char *b)
{
	return !strcmp(a ? a : "", b ? b : "");
}

/* Through one mount the host is always the same. */
static bool same_owner(const struct checkout *co, const struct record *want)
{
	return same(co->record.user, want->user) &&
	       same(co->record.seat, want->seat);
}

static int wait_for_change(struct checkouts *c, const struct wait *w)
{
	uint64_t until = clock_now() + WAKE_MS * NSEC_PER_MSEC;
	struct timespec ts = {.tv_sec = (time_t)(until / NSEC_PER_SEC),
			      .tv_nsec = (long)(until % NSEC_PER_SEC)};

	pthread_cond_clockwait(&c->changed, &c->mutex, CLOCK_MONOTONIC, &ts);
	return wait_check(w);
}

/* Under the mutex: until the path is free, or the owner's, or surely another's.
 * Returns 0 with the owner's checkout or NULL, or as checkouts_take(). */
static int settle(struct checkouts *c, const char *path,
		  const struct record *want, const struct wait *w,
		  struct checkout **ret_checkout, struct record *ret_holder)
{
	struct wait grace = *w;
	uint64_t until = clock_now() + CHECKOUTS_GRACE_MS * NSEC_PER_MSEC;
	struct checkout *co;

	if (until < grace.deadline)
		grace.deadline = until;
	while ((co = find(c, path))) {
		bool leaving = !co->busy && co->flushed == co->handles;
		int r;

		if (!co->busy && same_owner(co, want))
			break;
		if (!co->busy && !leaving)
			return record_copy(ret_holder, &co->record) < 0
				       ? -ENOMEM
				       : CHECKOUTS_REFUSED;
		r = wait_for_change(c, co->busy ? w : &grace);
		if (r == -ETIMEDOUT && leaving && find(c, path) == co)
			return record_copy(ret_holder, &co->record) < 0
				       ? -ENOMEM
				       : CHECKOUTS_REFUSED;
		if (r < 0 && !(r == -ETIMEDOUT && leaving))
			return r;
	}
	*ret_checkout = co;
	return 0;
}

/* Asks the registry, again for a while if another mount has the path. */
static int record(struct checkouts *c, struct checkout *co,
		  const struct wait *w, struct record *ret_holder)
{
	struct wait grace = wait_for_ms(OTHER_MOUNT_GRACE_MS);

	grace.interrupted = w->interrupted;
	grace.interrupted_arg = w->interrupted_arg;
	for (;;) {
		struct record holder = {};
		int r = registry_checkout(c->registry, co->path, &co->record,
					  w, &holder);

		if (r != REGISTRY_HELD)
			return r;
		if (!record_is_open(&holder) ||
		    wait_sleep(&grace, OTHER_MOUNT_PAUSE) < 0) {
			*ret_holder = holder;
			return r;
		}
		record_release(&holder);
	}
}

int checkouts_take(struct checkouts *c, const char *path,
		   const struct record *want, const struct wait *w,
		   struct checkout **ret_checkout, struct record *ret_holder)
{
	struct checkout *co = NULL;
	int r;

	LOCK_SCOPE(&c->mutex);
	r = settle(c, path, want, w, &co, ret_holder);
	if (r != 0)
		return r;
	if (co) {
		co->handles++;
		*ret_checkout = co;
		return 0;
	}
	co = add(c, path, want);
	if (!co)
		return -ENOMEM;
	pthread_mutex_unlock(&c->mutex);
	r = record(c, co, w, ret_holder);
	pthread_mutex_lock(&c->mutex);
	if (r != REGISTRY_RECORDED && r != REGISTRY_KEPT) {
		remove_checkout(c, co);
		return r == REGISTRY_HELD ? CHECKOUTS_REFUSED : r;
	}
	co->kept = r == REGISTRY_KEPT;
	co->busy = false;
	pthread_cond_broadcast(&c->changed);
	*ret_checkout = co;
	return 0;
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

/* It stays in the table, busy, until the registry has its checkin: whoever
 * wants the path next asks the registry after that. */
bool checkouts_give_back(struct checkouts *c, struct checkout *co, bool flushed,
			 bool written, struct record *ret_record)
{
	LOCK_SCOPE(&c->mutex);
	if (flushed)
		co->flushed--;
	co->written |= written;
	if (--co->handles > 0) {
		pthread_cond_broadcast(&c->changed);
		return false;
	}
	co->busy = true;
	if (!co->kept) {
		pthread_mutex_unlock(&c->mutex);
		registry_checkin(c->registry, co->path);
		pthread_mutex_lock(&c->mutex);
	}
	written = co->written;
	if (written) {
		*ret_record = co->record;
		co->record = (struct record){};
	}
	remove_checkout(c, co);
	return written;
}

const char *checkout_path(const struct checkout *co)
{
	return co->path;
}
