/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Taking a path from whoever has it: core/checkouts.h, struct seizure.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/ending.h"
#include "core/timestamp.h"
#include "core/wait.h"

#define UNSEIZE_WAIT_MS 5000

/* Under the mutex: waits while somebody asks the registry about one of the
 * paths, moves a folder above it, renames or deletes it, or takes it over: what
 * was begun by the one must not hit the other's file. */
static int settle(struct checkouts *c, const struct seizure *s, size_t n,
		  const struct wait *w)
{
	for (size_t i = 0; i < n;) {
		struct checkout *co = taken_find(c, s[i].path);
		int r;

		if (!(co && (co->busy || co->operations)) &&
		    !taken_find_above(c, s[i].path)) {
			i++;
			continue;
		}
		r = taken_await_change(c, w);
		if (r < 0)
			return r;
		i = 0;
	}
	return 0;
}

/* Under the mutex: a checkout of ours, busy, in the place of any other. A path
 * that is ours already was named twice. */
static int supplant(struct checkouts *c, struct seizure *s,
		    const struct record *want)
{
	struct checkout_claim claim = { .path = s->path };
	struct checkout *old = taken_find(c, s->path);

	if (old && old->busy)
		return 0;
	if (old && old->uses && !(s->writer = strdup(old->record.user)))
		return -ENOMEM;
	if (old)
		taken_fence(c, old);
	s->checkout = taken_add(c, &claim, want);
	if (!s->checkout) {
		if (old)
			taken_unfence(c, old);
		return -ENOMEM;
	}
	s->checkout->brief = true;
	s->checkout->operations = 1;
	s->old = old;
	if (old)
		old->uses++; /* ours, until it is decided */
	return 0;
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

	forget(s);
	if (!s->checkout)
		return;
	taken_remove(c, s->checkout);
	s->checkout = NULL;
	if (!old)
		return;
	taken_unfence(c, old);
	if (--old->uses == 0)
		ending_now(c, old);
}

/* Those that were named twice are not asked for twice. */
static int ask_registry(struct checkouts *c, struct seizure *s, size_t n,
			const struct record *want, const char *only_user,
			const char *only_lease, const struct wait *w,
			struct registry_conflict *ret_conflict)
{
	_cleanup_free_ const char **paths = calloc(n, sizeof(*paths));
	_cleanup_free_ struct record *was = calloc(n, sizeof(*was));
	size_t n_paths = 0;
	int r;

	if (!paths || !was)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (s[i].checkout)
			paths[n_paths++] = s[i].path;
	r = registry_seize(c->registry, paths, n_paths, want, only_user,
			   only_lease, w, was, ret_conflict);
	for (size_t i = n; i-- > 0;)
		if (s[i].checkout)
			s[i].was = was[--n_paths];
	return r;
}

/* Who let go of it meanwhile writes no more. */
static void find_writers(struct seizure *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!s[i].old || s[i].old->uses > 1)
			continue;
		free(s[i].writer);
		s[i].writer = NULL;
	}
}

int checkouts_seize(struct checkouts *c, struct seizure *s, size_t n,
		    const struct record *want, const char *only_user,
		    const char *only_lease, const struct wait *w,
		    struct registry_conflict *ret_conflict)
{
	char now[TIMESTAMP_SIZE];
	struct record from_now = *want;
	int r;

	timestamp_now(now);
	from_now.timestamp = now;
	LOCK_SCOPE(&c->mutex);
	r = settle(c, s, n, w);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = supplant(c, &s[i], &from_now);
	if (r == 0) {
		pthread_mutex_unlock(&c->mutex);
		r = ask_registry(c, s, n, &from_now, only_user, only_lease, w,
				 ret_conflict);
		pthread_mutex_lock(&c->mutex);
	}
	if (r == 0)
		find_writers(s, n);
	for (size_t i = 0; r != 0 && i < n; i++)
		restore(c, &s[i]);
	return r == REGISTRY_HELD ? CHECKOUTS_REFUSED : r;
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
	registry_unseize(c->registry, s->path, &s->was, &w);
	LOCK_SCOPE(&c->mutex);
	restore(c, s);
}
