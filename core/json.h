/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * JSON as it lies in a file: where each member of an object begins and ends.
 *
 * locks.json belongs to other programs too, so what we do not understand must
 * survive byte for byte. A parser that builds a tree and prints it again
 * loses big integers, NaN, lone surrogates and the spelling of everything;
 * this one only says where things are, and the registry moves the bytes.
 *
 * Accepted is what Python's json module reads (RFC 8259 plus NaN, Infinity
 * and -Infinity, and lone surrogates in \u escapes), and also raw bytes that
 * are not UTF-8, which are taken as they are; nested at most JSON_DEPTH deep.
 * All else is -EBADMSG.
 *
 * Strings and file names: a file name is bytes, a JSON string is Unicode. As
 * Python's surrogateescape handler does (PEP 383), a byte that is not part of
 * valid UTF-8 is written as \udcXX, and read back as that byte.
 */
#ifndef CORE_JSON_H
#define CORE_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buffer.h"

#define JSON_DEPTH 200

struct json_member {
	const char *key; /* between the quotes, still escaped */
	size_t key_len;
	const char *value; /* the value's own text, without blanks around it */
	size_t value_len;
};

/* Walks the members of one object:
 *
 *	r = json_object_begin(&c, text, len);
 *	while (r >= 0 && (r = json_object_next(&c, &member)) > 0)
 *		...
 *
 * json_object_next() returns 1 with a member, 0 at the end of the object when
 * nothing but blanks follows it, or -EBADMSG. Members point into the text.
 */
struct json_cursor {
	const char *begin;
	const char *at;
	const char *end;
	bool first;
};

int json_object_begin(struct json_cursor *c, const char *text, size_t len);
int json_object_next(struct json_cursor *c, struct json_member *ret_member);

/* Whether the object ends here, whatever follows it. */
bool json_object_ended(const struct json_cursor *c);

/* The bytes an escaped string stands for, on the heap, or NULL with errno:
 * ENOMEM, or EINVAL if it holds a NUL, which no C string and no path can. */
char *json_string_decode(const char *escaped, size_t len);

/* The same for a whole value; EBADMSG if that is not a string. */
char *json_value_string(const char *value, size_t len);

/* Appends bytes as a quoted, pure ASCII JSON string, escaped exactly as
 * Python's json.dumps does by default. */
int json_append_string(struct buffer *b, const char *bytes);

/* Members of an object that was begun, each "name": "value", or null for NULL;
 * with a comma before it unless it is the first. The names are ours. */
struct json_field {
	const char *name;
	const char *value;
};

int json_append_field(struct buffer *b, const char *name, const char *value);
int json_append_fields(struct buffer *b, const struct json_field *fields,
		       size_t n);

#endif
