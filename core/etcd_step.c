/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/etcd_step.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base64.h"
#include "core/cleanup.h"
#include "core/etcd.h"

#define OPS_MAX 120 /* of 128, with some room */
#define CHUNK 60    /* writes in one inner transaction; and as many of these */

static bool is_lock(const char *key)
{
	return !strncmp(key, VIEW_LOCKS, strlen(VIEW_LOCKS));
}

void etcd_step_init(struct etcd_step *s, struct etcd_view *v)
{
	*s = (struct etcd_step){ .view = v };
	s->last = &s->first;
}

static void free_listed(struct etcd_step *s)
{
	while (s->listed) {
		struct etcd_listed *l = s->listed;

		s->listed = l->next;
		free(l);
	}
}

static void free_touched(struct hash_node *n)
{
	struct etcd_touched *t = container_of(n, struct etcd_touched, node);

	free(t->text);
	free(t->was);
	free(t);
}

void etcd_step_clear(struct etcd_step *s, bool all)
{
	hash_clear(&s->touched, free_touched);
	s->first = NULL;
	s->last = &s->first;
	s->writes = false;
	s->broken = false;
	if (all)
		free_listed(s);
}

void etcd_step_release(struct etcd_step *s)
{
	etcd_step_clear(s, true);
}

void etcd_step_move(struct etcd_step *to, struct etcd_step *from)
{
	etcd_step_release(to);
	*to = *from;
	if (!to->first)
		to->last = &to->first;
	etcd_step_init(from, to->view);
}

/* ---- looking and editing ---- */

static struct etcd_touched *find_touched(const struct etcd_step *s,
					 const char *key)
{
	for (struct hash_node *n = hash_first(&s->touched, hash_string(key)); n;
	     n = hash_next(n)) {
		struct etcd_touched *t =
			container_of(n, struct etcd_touched, node);

		if (!strcmp(t->key, key))
			return t;
	}
	return NULL;
}

static struct etcd_touched *touch(struct etcd_step *s, const char *key)
{
	struct etcd_touched *t = find_touched(s, key);
	size_t size = strlen(key) + 1;

	if (t)
		return t;
	t = calloc(1, sizeof(*t) + size);
	if (!t)
		return NULL;
	memcpy(t->key, key, size);
	t->mod = etcd_view_revision(s->view, key);
	if (hash_insert(&s->touched, &t->node, hash_string(key)) < 0) {
		free(t);
		return NULL;
	}
	*s->last = t;
	s->last = &t->next;
	return t;
}

static char *lock_key(const char *path)
{
	char *key;

	return asprintf(&key, VIEW_LOCKS "%s", path) < 0 ? NULL : key;
}

const char *etcd_step_find(struct etcd_step *s, const char *path,
			   size_t *ret_len)
{
	_cleanup_free_ char *key = lock_key(path);
	struct etcd_touched *t = key ? touch(s, key) : NULL;

	*ret_len = 0;
	s->broken |= !t;
	if (!t || !t->written)
		return etcd_view_record(s->view, path, ret_len);
	*ret_len = t->text ? strlen(t->text) : 0;
	return t->text;
}

bool etcd_step_has(struct etcd_step *s, const char *key)
{
	struct etcd_touched *t = touch(s, key);

	if (!t)
		return true; /* who knows: not provably gone */
	return t->written ? t->text != NULL : t->mod != 0;
}

static struct etcd_listed *find_listed(const struct etcd_step *s,
				       const char *prefix)
{
	struct etcd_listed *l = s->listed;

	while (l && strcmp(l->prefix, prefix) != 0)
		l = l->next;
	return l;
}

static struct etcd_listed *add_listed(struct etcd_step *s, const char *prefix)
{
	struct etcd_listed *l = find_listed(s, prefix);
	size_t size = strlen(prefix) + 1;

	if (!l) {
		l = calloc(1, sizeof(*l) + size);
		if (!l)
			return NULL;
		memcpy(l->prefix, prefix, size);
		l->next = s->listed;
		s->listed = l;
	}
	if (l->as_of < s->view->complete)
		l->as_of = s->view->complete;
	return l;
}

