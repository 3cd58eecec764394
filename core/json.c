/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/json.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Each skip_*() takes the position of a thing and returns the position after
 * it, or NULL if there is no such thing there. */

static const char *skip_blanks(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r'))
		p++;
	return p;
}

static bool is_digit(const char *p, const char *end)
{
	return p < end && *p >= '0' && *p <= '9';
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The value of four hexadecimal digits, or -1. */
static int hex4(const char *p, const char *end)
{
	int value = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int digit = hex_value(p[i]);

		if (digit < 0)
			return -1;
		value = value << 4 | digit;
	}
	return value;
}

static const char *skip_escape(const char *p, const char *end)
{
	if (p == end)
		return NULL;
	if (*p == 'u')
		return hex4(p + 1, end) < 0 ? NULL : p + 5;
	return strchr("\"\\/bfnrt", *p) && *p ? p + 1 : NULL;
}

static const char *skip_string(const char *p, const char *end)
{
	if (p == end || *p++ != '"')
		return NULL;
	while (p && p < end) {
		unsigned char c = (unsigned char)*p++;

		if (c == '"')
			return p;
		if (c < 0x20)
			return NULL;
		if (c == '\\')
			p = skip_escape(p, end);
	}
	return NULL;
}

static const char *skip_digits(const char *p, const char *end)
{
	if (!is_digit(p, end))
		return NULL;
	while (is_digit(p, end))
		p++;
	return p;
}

static const char *skip_number(const char *p, const char *end)
{
	if (p < end && *p == '-')
		p++;
	if (p < end && *p == '0')
		p++;
	else if (!(p = skip_digits(p, end)))
		return NULL;
	if (p < end && *p == '.' && !(p = skip_digits(p + 1, end)))
		return NULL;
	if (p < end && (*p == 'e' || *p == 'E')) {
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		p = skip_digits(p, end);
	}
	return p;
}

static const char *skip_word(const char *p, const char *end)
{
	static const char *const words[] = { "true", "false",	 "null",
					     "NaN",  "Infinity", "-Infinity" };

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		size_t len = strlen(words[i]);

		if ((size_t)(end - p) >= len && !memcmp(p, words[i], len))
			return p + len;
	}
	return NULL;
}

static const char *skip_value(const char *p, const char *end, int depth);

/* A key with its colon, and the blanks behind it. */
static const char *skip_key(const char *p, const char *end)
{
	p = skip_string(p, end);
	if (!p)
		return NULL;
	p = skip_blanks(p, end);
	if (p == end || *p != ':')
		return NULL;
	return skip_blanks(p + 1, end);
}

/* What an object ('{') or an array ('[') holds, with its brackets. */
static const char *skip_container(const char *p, const char *end, int depth)
{
	bool object = *p == '{';
	char close = object ? '}' : ']';

	if (depth == 0)
		return NULL;
	p = skip_blanks(p + 1, end);
	if (p < end && *p == close)
		return p + 1;
	for (;;) {
		if (object && !(p = skip_key(p, end)))
			return NULL;
		p = skip_value(p, end, depth - 1);
		if (!p)
			return NULL;
		p = skip_blanks(p, end);
		if (p == end)
			return NULL;
		if (*p == close)
			return p + 1;
		if (*p != ',')
			return NULL;
		p = skip_blanks(p + 1, end);
	}
}

static const char *skip_value(const char *p, const char *end, int depth)
{
	const char *word;

	if (p == end)
		return NULL;
	switch (*p) {
	case '"':
		return skip_string(p, end);
	case '{':
	case '[':
		return skip_container(p, end, depth);
	}
	word = skip_word(p, end);
	return word ? word : skip_number(p, end);
}

int json_object_begin(struct json_cursor *c, const char *text, size_t len)
{
	const char *end = text + len;
	const char *p = skip_blanks(text, end);

	if (p == end || *p != '{')
		return -EBADMSG;
	*c = (struct json_cursor){
		.begin = text, .at = p + 1, .end = end, .first = true
	};
	return 0;
}

int json_object_next(struct json_cursor *c, struct json_member *ret_member)
{
	const char *end = c->end;
	const char *p = skip_blanks(c->at, end);
	struct json_member m;

	if (p < end && *p == '}')
		return skip_blanks(p + 1, end) == end ? 0 : -EBADMSG;
	if (!c->first) {
		if (p == end || *p != ',')
			return -EBADMSG;
		p = skip_blanks(p + 1, end);
	}
	m.key = p + 1;
	p = skip_string(p, end);
	if (!p)
		return -EBADMSG;
	m.key_len = (size_t)(p - 1 - m.key);
	m.value = skip_key(m.key - 1, end);
	if (!m.value)
		return -EBADMSG;
	p = skip_value(m.value, end, JSON_DEPTH);
	if (!p)
		return -EBADMSG;
	m.value_len = (size_t)(p - m.value);
	c->at = p;
	c->first = false;
	*ret_member = m;
	return 1;
}

bool json_object_ended(const struct json_cursor *c)
{
	const char *p = skip_blanks(c->at, c->end);

	return p < c->end && *p == '}';
}

