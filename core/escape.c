/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/escape.h"

#include <stdbool.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

#include "core/cleanup.h"

/* Unicode's bidirectional embeddings, overrides and isolates. */
static bool turns_direction(wchar_t c)
{
	return (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

static int append_hex(struct buffer *b, const char *bytes, size_t n)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = buffer_printf(b, "\\x%02x", (unsigned char)bytes[i]);
	return r;
}

int escape_append(struct buffer *b, const char *text)
{
	size_t left = strlen(text);
	int r = buffer_append(b, "", 0);

	while (r == 0 && left > 0) {
		mbstate_t state = {};
		wchar_t c;
		size_t n = mbrtowc(&c, text, left, &state);

		if (n > left) /* not UTF-8 */
			r = append_hex(b, text, n = 1);
		else if (!iswprint((wint_t)c) || turns_direction(c))
			r = append_hex(b, text, n);
		else
			r = buffer_append(b, text, n);
		text += n;
		left -= n;
	}
	return r;
}

static const char *entity_of(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	default:
		return NULL;
	}
}

int escape_append_html(struct buffer *b, const char *text)
{
	_cleanup_buffer_ struct buffer safe = {};
	int r = escape_append(&safe, text);

	for (const char *at = safe.data; r == 0 && *at; at++) {
		const char *entity = entity_of(*at);

		r = entity ? buffer_append_string(b, entity)
			   : buffer_append(b, at, 1);
	}
	return r;
}