int etcd_step_list(struct etcd_step *s, const char *folder,
		   struct buffer *ret_paths)
{
	_cleanup_free_ char *prefix = NULL;
	_cleanup_buffer_ struct buffer keys = {};
	int r = 0;

	if (asprintf(&prefix, VIEW_LOCKS "%s%s", folder ? folder : "",
		     folder ? "/" : "") < 0)
		prefix = NULL;
	if (!prefix || !add_listed(s, prefix))
		return -ENOMEM;
	r = etcd_view_list(s->view, prefix, &keys);
	for (size_t at = 0; r == 0 && at < keys.len;
	     at += strlen(keys.data + at) + 1) {
		const char *path = keys.data + at + strlen(VIEW_LOCKS);
		struct etcd_touched *t = find_touched(s, keys.data + at);

		if (!t || !t->written || t->text)
			r = buffer_append(ret_paths, path, strlen(path) + 1);
	}
	for (struct etcd_touched *t = s->first; r == 0 && t; t = t->next) {
		const char *path = t->key + strlen(VIEW_LOCKS);

		if (t->written && t->text && !t->mod &&
		    !strncmp(t->key, prefix, strlen(prefix)))
			r = buffer_append(ret_paths, path, strlen(path) + 1);
	}
	return r;
}

int etcd_step_write(struct etcd_step *s, const char *key, const char *text,
		    size_t len)
{
	struct etcd_touched *t = touch(s, key);
	char *copy = text ? strndup(text, len) : NULL;
	const char *was;

	if (!t || (text && !copy)) {
		free(copy);
		return -ENOMEM;
	}
	if (!t->written && t->mod && is_lock(key)) {
		was = etcd_view_record(s->view, key + strlen(VIEW_LOCKS), &len);
		t->was = was ? strndup(was, len) : NULL;
		if (was && !t->was) {
			free(copy);
			return -ENOMEM;
		}
	}
	free(t->text);
	t->text = copy;
	t->written = true;
	s->writes = true;
	return 0;
}

/* Should this step be undone, too, the key is to be what it was before both. */
static int undo_key(struct etcd_step *s, const struct etcd_touched *made)
{
	char *was = made->was ? strdup(made->was) : NULL;
	struct etcd_touched *t;
	int r = made->was && !was ? -ENOMEM : 0;

	if (r == 0)
		r = etcd_step_write(s, made->key, was, was ? strlen(was) : 0);
	t = r == 0 ? find_touched(s, made->key) : NULL;
	if (t) {
		free(t->was);
		t->was = take_ptr(was);
	}
	free(was);
	return r;
}

int etcd_step_undo(struct etcd_step *s, const struct etcd_step *made,
		   int64_t revision)
{
	int r = 0;

	for (const struct etcd_touched *t = made->first; r == 0 && t;
	     t = t->next)
		if (t->written && is_lock(t->key) &&
		    etcd_view_revision(s->view, t->key) ==
			    (t->text ? revision : 0))
			r = undo_key(s, t);
	return r;
}

/* ---- the transaction ---- */

int etcd_step_append_key(struct buffer *b, const char *prefix, const char *key,
			 bool range)
{
	_cleanup_buffer_ struct buffer whole = {};
	int r = buffer_printf(&whole, "%s/%s", prefix, key);

	if (r == 0)
		r = buffer_append_string(b, "\"key\":\"");
	if (r == 0)
		r = base64_encode(b, whole.data, whole.len);
	if (r == 0 && range) {
		whole.data[whole.len - 1]++; /* '/' is followed by '0' */
		r = buffer_append_string(b, "\",\"range_end\":\"");
		if (r == 0)
			r = base64_encode(b, whole.data, whole.len);
	}
	return r == 0 ? buffer_append_string(b, "\"") : r;
}

/* A list in the text: where it began, for the commas. */
static int next_item(struct buffer *b)
{
	return b->data[b->len - 1] == '[' ? 0 : buffer_append(b, ",", 1);
}

