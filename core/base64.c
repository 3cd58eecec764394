/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/base64.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvw"
			     "xyz0123456789+/";

int base64_encode(struct buffer *b, const void *data, size_t len)
{
	const unsigned char *in = data;
	int r = buffer_reserve(b, b->len + (len + 2) / 3 * 4 + 1);

	for (size_t i = 0; r == 0 && i < len; i += 3) {
		size_t n = len - i < 3 ? len - i : 3;
		uint32_t bits = (uint32_t)in[i] << 16;
		char out[4] = "====";

		if (n > 1)
			bits |= (uint32_t)in[i + 1] << 8;
		if (n > 2)
			bits |= in[i + 2];
		for (size_t k = 0; k <= n; k++)
			out[k] = digits[bits >> (18 - 6 * k) & 63];
		r = buffer_append(b, out, 4);
	}
	return r;
}

static int digit(char c)
{
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* Four digits; "=" stands for one that is missing at the end. */
static int decode_four(const char *text, unsigned char out[3])
{
	uint32_t bits = 0;
	int n = 0;

	for (int k = 0; k < 4; k++) {
		int d = digit(text[k]);

		if (d < 0 && (text[k] != '=' || k < 2 || n > 3))
			return -EBADMSG;
		if (d >= 0 && n < k)
			return -EBADMSG; /* behind a "=" */
		n += d >= 0;
		bits = bits << 6 | (d < 0 ? 0 : (uint32_t)d);
	}
	for (int k = 0; k < 3; k++)
		out[k] = (unsigned char)(bits >> (16 - 8 * k));
	return n - 1;
}

int base64_decode(struct buffer *b, const char *text)
{
	size_t len = strlen(text), before = b->len;
	int r = len % 4 ? -EBADMSG
			: buffer_reserve(b, before + len / 4 * 3 + 1);

	for (size_t i = 0; r == 0 && i < len; i += 4) {
		unsigned char out[3];
		int n = decode_four(text + i, out);

		if (n < 0 || (n < 3 && i + 4 < len))
			r = -EBADMSG;
		else
			r = buffer_append(b, out, (size_t)n);
	}
	if (r < 0 && b->data) {
		b->len = before;
		b->data[before] = '\0';
	}
	return r;
}
