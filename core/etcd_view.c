/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/etcd_view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/record.h"

#define NOTHING "null"			/* holds nothing */
#define LOOK_AGAIN (20 * NSEC_PER_MSEC) /* whether waiting is still right */

/* A key. One that is gone stays until the news of that has come, so that older
 * news does not bring it back. */
struct known {
	struct hash_node node; /* in view.known */
	int64_t mod;	       /* 0: it is gone */
	int64_t as_of;
	char *station; /* the value, if it is that of a station */
	char key[];
};

static struct known *of_node(struct hash_node *n)
{
	return container_of(n, struct known, node);
}

static struct known *find(const struct etcd_view *v, const char *key)
{
	for (struct hash_node *n = hash_first(&v->known, hash_string(key)); n;
	     n = hash_next(n))
		if (!strcmp(of_node(n)->key, key))
			return of_node(n);
	return NULL;
}

static bool begins(const char *key, const char *prefix)
{
	return !strncmp(key, prefix, strlen(prefix));
}

static void drop(struct hash_node *n)
{
	free(of_node(n)->station);
	free(of_node(n));
}

int etcd_view_init(struct etcd_view *v, const char *lease)
{
	struct buffer nothing = {};

	*v = (struct etcd_view){ .lease = lease, .version = 1, .others = 1 };
	pthread_mutex_init(&v->mutex, NULL);
	pthread_cond_init(&v->changed, NULL);
	return entries_parse(&v->entries, &nothing);
}

void etcd_view_release(struct etcd_view *v)
{
	hash_clear(&v->known, drop);
	entries_release(&v->entries);
	pthread_cond_destroy(&v->changed);
	pthread_mutex_destroy(&v->mutex);
}

void etcd_view_freeze(struct etcd_view *v)
{
	LOCK_SCOPE(&v->mutex);
	while (v->n_news > 0)
		wait_on(&v->changed, &v->mutex, UINT64_MAX);
	v->frozen = true;
}

void etcd_view_thaw(struct etcd_view *v)
{
	LOCK_SCOPE(&v->mutex);
	v->frozen = false;
	pthread_cond_broadcast(&v->changed);
}

void etcd_view_settle(struct etcd_view *v)
{
	v->n_news++;
	while (v->frozen)
		wait_on(&v->changed, &v->mutex, UINT64_MAX);
	v->n_news--;
	pthread_cond_broadcast(&v->changed);
}

void etcd_view_set_complete(struct etcd_view *v, int64_t revision)
{
	if (revision <= v->complete)
		return;
	v->complete = revision;
	pthread_cond_broadcast(&v->changed);
}

int etcd_view_catch_up(struct etcd_view *v, const struct wait *w)
{
	int64_t until;
	int r = 0;

	LOCK_SCOPE(&v->mutex);
	until = v->own;
	while (r == 0 && v->complete < until) {
		wait_on(&v->changed, &v->mutex, clock_now() + LOOK_AGAIN);
		r = wait_check(w);
	}
	return r;
}

/* ---- news ---- */

static bool is_own(const struct etcd_view *v, const char *text, size_t len)
{
	return text && record_text_has_lease(text, len, v->lease);
}

static bool is_kept(const char *text, size_t len)
{
	_cleanup_record_ struct record rec = {};

	return text && record_parse(&rec, text, len) == 0 &&
	       !record_is_open(&rec);
}

/* Whoever wrote it: in the text of all records it must be JSON. */
static bool is_record(const char *value, size_t len)
{
	_cleanup_record_ struct record rec = {};

	return record_parse(&rec, value, len) == 0;
}

static int set_record(struct etcd_view *v, const char *path, const char *value,
		      size_t len, bool ours)
{
	struct edit edits[2];
	size_t old_len;
	const char *old = etcd_view_record(v, path, &old_len);
	bool was_own = is_own(v, old, old_len), own = is_own(v, value, len);
	int r = 0;

	if (!*path || (!old && !value))
		return 0;
	if (value && !is_record(value, len)) {
		value = NOTHING;
		len = strlen(NOTHING);
	}
	v->version++;
	if ((old && !was_own) || (value && !own))
		v->others++;
	v->robbed |= !ours && ((was_own && !own) || is_kept(old, old_len));
	if (value)
		r = entries_put(&v->entries, path, value, len, edits);
	else
		entries_remove(&v->entries, path, edits);
	return r < 0 ? r : 0;
}

static struct known *add(struct etcd_view *v, const char *key)
{
	size_t size = strlen(key) + 1;
	struct known *k = calloc(1, sizeof(*k) + size);

	if (!k)
		return NULL;
	memcpy(k->key, key, size);
	if (hash_insert(&v->known, &k->node, hash_string(key)) == 0)
		return k;
	free(k);
	return NULL;
}

static void forget(struct etcd_view *v, struct known *k)
{
	hash_remove(&v->known, &k->node);
	drop(&k->node);
}

int etcd_view_learn(struct etcd_view *v, const char *key, const char *value,
		    size_t len, int64_t mod, int64_t as_of, bool ours)
{
	struct known *k = find(v, key);
	int r = 0;

	if (k && k->as_of >= as_of) {
		if (!k->mod && !value && mod)
			forget(v, k); /* the news of its end: we knew */
		return 0;
	}
	if ((!k && !value) || (value && mod <= 0))
		return 0;
	if (!k && !(k = add(v, key)))
		return -ENOMEM;
	if (begins(key, VIEW_LOCKS) && k->mod != (value ? mod : 0))
		r = set_record(v, key + strlen(VIEW_LOCKS), value, len, ours);
	if (begins(key, VIEW_STATIONS)) {
		free(k->station);
		k->station = value ? strndup(value, len) : NULL;
	}
	if (r < 0)
		return r; /* and it is known by a revision it has no more */
	k->mod = value ? mod : 0;
	k->as_of = as_of;
	/* news of its end: nothing older can come by that way */
	if (!value && mod)
		forget(v, k);
	return 0;
}

int etcd_view_forget_rest(struct etcd_view *v, const char *prefix,
			  int64_t as_of)
{
	_cleanup_buffer_ struct buffer keys = {};
	int r = etcd_view_list(v, prefix, &keys);

	for (size_t at = 0; r == 0 && at < keys.len;
	     at += strlen(keys.data + at) + 1)
		r = etcd_view_learn(v, keys.data + at, NULL, 0, 0, as_of,
				    false);
	return r;
}

/* ---- what is known ---- */

int64_t etcd_view_revision(const struct etcd_view *v, const char *key)
{
	const struct known *k = find(v, key);

	return k ? k->mod : 0;
}

const char *etcd_view_station(const struct etcd_view *v, const char *key)
{
	const struct known *k = find(v, key);

	return k ? k->station : NULL;
}

const char *etcd_view_record(const struct etcd_view *v, const char *path,
			     size_t *ret_len)
{
	const struct entry *entry = entries_find(&v->entries, path);

	*ret_len = 0;
	return entry ? entries_value(&v->entries, entry, ret_len) : NULL;
}

int etcd_view_list(const struct etcd_view *v, const char *prefix,
		   struct buffer *ret_keys)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < v->known.n_slots; i++)
		for (struct hash_node *n = v->known.slots[i]; r == 0 && n;
		     n = n->next) {
			const struct known *k = of_node(n);

			if (k->mod && begins(k->key, prefix))
				r = buffer_append(ret_keys, k->key,
						  strlen(k->key) + 1);
		}
	return r;
}