static char *put_utf8(char *out, uint32_t code)
{
	if (code < 0x80) {
		*out++ = (char)code;
	} else if (code < 0x800) {
		*out++ = (char)(0xc0 | code >> 6);
		*out++ = (char)(0x80 | (code & 0x3f));
	} else if (code < 0x10000) {
		*out++ = (char)(0xe0 | code >> 12);
		*out++ = (char)(0x80 | (code >> 6 & 0x3f));
		*out++ = (char)(0x80 | (code & 0x3f));
	} else {
		*out++ = (char)(0xf0 | code >> 18);
		*out++ = (char)(0x80 | (code >> 12 & 0x3f));
		*out++ = (char)(0x80 | (code >> 6 & 0x3f));
		*out++ = (char)(0x80 | (code & 0x3f));
	}
	return out;
}

/* Writes what the \u escape at p (behind the 'u') means; moves p behind it. */
static char *put_unicode_escape(char *out, const char **p, const char *end)
{
	uint32_t code = (uint32_t)hex4(*p, end);

	*p += 4;
	if (code >= 0xd800 && code < 0xdc00 && end - *p >= 6 &&
	    (*p)[0] == '\\' && (*p)[1] == 'u') {
		int low = hex4(*p + 2, end);

		if (low >= 0xdc00 && low < 0xe000) {
			*p += 6;
			code = 0x10000 + ((code - 0xd800) << 10) +
			       ((uint32_t)low - 0xdc00);
		}
	}
	if (code >= 0xdc80 && code <= 0xdcff) {
		*out = (char)(code - 0xdc00);
		return out + 1;
	}
	return put_utf8(out, code);
}

char *json_string_decode(const char *escaped, size_t len)
{
	static const char names[] = "\"\\/bfnrt";
	static const char meant[] = "\"\\/\b\f\n\r\t";
	const char *p = escaped;
	const char *end = escaped + len;
	char *bytes = malloc(len + 1); /* no escape is longer than its text */
	char *out = bytes;

	if (!bytes)
		return NULL;
	while (p < end) {
		if (*p != '\\') {
			*out++ = *p++;
			continue;
		}
		p++;
		if (*p == 'u') {
			p++;
			out = put_unicode_escape(out, &p, end);
		} else {
			*out++ = meant[strchr(names, *p++) - names];
		}
	}
	*out = '\0';
	if (strlen(bytes) != (size_t)(out - bytes)) {
		free(bytes);
		errno = EINVAL;
		return NULL;
	}
	return bytes;
}

char *json_value_string(const char *value, size_t len)
{
	if (len < 2 || value[0] != '"') {
		errno = EBADMSG;
		return NULL;
	}
	return json_string_decode(value + 1, len - 2);
}

/* Reads one character of valid UTF-8, as RFC 3629 has it. Returns its length,
 * or 0 if the bytes at p are none. */
static int get_utf8(const unsigned char *p, uint32_t *ret_code)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t code;
	int len;

	if (p[0] < 0x80)
		len = 1;
	else if (p[0] >= 0xc2 && p[0] < 0xe0)
		len = 2;
	else if ((p[0] & 0xf0) == 0xe0)
		len = 3;
	else if (p[0] >= 0xf0 && p[0] < 0xf5)
		len = 4;
	else
		return 0;
	code = len == 1 ? p[0] : p[0] & (0x7fu >> len);
	for (int i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80) /* a NUL stops here, too */
			return 0;
		code = code << 6 | (p[i] & 0x3fu);
	}
	if (code < least[len] || code > 0x10ffff ||
	    (code >= 0xd800 && code < 0xe000))
		return 0;
	*ret_code = code;
	return len;
}

/* Writes one character that is not plain ASCII, as \u escapes. */
static int append_escape(struct buffer *b, uint32_t code)
{
	static const char names[] = "\"\\\b\f\n\r\t";
	static const char meant[] = "\"\\bfnrt";
	const char *short_form = code < 0x80 ? strchr(names, (int)code) : NULL;

	if (short_form)
		return buffer_printf(b, "\\%c", meant[short_form - names]);
	if (code < 0x10000)
		return buffer_printf(b, "\\u%04x", code);
	code -= 0x10000;
	return buffer_printf(b, "\\u%04x\\u%04x", 0xd800 + (code >> 10),
			     0xdc00 + (code & 0x3ff));
}

static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

static int append_escaped(struct buffer *b, const unsigned char *p)
{
	int r = 0;

	while (r == 0 && *p) {
		const unsigned char *plain = p;
		uint32_t code;
		int len;

		while (is_plain(*p))
			p++;
		r = buffer_append(b, plain, (size_t)(p - plain));
		if (r < 0 || !*p)
			break;
		len = get_utf8(p, &code);
		if (len == 0) {
			code = 0xdc00u + *p;
			len = 1;
		}
		r = append_escape(b, code);
		p += len;
	}
	return r;
}

int json_append_string(struct buffer *b, const char *bytes)
{
	size_t len = b->len;
	int r = buffer_append(b, "\"", 1);

	if (r == 0)
		r = append_escaped(b, (const unsigned char *)bytes);
	if (r == 0)
		r = buffer_append(b, "\"", 1);
	if (r < 0 && b->data) {
		b->len = len;
		b->data[len] = '\0';
	}
	return r;
}

int json_append_field(struct buffer *b, const char *name, const char *value)
{
	bool first = b->len > 0 && b->data[b->len - 1] == '{';
	int r = buffer_printf(b, "%s\"%s\": ", first ? "" : ", ", name);

	if (r < 0)
		return r;
	return value ? json_append_string(b, value)
		     : buffer_append_string(b, "null");
}

int json_append_fields(struct buffer *b, const struct json_field *fields,
		       size_t n)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = json_append_field(b, fields[i].name, fields[i].value);
	return r;
}
