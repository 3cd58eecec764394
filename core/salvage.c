/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/salvage.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/json.h"

static int put_member(struct entries *e, const struct json_member *m)
{
	_cleanup_free_ char *key = json_string_decode(m->key, m->key_len);
	struct edit edits[2];
	int n;

	if (!key || !*key)
		return key || errno != ENOMEM ? 0 : -ENOMEM;
	n = entries_put(e, key, m->value, m->value_len, edits);
	return n < 0 ? n : 0;
}

/* How a key's line begins in our files, and in Python's with indent=4. */
#define KEY_LINE "\n    \""

static const char *find_key_line(const char *from, const char *end)
{
	return memmem(from, (size_t)(end - from), KEY_LINE, strlen(KEY_LINE));
}

/* Whether it lost its end, and has taken the next entries for its members. */
static bool has_swallowed(const struct json_cursor *c,
			  const struct json_member *m)
{
	size_t before = strlen(KEY_LINE);

	return m->key - c->begin >= (ptrdiff_t)before &&
	       memcmp(m->key - before, KEY_LINE, before) == 0 &&
	       find_key_line(m->value, m->value + m->value_len);
}

/* Goes on with the next such line, as if it were the first. */
static bool skip_damage(struct json_cursor *c, const char *from)
{
	const char *line = find_key_line(from, c->end);

	if (!line)
		return false;
	c->at = line + strlen(KEY_LINE) - 1;
	c->first = true;
	return true;
}

int salvage_entries(struct entries *e, const struct buffer *text)
{
	struct json_cursor c;
	struct json_member m;
	int r = json_object_begin(&c, text->data, text->len);

	if (r < 0)
		return 0;
	while (!json_object_ended(&c)) {
		const char *from = c.at;

		if (json_object_next(&c, &m) > 0 && !has_swallowed(&c, &m)) {
			r = put_member(e, &m);
			if (r < 0)
				return r;
		} else if (!skip_damage(&c, from)) {
			return 0;
		}
	}
	return 0;
}
