/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/snapshot.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"

struct snapshot {
	atomic_int refs;
	struct signature signature; /* which state it is a copy of */
	uint64_t others; /* engine_others() of what it is a copy of */
	struct entries entries;
	size_t count;
	const struct entry **sorted;
};

void snapshot_release(struct snapshot *s)
{
	if (!s || atomic_fetch_sub(&s->refs, 1) > 1)
		return;
	entries_release(&s->entries);
	free(s->sorted);
	free(s);
}

size_t snapshot_count(const struct snapshot *s)
{
	return s->count;
}

const char *snapshot_path(const struct snapshot *s, size_t i)
{
	return s->sorted[i]->key;
}

const char *snapshot_text(const struct snapshot *s, size_t i, size_t *ret_len)
{
	return entries_value(&s->entries, s->sorted[i], ret_len);
}

const char *snapshot_whole(const struct snapshot *s, size_t *ret_len)
{
	*ret_len = s->entries.text.len;
	return s->entries.text.data;
}

size_t snapshot_search(const struct snapshot *s, const char *path)
{
	size_t low = 0, high = s->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(s->sorted[middle]->key, path) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int compare(const void *a, const void *b)
{
	const struct entry *const *x = a;
	const struct entry *const *y = b;

	return strcmp((*x)->key, (*y)->key);
}

static bool is_own(const struct engine *engine, const struct snapshot *s,
		   const struct entry *e)
{
	size_t len;
	const char *text = entries_value(&s->entries, e, &len);

	return record_text_has_lease(text, len, engine->lease);
}

/* Lists what can be found by path: not the entries whose key is none.
 * `without`: the engine whose own records are left out, or NULL. */
static int sort(struct snapshot *s, const struct engine *without)
{
	s->sorted = calloc(s->entries.by_key.count + 1, sizeof(*s->sorted));
	if (!s->sorted)
		return -ENOMEM;
	for (const struct entry *e = s->entries.head; e; e = e->next)
		if (e->key[0] && !(without && is_own(without, s, e)))
			s->sorted[s->count++] = e;
	qsort(s->sorted, s->count, sizeof(*s->sorted), compare);
	return 0;
}

static int make(struct engine *engine, bool others,
		struct snapshot **ret_snapshot)
{
	struct snapshot *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->refs = 1;
	r = engine_copy(engine, &s->entries, &s->signature);
	if (r == 0)
		r = sort(s, others ? engine : NULL);
	if (r < 0) {
		snapshot_release(s);
		return r;
	}
	*ret_snapshot = s;
	return 0;
}

void snapshot_cache_init(struct snapshot_cache *c)
{
	c->last = NULL;
	c->others = NULL;
	pthread_mutex_init(&c->mutex, NULL);
}

void snapshot_cache_release(struct snapshot_cache *c)
{
	snapshot_release(c->last);
	snapshot_release(c->others);
	pthread_mutex_destroy(&c->mutex);
}

static struct snapshot *get(struct snapshot_cache *c, struct snapshot **which)
{
	LOCK_SCOPE(&c->mutex);
	if (*which)
		atomic_fetch_add(&(*which)->refs, 1);
	return *which;
}

static void set(struct snapshot_cache *c, struct snapshot **which,
		struct snapshot *s)
{
	struct snapshot *old;

	pthread_mutex_lock(&c->mutex);
	old = *which;
	*which = s;
	atomic_fetch_add(&s->refs, 1);
	pthread_mutex_unlock(&c->mutex);
	snapshot_release(old);
}

int snapshot_cache_get(struct snapshot_cache *c, struct engine *e,
		       struct snapshot **ret_snapshot)
{
	struct snapshot *s = get(c, &c->last);
	int r;

	if (s && engine_is_current(e, &s->signature)) {
		*ret_snapshot = s;
		return 0;
	}
	snapshot_release(s);
	r = make(e, false, &s);
	if (r < 0)
		return r;
	set(c, &c->last, s);
	*ret_snapshot = s;
	return 0;
}

int snapshot_cache_get_others(struct snapshot_cache *c, struct engine *e,
			      struct snapshot **ret_snapshot)
{
	struct snapshot *s = get(c, &c->others);
	uint64_t now = engine_others(e);
	int r;

	if (s && now && s->others == now) {
		*ret_snapshot = s;
		return 0;
	}
	snapshot_release(s);
	r = make(e, true, &s);
	if (r < 0)
		return r;
	/* the same before and after: so it was when the copy was made */
	s->others = now == engine_others(e) ? now : 0;
	if (s->others)
		set(c, &c->others, s);
	*ret_snapshot = s;
	return 0;
}
