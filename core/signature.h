/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tells one state of a file from another: by its identity, size and times.
 */
#ifndef CORE_SIGNATURE_H
#define CORE_SIGNATURE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

/* All zero: there is no file. */
struct signature {
	uint64_t dev;
	uint64_t ino;
	uint64_t size;
	struct timespec mtime;
	struct timespec ctime;
};

struct signature signature_of(const struct stat *st);
bool signature_same_time(const struct timespec *a, const struct timespec *b);
bool signature_same(const struct signature *a, const struct signature *b);

#endif
