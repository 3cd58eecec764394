/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/snapshot.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"

struct snapshot {
	atomic_int refs;
	struct signature signature; /* of the file it is a copy of */
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

/* Lists what can be found by path: not the entries whose key is none. */
static int sort(struct snapshot *s)
{
	s->sorted = calloc(s->entries.by_key.count + 1, sizeof(*s->sorted));
	if (!s->sorted)
		return -ENOMEM;
	for (const struct entry *e = s->entries.head; e; e = e->next)
		if (e->key[0])
			s->sorted[s->count++] = e;
	qsort(s->sorted, s->count, sizeof(*s->sorted), compare);
	return 0;
}

static int make(struct store *store, struct snapshot **ret_snapshot)
{
	struct snapshot *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->refs = 1;
	r = store_copy(store, &s->entries, &s->signature);
	if (r == 0)
		r = sort(s);
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
	pthread_mutex_init(&c->mutex, NULL);
}

void snapshot_cache_release(struct snapshot_cache *c)
{
	snapshot_release(c->last);
	pthread_mutex_destroy(&c->mutex);
}

static struct snapshot *get_last(struct snapshot_cache *c)
{
	LOCK_SCOPE(&c->mutex);
	if (c->last)
		atomic_fetch_add(&c->last->refs, 1);
	return c->last;
}

static struct snapshot *set_last(struct snapshot_cache *c, struct snapshot *s)
{
	struct snapshot *old;

	LOCK_SCOPE(&c->mutex);
	old = c->last;
	c->last = s;
	atomic_fetch_add(&s->refs, 1);
	return old;
}

int snapshot_cache_get(struct snapshot_cache *c, struct store *store,
		       struct snapshot **ret_snapshot)
{
	struct snapshot *s = get_last(c);
	int r;

	if (s && store_is_current(store, &s->signature)) {
		*ret_snapshot = s;
		return 0;
	}
	snapshot_release(s);
	r = make(store, &s);
	if (r < 0)
		return r;
	snapshot_release(set_last(c, s));
	*ret_snapshot = s;
	return 0;
}
