/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A growing run of bytes, always followed by a NUL that is not counted.
 *
 * Zero-initialise one, append, and release. The appending calls return 0 or
 * -ENOMEM; after -ENOMEM the content is what it was before the call.
 */
#ifndef CORE_BUFFER_H
#define CORE_BUFFER_H

#include <stdarg.h>
#include <stddef.h>

struct buffer {
	char *data; /* NULL while nothing was ever reserved */
	size_t len;
	size_t cap;
};

void buffer_release(struct buffer *b);
int buffer_reserve(struct buffer *b, size_t cap);
int buffer_append(struct buffer *b, const void *data, size_t len);
int buffer_append_string(struct buffer *b, const char *s);
int buffer_printf(struct buffer *b, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
int buffer_vprintf(struct buffer *b, const char *format, va_list ap)
	__attribute__((format(printf, 2, 0)));

/* Appends the content of a file that can be read from any offset, from its
 * beginning to its end. Returns 0, -ENOMEM or the -errno of reading. */
int buffer_read_file(struct buffer *b, int fd);

#define _cleanup_buffer_ __attribute__((cleanup(buffer_release)))

#endif
