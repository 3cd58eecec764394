/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Who has something, as people read it. All of it is harmless to a terminal.
 * All return 0 or -ENOMEM.
 */
#ifndef CLI_PERSON_H
#define CLI_PERSON_H

#include "core/record.h"

/* alice@cam-07 */
int person_append(struct buffer *b, const struct record *r);

/* " since 15:52", or with the day if that is not the day of `now`, a timestamp;
 * nothing if `since` is none. */
int person_append_since(struct buffer *b, const char *since, const char *now);

/* alice@cam-07 since 15:52 with freecad, "roughing pass" */
int person_append_holder(struct buffer *b, const struct record *r,
			 const char *now);

/* `text` between two others. */
int person_append_quoted(struct buffer *b, const char *before, const char *text,
			 const char *after);

#endif
