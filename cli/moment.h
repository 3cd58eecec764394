/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Points in time and spans of it, as people type them.
 */
#ifndef CLI_MOMENT_H
#define CLI_MOMENT_H

#include <stdint.h>
#include <time.h>

/* What moment_parse() reads, for --help. */
#define MOMENT_HELP                                                          \
	"  TIME is 2026-11-23, 2026-11-23 15:58 or 2026-11-23T15:58:35, "    \
	"which "                                                             \
	"are local\n"                                                        \
	"  unless they end in Z or +01:00; 15:58 is today; 2d, 2h, 30m and " \
	"45s "                                                               \
	"are so\n"                                                           \
	"  long ago\n"

/* Returns 0 or -EINVAL. */
int moment_parse(const char *text, struct timespec *ret_when);

/* A number of seconds, with a fraction or none, as milliseconds. Returns 0 or
 * -EINVAL. */
int moment_parse_seconds(const char *text, uint64_t *ret_ms);

/* Whether a is before b. */
static inline int moment_is_before(const struct timespec *a,
				   const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec
				      : a->tv_nsec < b->tv_nsec;
}

#endif
