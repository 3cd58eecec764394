/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Any bytes for locks.json. What is accepted is edited, as the bytes behind
 * the first 0xff say: the text must parse again and hold the same, and a copy
 * patched only where the edits say so must stay equal to it.
 */
#include "core/entries.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "core/salvage.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(cond)            \
	do {                     \
		if (!(cond))     \
			abort(); \
	} while (0)

static void patch(struct buffer *copy, const struct buffer *text,
		  const struct edit *edits, int n)
{
	size_t tail = SIZE_MAX;

	for (int i = 0; i < n; i++)
		if (edits[i].tail < tail)
			tail = edits[i].tail;
	REQUIRE(tail <= copy->len && tail <= text->len);
	for (int i = 0; i < n; i++)
		for (size_t at = edits[i].from; at < edits[i].to && at < tail;
		     at++)
			copy->data[at] = text->data[at];
	copy->len = tail;
	REQUIRE(buffer_append(copy, text->data + tail, text->len - tail) == 0);
	REQUIRE(copy->len == text->len &&
		!memcmp(copy->data, text->data, text->len));
}

static void check_same(const struct entries *e)
{
	struct buffer text = {};
	struct entries again;
	const struct entry *a, *b;

	REQUIRE(buffer_append(&text, e->text.data, e->text.len) == 0);
	REQUIRE(entries_parse(&again, &text) == 0);
	REQUIRE(again.live == e->live && again.by_key.count == e->by_key.count);
	for (a = e->head, b = again.head; a && b; a = a->next, b = b->next) {
		REQUIRE(!strcmp(a->key, b->key));
		REQUIRE(a->begin == b->begin && a->value == b->value &&
			a->end == b->end);
		REQUIRE(!a->key[0] || entries_find(e, a->key) == a);
	}
	REQUIRE(!a && !b);
	entries_release(&again);
}

/* One of the keys that are there, or a new one. */
static void choose_key(const struct entries *e, uint8_t which, char key[256])
{
	const struct entry *entry = e->head;

	for (int i = which % 16; entry && i > 0; i--)
		entry = entry->next;
	if (entry && strlen(entry->key) < 256) {
		strcpy(key, entry->key);
		return;
	}
	key[0] = (char)which;
	key[1] = '\0';
}

static void edit(struct entries *e, const uint8_t *script, size_t size)
{
	struct buffer copy = {};

	REQUIRE(buffer_append(&copy, e->text.data, e->text.len) == 0);
	for (; size >= 2 && size < 1000; script += 2, size -= 2) {
		struct edit edits[2];
		char key[256], value[300];
		int n;

		choose_key(e, script[1], key);
		if (script[0] % 2) {
			n = entries_remove(e, key, edits);
		} else {
			memset(value, ' ', sizeof(value));
			value[0] = '[';
			value[script[0] + 1] = ']';
			n = entries_put(e, key, value, (size_t)script[0] + 2,
					edits);
			REQUIRE(n > 0 || !key[0]);
		}
		if (n > 0)
			patch(&copy, &e->text, edits, n);
		check_same(e);
	}
	buffer_release(&copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *script = size ? memchr(data, 0xff, size) : NULL;
	size_t len = script ? (size_t)(script - data) : size;
	struct buffer text = {};
	struct entries e = {};

	if (buffer_append(&text, data, len) == 0 &&
	    entries_parse(&e, &text) == 0) {
		check_same(&e);
		if (script)
			edit(&e, script + 1, size - len - 1);
		entries_release(&e);
	} else if (text.len > 0) {
		struct buffer empty = {};

		REQUIRE(entries_parse(&e, &empty) == 0);
		REQUIRE(salvage_entries(&e, &text) == 0);
		check_same(&e);
		entries_release(&e);
	}
	buffer_release(&text);
	return 0;
}
