/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/entries.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/json.h"
#include "core/record.h"

#define EMPTY "{}"
#define OPENING "{\n    "
#define BETWEEN ",\n    "
#define CLOSING "\n}"

/* A gap with no more text than this behind it is closed at once, so that the
 * file of a small shop never shows any. */
#define CLOSE_AT_ONCE 16384
/* Blanks that are not worth closing up. */
#define BLANKS_ALLOWED 65536

void entries_release(struct entries *e)
{
	for (struct entry *entry = e->head, *next; entry; entry = next) {
		next = entry->next;
		free(entry);
	}
	free(e->by_key.slots);
	buffer_release(&e->text);
	*e = (struct entries){};
}

static struct entry *find(const struct entries *e, const char *key,
			  uint64_t hash)
{
	for (struct hash_node *n = hash_first(&e->by_key, hash); n;
	     n = hash_next(n)) {
		struct entry *entry = container_of(n, struct entry, node);

		if (!strcmp(entry->key, key))
			return entry;
	}
	return NULL;
}

const struct entry *entries_find(const struct entries *e, const char *key)
{
	return find(e, key, hash_string(key));
}

const char *entries_value(const struct entries *e, const struct entry *entry,
			  size_t *ret_len)
{
	*ret_len = entry->end - entry->value;
	return e->text.data + entry->value;
}

static struct entry *new_entry(const char *key)
{
	size_t size = strlen(key) + 1;
	struct entry *entry = calloc(1, sizeof(*entry) + size);

	if (entry)
		memcpy(entry->key, key, size);
	return entry;
}

/* Whether the value has a string that is exactly `word`. Any quote within a
 * JSON string has a backslash before it. */
static bool has_word(const struct entries *e, const struct entry *entry,
		     const char *word)
{
	return memmem(e->text.data + entry->value, entry->end - entry->value,
		      word, strlen(word)) != NULL;
}

static void link_last(struct entries *e, struct entry *entry)
{
	entry->open = has_word(e, entry, "\"" RECORD_KIND_OPEN "\"");
	entry->kept = has_word(e, entry, "\"" RECORD_KIND_KEPT "\"");
	e->n++;
	e->n_open += entry->open;
	e->n_kept += entry->kept;
	entry->prev = e->tail;
	entry->next = NULL;
	if (e->tail)
		e->tail->next = entry;
	else
		e->head = entry;
	e->tail = entry;
	e->live += entry->end - entry->begin;
}

static void unlink_entry(struct entries *e, struct entry *entry)
{
	if (entry->prev)
		entry->prev->next = entry->next;
	else
		e->head = entry->next;
	if (entry->next)
		entry->next->prev = entry->prev;
	else
		e->tail = entry->prev;
	e->live -= entry->end - entry->begin;
	e->n--;
	e->n_open -= entry->open;
	e->n_kept -= entry->kept;
}

static void set_text(struct entries *e, const char *text)
{
	e->text.len = strlen(text); /* never more than was reserved */
	memcpy(e->text.data, text, e->text.len + 1);
}

/* Moves all text from `from` on to `to`, and what lies there with it. Returns
 * whether some of that is not open. */
static bool close_gap(struct entries *e, struct entry *behind, size_t to,
		      size_t from)
{
	size_t gap = from - to;
	bool lasting = false;

	memmove(e->text.data + to, e->text.data + from, e->text.len - from + 1);
	e->text.len -= gap;
	for (; behind; behind = behind->next) {
		behind->begin -= gap;
		behind->value -= gap;
		behind->end -= gap;
		lasting |= !behind->open;
	}
	return lasting;
}

/* Lines stay lines, so that a person still finds his way. */
static void blank_out(struct entries *e, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		if (e->text.data[i] != '\n')
			e->text.data[i] = ' ';
}

/* Leaves nothing between entries but what separates them. When memory is
 * short the blanks stay, which is as right. */
static void close_all_gaps(struct entries *e)
{
	struct buffer tight = {};
	int r = buffer_append_string(&tight, OPENING);

	for (struct entry *entry = e->head; r == 0 && entry;
	     entry = entry->next) {
		r = buffer_append(&tight, e->text.data + entry->begin,
				  entry->end - entry->begin);
		if (r == 0)
			r = buffer_append_string(&tight, entry->next ? BETWEEN
								     : CLOSING);
	}
	if (r < 0) {
		buffer_release(&tight);
		return;
	}
	buffer_release(&e->text);
	e->text = tight;
	e->live = 0;
	tight.len = strlen(OPENING);
	for (struct entry *entry = e->head; entry; entry = entry->next) {
		size_t moved = entry->begin - tight.len;

		entry->begin -= moved;
		entry->value -= moved;
		entry->end -= moved;
		e->live += entry->end - entry->begin;
		tight.len = entry->end + strlen(BETWEEN);
	}
}

static bool mostly_blank(const struct entries *e)
{
	size_t blank = e->text.len - e->live;

	return blank > BLANKS_ALLOWED && blank > e->live;
}

/* Takes the text of an entry out; the entry is still linked. */
static struct edit remove_text(struct entries *e, struct entry *entry)
{
	size_t from = entry->prev ? entry->prev->end : entry->begin;
	size_t to = entry->prev || !entry->next ? entry->end
						: entry->next->begin;

