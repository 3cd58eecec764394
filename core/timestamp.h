/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Points in time as locks.json spells them: ISO 8601 in UTC with
 * microseconds, the way Python's datetime.isoformat() prints an aware
 * datetime: 2026-11-23T15:58:35.123456+00:00
 */
#ifndef CORE_TIMESTAMP_H
#define CORE_TIMESTAMP_H

#include <time.h>

#define TIMESTAMP_SIZE 40 /* bytes for timestamp_format(), NUL included */

/* Years 0 to 9999; anything else is written as the nearest of them. */
void timestamp_format(const struct timespec *when, char text[TIMESTAMP_SIZE]);
void timestamp_now(char text[TIMESTAMP_SIZE]);

/* Reads what timestamp_format() writes, and the spellings other programs use:
 * 'Z' for the zone, another zone, none (then UTC is meant), a blank for the
 * 'T', any number of digits of a second or none. Returns 0 or -EINVAL. */
int timestamp_parse(const char *text, struct timespec *ret_when);

#endif