static int compare_key(struct buffer *b, const char *prefix, const char *key,
		       int64_t mod)
{
	int r = next_item(b);

	if (r == 0)
		r = buffer_append_string(b, "{");
	if (r == 0)
		r = etcd_step_append_key(b, prefix, key, false);
	if (r == 0)
		r = buffer_printf(b,
				  ",\"target\":\"MOD\",\"result\":\"EQUAL\","
				  "\"mod_revision\":\"%lld\"}",
				  (long long)mod);
	return r;
}

static int compare_folder(struct buffer *b, const char *prefix,
			  const char *folder, int64_t as_of)
{
	int r = next_item(b);

	if (r == 0)
		r = buffer_append_string(b, "{");
	if (r == 0)
		r = etcd_step_append_key(b, prefix, folder, true);
	if (r == 0)
		r = buffer_printf(b,
				  ",\"target\":\"MOD\",\"result\":\"LESS\","
				  "\"mod_revision\":\"%lld\"}",
				  (long long)as_of + 1);
	return r;
}

static int read_key(struct buffer *b, const char *prefix, const char *key,
		    bool range)
{
	int r = next_item(b);

	if (r == 0)
		r = buffer_append_string(b, "{\"request_range\":{");
	if (r == 0)
		r = etcd_step_append_key(b, prefix, key, range);
	return r == 0 ? buffer_append_string(b, "}}") : r;
}

static int write_key(struct buffer *b, const char *prefix, const char *key,
		     const char *text)
{
	int r = next_item(b);

	if (r == 0)
		r = buffer_append_string(b, text ? "{\"request_put\":{"
						 : "{\"request_delete_range\":"
						   "{");
	if (r == 0)
		r = etcd_step_append_key(b, prefix, key, false);
	if (r == 0 && text)
		r = buffer_append_string(b, ",\"value\":\"");
	if (r == 0 && text)
		r = base64_encode(b, text, strlen(text));
	if (r == 0 && text)
		r = buffer_append_string(b, "\"");
	return r == 0 ? buffer_append_string(b, "}}") : r;
}

/* What was never there need not be removed. */
static bool is_write(const struct etcd_touched *t)
{
	return t->written && (t->text || t->mod);
}

/* How it is compared: key by key, or by these folders, which are all there is
 * to look at. */
static const char *const all_folders[] = { VIEW_LOCKS, VIEW_INSTANCES };
#define N_ALL (sizeof(all_folders) / sizeof(*all_folders))

struct plan {
	size_t keys, folders, writes;
	bool all;
};

static struct plan make_plan(const struct etcd_step *s)
{
	struct plan p = {};

	for (const struct etcd_touched *t = s->first; t; t = t->next) {
		p.keys++;
		p.writes += is_write(t);
	}
	for (const struct etcd_listed *l = s->listed; l; l = l->next)
		p.folders++;
	p.all = p.keys + p.folders > OPS_MAX;
	return p;
}

static int64_t folder_as_of(const struct etcd_step *s, const char *folder)
{
	const struct etcd_listed *l = find_listed(s, folder);

	return l && l->as_of > s->view->complete ? l->as_of : s->view->complete;
}

static int append_compares(const struct etcd_step *s, const struct plan *p,
			   const struct etcd_bond *bond, struct buffer *b)
{
	int r = buffer_append_string(b, "{\"compare\":[");

	if (r == 0 && bond->instance)
		r = compare_key(b, bond->prefix, bond->instance,
				bond->instance_mod);
	if (r == 0)
		r = compare_key(b, bond->prefix, bond->step_key,
				bond->step_mod);
	for (size_t i = 0; r == 0 && p->all && i < N_ALL; i++)
		r = compare_folder(b, bond->prefix, all_folders[i],
				   folder_as_of(s, all_folders[i]));
	if (r < 0 || p->all)
		return r;
	for (const struct etcd_touched *t = s->first; r == 0 && t; t = t->next)
		r = compare_key(b, bond->prefix, t->key, t->mod);
	for (const struct etcd_listed *l = s->listed; r == 0 && l; l = l->next)
		r = compare_folder(b, bond->prefix, l->prefix, l->as_of);
	return r;
}

