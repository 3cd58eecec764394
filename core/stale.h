/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a file that is a copy of a text lacks, while the text is edited: so that
 * only that part must be written to bring the copy up to date.
 */
#ifndef CORE_STALE_H
#define CORE_STALE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/entries.h"

/* The parts of a copy of the text that are older than the text. */
#define STALE_RANGES 16
struct stale {
	int n;
	struct {
		size_t from;
		size_t to;
	} ranges[STALE_RANGES];
	size_t tail;  /* and everything from here; SIZE_MAX: nothing */
	bool lasting; /* some of it belongs to entries that are not open */
};

/* Nothing of it is right; all of it is. */
extern const struct stale stale_all;
extern const struct stale stale_none;

void stale_note(struct stale *stale, const struct edit *edit);

/* Makes the file's content, `size` bytes now, equal to the text. Returns 0 or
 * -errno, and then there is no saying what is in it. */
int stale_write(int fd, uint64_t size, const struct stale *stale,
		const struct buffer *text);

#endif
