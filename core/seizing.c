/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Taking a path from whoever has it: core/checkouts.h, struct seizure.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/ending.h"
#include "core/wait.h"

#define UNSEIZE_WAIT_MS 5000

/* Under the mutex: waits while somebody asks the registry about a path, moves a
 * folder above it, or renames or deletes it: what was begun by the one must not
 * hit the other's file. */
static int settle_busy(struct checkouts *c, const char *path,
		       const struct wait *w)
{
	for (;;) {
		struct checkout *co = taken_find(c, path);
		int r;

		if (!(co && (co->busy || co->operations)) &&
		    !taken_find_above(c, path))
			return 0;
		r = taken_await_change(c, w);
		if (r < 0)
			return r;
	}
}

/* Under the mutex: a checkout of ours, busy, in the place of any other. */
static int supplant(struct checkouts *c, const char *path,
		    const struct record *want, struct checkout **ret_old,
		    struct checkout **ret_new)
{
	struct checkout_claim claim = { .path = path };
	struct checkout *old = taken_find(c, path);

	if (old)
		taken_fence(c, old);
	*ret_new = taken_add(c, &claim, want);
	if (*ret_new)
		(*ret_new)->brief = true;
	if (!*ret_new && old)
		taken_unfence(c, old);
	else
		*ret_old = old;
	return *ret_new ? 0 : -ENOMEM;
}

static void forget(struct seizure *s)
{
	record_release(&s->was);
	free(s->writer);
	s->writer = NULL;
}

/* Under the mutex: nothing came of it. What has no use any more ends now. */
static void restore(struct checkouts *c, struct seizure *s)
{
	struct checkout *old = s->old;

	taken_remove(c, s->checkout);
	forget(s);
	if (!old)
		return;
	taken_unfence(c, old);
	if (--old->uses == 0)
		ending_now(c, old);
}

int checkouts_seize(struct checkouts *c, const char *path,
		    const struct record *want, const char *only_user,
		    const char *only_lease, const struct wait *w,
		    struct seizure *ret_seizure,
		    struct registry_conflict *ret_conflict)
{
	struct seizure s = {};
	int r;

	LOCK_SCOPE(&c->mutex);
	r = settle_busy(c, path, w);
	if (r == 0)
		r = supplant(c, path, want, &s.old, &s.checkout);
	if (r < 0)
		return r;
	if (s.old)
		s.old->uses++; /* ours, until it is decided */
	pthread_mutex_unlock(&c->mutex);
	r = registry_seize(c->registry, &path, 1, want, only_user, only_lease,
			   w, &s.was, ret_conflict);
	pthread_mutex_lock(&c->mutex);
	if (r != 0) {
		restore(c, &s);
		return r == REGISTRY_HELD ? CHECKOUTS_REFUSED : r;
	}
	*ret_seizure = s;
	if (!s.old || s.old->uses == 1)
		return 0;
	ret_seizure->writer = strdup(s.old->record.user);
	if (ret_seizure->writer)
		return 0;
	pthread_mutex_unlock(&c->mutex);
	checkouts_unseize(c, ret_seizure);
	pthread_mutex_lock(&c->mutex);
	return -ENOMEM;
}

void checkouts_seized(struct checkouts *c, struct seizure *s)
{
	LOCK_SCOPE(&c->mutex);
	if (s->old && --s->old->uses == 0)
		taken_free_fenced(c, s->old);
	s->checkout->busy = false;
	pthread_cond_broadcast(&c->changed);
	forget(s);
}

bool checkouts_in_use(struct checkouts *c, const char *path)
{
	struct checkout *co;

	LOCK_SCOPE(&c->mutex);
	co = taken_find(c, path);
	return co && !co->busy && co->uses > 0;
}

/* A busy one is just being taken, or given back: the registry has the say. */
void checkouts_lost(struct checkouts *c, const char *path)
{
	struct checkout *co;

	LOCK_SCOPE(&c->mutex);
	co = taken_find(c, path);
	if (co && !co->busy && co->uses > 0)
		taken_fence(c, co);
}

void checkouts_unseize(struct checkouts *c, struct seizure *s)
{
	struct wait w = wait_for_ms(UNSEIZE_WAIT_MS);

	/* if it fails, the next checkin of ours ends it: not his, nor ours */
	registry_unseize(c->registry, s->checkout->path, &s->was, &w);
	LOCK_SCOPE(&c->mutex);
	restore(c, s);
}
