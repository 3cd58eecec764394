/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Names that say when and who: 2026-11-23T15:58:35.123456Z-alice, in UTC, in
 * the order of time. Of the user what can't be in a file's name is '_'.
 */
#ifndef CORE_STAMP_H
#define CORE_STAMP_H

#include <stdbool.h>

#include "core/buffer.h"
#include "core/timestamp.h"

/* Appends one of now. */
int stamp_append(struct buffer *b, const char *user);

/* Takes a name apart: its time as a timestamp, and where in it the user begins.
 * Returns false if it is none. */
bool stamp_parse(const char *name, char ret_time[TIMESTAMP_SIZE],
		 const char **ret_user);

#endif
