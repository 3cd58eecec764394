/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Base64 (RFC 4648, section 4), as etcd's JSON has all keys and values.
 */
#ifndef CORE_BASE64_H
#define CORE_BASE64_H

#include "core/buffer.h"

/* Appends the bytes in base64. Returns 0 or -ENOMEM. */
int base64_encode(struct buffer *b, const void *data, size_t len);

/* Appends the bytes that a text stands for. Returns 0, -ENOMEM, or -EBADMSG,
 * and then nothing is appended. */
int base64_decode(struct buffer *b, const char *text);

#endif
