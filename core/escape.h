/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Text made harmless for people.
 *
 * Names and messages come from users. What could steer a terminal or forge a
 * line is written as \xNN: control characters, bytes that are not UTF-8, and
 * the marks that turn the direction of writing round.
 *
 * Needs a UTF-8 LC_CTYPE; in another locale all but ASCII is escaped.
 */
#ifndef CORE_ESCAPE_H
#define CORE_ESCAPE_H

#include "core/buffer.h"

/* Appends `text`, harmless. Returns 0 or -ENOMEM. */
int escape_append(struct buffer *b, const char *text);

/* The same for HTML, as the text of an element or a quoted attribute. */
int escape_append_html(struct buffer *b, const char *text);

#endif