static int append_reads(const struct etcd_step *s, const struct plan *p,
			const struct etcd_bond *bond, struct buffer *b)
{
	int r = buffer_append_string(b, "],\"failure\":[");

	if (r == 0 && bond->instance)
		r = read_key(b, bond->prefix, bond->instance, false);
	if (r == 0)
		r = read_key(b, bond->prefix, bond->step_key, false);
	for (size_t i = 0; r == 0 && p->all && i < N_ALL; i++)
		r = read_key(b, bond->prefix, all_folders[i], true);
	if (r < 0 || p->all)
		return r;
	for (const struct etcd_touched *t = s->first; r == 0 && t; t = t->next)
		r = read_key(b, bond->prefix, t->key, false);
	for (const struct etcd_listed *l = s->listed; r == 0 && l; l = l->next)
		r = read_key(b, bond->prefix, l->prefix, true);
	return r;
}

static int append_writes(const struct etcd_step *s, const struct plan *p,
			 const struct etcd_bond *bond, struct buffer *b)
{
	int r = buffer_append_string(b, "],\"success\":[");
	size_t n = 0;

	if (r == 0 && s->writes)
		r = write_key(b, bond->prefix, bond->step_key, bond->number);
	for (const struct etcd_touched *t = s->first; r == 0 && t;
	     t = t->next) {
		bool inner = p->writes > OPS_MAX && is_write(t);

		if (!is_write(t))
			continue;
		if (inner && n % CHUNK == 0)
			r = buffer_append_string(b, n ? "]}},{\"request_txn\":{"
							"\"success\":["
						      : ",{\"request_txn\":{"
							"\"success\":[");
		if (r == 0)
			r = write_key(b, bond->prefix, t->key, t->text);
		n++;
	}
	if (r == 0 && p->writes > OPS_MAX)
		r = buffer_append_string(b, "]}}");
	return r == 0 ? buffer_append_string(b, "]}") : r;
}

int etcd_step_format(const struct etcd_step *s, const struct etcd_bond *bond,
		     struct buffer *b)
{
	struct plan p = make_plan(s);
	int r;

	if (s->broken)
		return -ENOMEM;
	if (p.writes > CHUNK * CHUNK)
		return -E2BIG;
	r = append_compares(s, &p, bond, b);
	if (r == 0)
		r = append_reads(s, &p, bond, b);
	return r == 0 ? append_writes(s, &p, bond, b) : r;
}

/* ---- its answer ---- */

static int learn_kv(struct etcd_view *v, const char *prefix, const cJSON *kv,
		    int64_t as_of, bool gone)
{
	_cleanup_buffer_ struct buffer key = {}, value = {};
	size_t len = strlen(prefix);
	int r = etcd_bytes(kv, "key", &key);

	if (r == 0)
		r = etcd_bytes(kv, "value", &value);
	if (r < 0)
		return r;
	/* a NUL is in no key of ours */
	if (key.len <= len + 1 || memcmp(key.data, prefix, len) != 0 ||
	    key.data[len] != '/' || memchr(key.data, '\0', key.len))
		return 0;
	return etcd_view_learn(v, key.data + len + 1,
			       gone	    ? NULL
			       : value.data ? value.data
					    : "",
			       value.len, etcd_number(kv, "mod_revision"),
			       as_of, false);
}

int etcd_step_learn(struct etcd_view *v, const char *prefix, const cJSON *kv,
		    bool gone)
{
	return learn_kv(v, prefix, kv, etcd_number(kv, "mod_revision"), gone);
}

int etcd_step_learn_range(struct etcd_view *v, const char *prefix,
			  const cJSON *range, int64_t as_of)
{
	const cJSON *kv;
	int r = 0;

	cJSON_ArrayForEach(kv, etcd_field(range, "kvs"))
		if (r == 0)
			r = learn_kv(v, prefix, kv, as_of, false);
	return r;
}

