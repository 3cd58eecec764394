/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/buffer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"

#define CHUNK (64 << 10)

void buffer_release(struct buffer *b)
{
	free(b->data);
	*b = (struct buffer){};
}

int buffer_reserve(struct buffer *b, size_t cap)
{
	size_t want = b->cap ? b->cap : 64;
	char *data;

	if (cap < b->cap)
		return 0;
	while (want <= cap)
		want += want / 2;
	data = realloc(b->data, want);
	if (!data)
		return -ENOMEM;
	b->data = data;
	b->cap = want;
	b->data[b->len] = '\0';
	return 0;
}

int buffer_append(struct buffer *b, const void *data, size_t len)
{
	if (buffer_reserve(b, b->len + len) < 0)
		return -ENOMEM;
	memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
	return 0;
}

int buffer_append_string(struct buffer *b, const char *s)
{
	return buffer_append(b, s, strlen(s));
}

int buffer_vprintf(struct buffer *b, const char *format, va_list ap)
{
	_cleanup_free_ char *text = NULL;
	int len = vasprintf(&text, format, ap);

	if (len < 0) {
		text = NULL;
		return -ENOMEM;
	}
	return buffer_append(b, text, (size_t)len);
}

int buffer_printf(struct buffer *b, const char *format, ...)
{
	va_list ap;
	int r;

	va_start(ap, format);
	r = buffer_vprintf(b, format, ap);
	va_end(ap);
	return r;
}

int buffer_read_file(struct buffer *b, int fd)
{
	off_t at = 0;
	ssize_t n;

	do {
		if (buffer_reserve(b, b->len + CHUNK) < 0)
			return -ENOMEM;
		n = pread(fd, b->data + b->len, CHUNK, at);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			b->len += (size_t)n;
			at += n;
		}
	} while (n != 0);
	b->data[b->len] = '\0';
	return 0;
}