	if (!entry->prev && !entry->next) {
		set_text(e, EMPTY);
		return (struct edit){ .tail = 0 };
	}
	if (!entry->next) {
		e->text.len = from;
		memcpy(e->text.data + from, CLOSING, strlen(CLOSING) + 1);
		e->text.len += strlen(CLOSING);
		return (struct edit){ .tail = from };
	}
	if (e->text.len - from <= CLOSE_AT_ONCE) {
		bool lasting = close_gap(e, entry->next, from, to);

		return (struct edit){ .tail = from, .lasting = lasting };
	}
	blank_out(e, from, to);
	return (struct edit){ .from = from, .to = to, .tail = e->text.len };
}

static struct edit remove_entry(struct entries *e, struct entry *entry)
{
	struct edit edit = remove_text(e, entry);

	edit.lasting |= !entry->open;
	unlink_entry(e, entry);
	if (entry->key[0])
		hash_remove(&e->by_key, &entry->node);
	free(entry);
	if (e->head && mostly_blank(e)) {
		close_all_gaps(e);
		edit = (struct edit){ .lasting = edit.lasting ||
						 e->n > e->n_open };
	}
	return edit;
}

int entries_remove(struct entries *e, const char *key, struct edit *ret_edit)
{
	struct entry *entry = find(e, key, hash_string(key));

	if (!entry)
		return 0;
	*ret_edit = remove_entry(e, entry);
	return 1;
}

/* Appends `"key": value` and sets the entry's place. */
static int append_text(struct buffer *text, struct entry *entry,
		       const char *value, size_t len)
{
	int r;

	entry->begin = text->len;
	r = json_append_string(text, entry->key);
	if (r == 0)
		r = buffer_append_string(text, ": ");
	entry->value = text->len;
	if (r == 0)
		r = buffer_append(text, value, len);
	entry->end = text->len;
	return r == 0 ? buffer_append_string(text, CLOSING) : r;
}

/* Writes over the closing brace. On -ENOMEM the text is as it was. */
static int add_text(struct entries *e, struct entry *entry, const char *value,
		    size_t len)
{
	size_t keep = e->tail ? e->tail->end : 0;
	_cleanup_buffer_ struct buffer added = {};
	int r = buffer_append_string(&added, e->tail ? BETWEEN : OPENING);

	if (r == 0)
		r = append_text(&added, entry, value, len);
	if (r == 0)
		r = buffer_reserve(&e->text, keep + added.len);
	if (r < 0)
		return r;
	memcpy(e->text.data + keep, added.data, added.len + 1);
	e->text.len = keep + added.len;
	entry->begin += keep;
	entry->value += keep;
	entry->end += keep;
	return 0;
}

int entries_put(struct entries *e, const char *key, const char *value,
		size_t len, struct edit ret_edits[2])
{
	uint64_t hash = hash_string(key);
	struct entry *old = find(e, key, hash);
	struct entry *entry = *key ? new_entry(key) : NULL;
	int n = 0;

	if (!*key)
		return -EINVAL;
	if (!entry || hash_insert(&e->by_key, &entry->node, hash) < 0) {
		free(entry);
		return -ENOMEM;
	}
	if (add_text(e, entry, value, len) < 0) {
		hash_remove(&e->by_key, &entry->node);
		free(entry);
		return -ENOMEM;
	}
	ret_edits[n] = (struct edit){ .tail = e->tail ? e->tail->end : 0 };
	link_last(e, entry);
	ret_edits[n++].lasting = !entry->open;
	if (old)
		ret_edits[n++] = remove_entry(e, old);
	return n;
}

/* Indexes one member; an earlier one with the same key gives way. */
static int index_member(struct entries *e, const struct json_member *m)
{
	_cleanup_free_ char *key = json_string_decode(m->key, m->key_len);
	struct entry *entry = NULL;
	struct entry *old = NULL;

	if (key || errno != ENOMEM)
		entry = new_entry(key ? key : "");
	if (!entry)
		return -ENOMEM;
	if (entry->key[0]) {
		uint64_t hash = hash_string(entry->key);

		old = find(e, entry->key, hash);
		if (hash_insert(&e->by_key, &entry->node, hash) < 0) {
			free(entry);
			return -ENOMEM;
		}
	}
	entry->begin = (size_t)(m->key - 1 - e->text.data);
	entry->value = (size_t)(m->value - e->text.data);
	entry->end = entry->value + m->value_len;
	link_last(e, entry);
	if (old) {
		/* Only its text stays, as blanks: the cursor is in it. */
		size_t from = old->prev ? old->prev->end : old->begin;
		size_t to = old->prev ? old->end : old->next->begin;

		blank_out(e, from, to);
		unlink_entry(e, old);
		hash_remove(&e->by_key, &old->node);
		free(old);
	}
	return 0;
}

static int index_members(struct entries *e)
{
	struct json_member m;
	struct json_cursor c;
	int r = json_object_begin(&c, e->text.data, e->text.len);

	while (r == 0) {
		r = json_object_next(&c, &m);
		if (r <= 0)
			return r;
		r = index_member(e, &m);
	}
	return r;
}

static bool is_blank(const struct buffer *text)
{
	return !text->data || strspn(text->data, " \t\r\n") == text->len;
}

int entries_parse(struct entries *ret_entries, struct buffer *text)
{
	struct entries e = {};
	int r = 0;

	if (is_blank(text)) {
		r = buffer_append_string(&e.text, EMPTY);
		if (r == 0)
			buffer_release(text);
	} else {
		e.text = *text;
		r = index_members(&e);
		*text = r < 0 ? e.text : (struct buffer){};
		if (r < 0)
			e.text = (struct buffer){};
	}
	if (r < 0) {
		entries_release(&e);
		return r;
	}
	*ret_entries = e;
	return 0;
}