int etcd_step_made(struct etcd_step *s, int64_t revision)
{
	int r = 0;

	LOCK_SCOPE(&s->view->mutex);
	if (s->writes && revision > s->view->own)
		s->view->own = revision;
	for (const struct etcd_touched *t = s->first; r == 0 && t; t = t->next)
		if (is_write(t))
			r = etcd_view_learn(s->view, t->key, t->text,
					    t->text ? strlen(t->text) : 0,
					    t->text ? revision : 0, revision,
					    true);
	return r;
}

/* The next of the answers, in the order of append_reads(). */
static const cJSON *next_range(const cJSON **response)
{
	const cJSON *now = *response;

	*response = now ? now->next : NULL;
	return etcd_field(now, "response_range");
}

static void take_number(const cJSON *range, char found[STEP_NUMBER_SIZE])
{
	_cleanup_buffer_ struct buffer value = {};
	const cJSON *kv = cJSON_GetArrayItem(etcd_field(range, "kvs"), 0);

	found[0] = '\0';
	if (kv && etcd_bytes(kv, "value", &value) == 0 && value.len > 0 &&
	    value.len < STEP_NUMBER_SIZE)
		memcpy(found, value.data, value.len + 1);
}

static int64_t first_mod(const cJSON *range)
{
	return etcd_number(cJSON_GetArrayItem(etcd_field(range, "kvs"), 0),
			   "mod_revision");
}

static int learn_key(struct etcd_step *s, const char *prefix,
		     const struct etcd_touched *t, const cJSON *range,
		     int64_t as_of)
{
	if (first_mod(range))
		return etcd_step_learn_range(s->view, prefix, range, as_of);
	return etcd_view_learn(s->view, t->key, NULL, 0, 0, as_of, false);
}

static int learn_folder(struct etcd_step *s, const char *prefix,
			struct etcd_listed *l, const cJSON *range,
			int64_t as_of)
{
	int r = etcd_step_learn_range(s->view, prefix, range, as_of);

	if (r == 0)
		r = etcd_view_forget_rest(s->view, l->prefix, as_of);
	if (r == 0)
		l->as_of = as_of;
	return r;
}

static int learn_all(struct etcd_step *s, const char *prefix,
		     const cJSON *response, int64_t as_of)
{
	struct plan p = make_plan(s);
	int r = 0;

	LOCK_SCOPE(&s->view->mutex);
	for (size_t i = 0; r == 0 && p.all && i < N_ALL; i++) {
		struct etcd_listed *l = add_listed(s, all_folders[i]);

		r = l ? learn_folder(s, prefix, l, next_range(&response), as_of)
		      : -ENOMEM;
	}
	if (r < 0 || p.all)
		return r;
	for (const struct etcd_touched *t = s->first; r == 0 && t; t = t->next)
		r = learn_key(s, prefix, t, next_range(&response), as_of);
	for (struct etcd_listed *l = s->listed; r == 0 && l; l = l->next)
		r = learn_folder(s, prefix, l, next_range(&response), as_of);
	return r;
}

int etcd_step_take(struct etcd_step *s, struct etcd_bond *bond,
		   const cJSON *reply)
{
	const cJSON *responses = etcd_field(reply, "responses");
	const cJSON *response = cJSON_IsArray(responses) ? responses->child
							 : NULL;
	int64_t revision = etcd_revision(reply);
	const cJSON *step;
	bool gone;
	int r;

	if (!revision)
		return -EBADMSG;
	if (etcd_is_true(reply, "succeeded")) {
		r = etcd_step_made(s, revision);
		if (s->writes)
			bond->step_mod = revision;
		return r < 0 ? r : ETCD_STEP_MADE;
	}
	gone = bond->instance && !first_mod(next_range(&response));
	step = next_range(&response);
	bond->step_mod = first_mod(step);
	take_number(step, bond->found);
	if (s->writes && !strcmp(bond->found, bond->number)) {
		r = etcd_step_made(s, bond->step_mod);
		return r < 0 ? r : ETCD_STEP_MADE;
	}
	r = learn_all(s, bond->prefix, response, revision);
	if (r < 0)
		return r;
	return gone ? ETCD_STEP_NO_INSTANCE : ETCD_STEP_NOT_MADE;
}
