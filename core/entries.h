/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * locks.json in memory: its text, and where in the text each entry lies.
 *
 * The text is always one valid JSON object that could be written out as it
 * stands. Entries are moved as text, so what others wrote into them survives
 * byte for byte. Adding an entry writes at the end of the text; removing one
 * closes the gap if that moves little, and else leaves blanks, which JSON
 * allows between its tokens, so that the cost does not grow with the file.
 * When half the text is blank it is closed up. An empty object is `{}`.
 *
 * Each edit tells which part of the text it changed, so that a copy of the
 * text elsewhere can be brought up to date by writing that part only.
 *
 * Not thread-safe.
 */
#ifndef CORE_ENTRIES_H
#define CORE_ENTRIES_H

#include <stdbool.h>

#include "core/buffer.h"
#include "core/hash.h"

struct entry {
	struct hash_node node; /* in by_key, unless `key` stands for no path */
	struct entry *prev;    /* in the order of the text */
	struct entry *next;
	size_t begin; /* offset of the key's opening quote */
	size_t value; /* offset of the value */
	size_t end;   /* offset behind the value */
	bool open;    /* counted as such; by a look at the value's bytes only */
	bool kept;
	char key[]; /* decoded; "" if it holds a NUL: kept, never found */
};

struct entries {
	struct buffer text;
	struct hash by_key;
	struct entry *head;
	struct entry *tail;
	size_t live;   /* bytes of text that belong to entries */
	size_t n;      /* entries */
	size_t n_open; /* of them: gone with the host that wrote them */
	size_t n_kept; /* of them: promised to outlive it */
};

/* What an edit changed: the bytes from..to, and all from `tail` on, where the
 * length may have changed, too. from == to: only the end. */
struct edit {
	size_t from;
	size_t to;
	size_t tail;
	bool lasting; /* it changed or moved an entry that is not open */
};

/* Takes the text over (leaves an empty buffer behind) if it is a JSON object,
 * or blank, which counts as `{}`. Of several entries with one key the last
 * counts and the others are dropped, as Python does. Returns 0, -EBADMSG or
 * -ENOMEM; ret_entries is only set on success. */
int entries_parse(struct entries *ret_entries, struct buffer *text);
void entries_release(struct entries *e);

/* NULL if there is none. */
const struct entry *entries_find(const struct entries *e, const char *key);
const char *entries_value(const struct entries *e, const struct entry *entry,
			  size_t *ret_len);

/* Adds an entry at the end; an old one with this key is removed first, which
 * makes two edits. Returns how many of ret_edits are filled, or -ENOMEM or
 * -EINVAL (the key is empty), and then nothing has changed. */
int entries_put(struct entries *e, const char *key, const char *value,
		size_t len, struct edit ret_edits[2]);

/* Returns 1 with what changed, or 0 if there is no such entry. */
int entries_remove(struct entries *e, const char *key, struct edit *ret_edit);

#define _cleanup_entries_ __attribute__((cleanup(entries_release)))

#endif
