/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The lines of a share's history.jsonl, from the one before it on, and those
 * that are appended later; through its mount or from the bare share.
 */
#ifndef CLI_READER_H
#define CLI_READER_H

#include <sys/stat.h>

#include "cli/place.h"
#include "core/buffer.h"

struct reader {
	const struct place *place; /* borrowed */

	/* Called for each line, which has no end. -EINVAL: it is damaged,
	 * which is said, and skipped. Anything else but 0 ends the reading. */
	int (*show)(void *arg, const char *line, size_t len);
	void *arg;

	const char *name;      /* of the file being read */
	unsigned long line_no; /* there; lines are counted from 1 */
	struct stat file;      /* which file it was; zero: none was there */
	off_t offset;	       /* how much of it was read */
	struct buffer pending; /* the beginning of a line */
};

void reader_release(struct reader *r);

/* All there is. A line without its end is kept for reader_more(), or shown by
 * reader_end(). All these return 0, -errno, or what show() returned. */
int reader_all(struct reader *r);
int reader_end(struct reader *r);

/* Instead of reader_all(): only what comes from now on. */
int reader_skip(struct reader *r);

/* What came since the last look. */
int reader_more(struct reader *r);

/* Says that it can't be read, and why. Returns TROUBLE. */
int reader_failed(const struct reader *r, int error);

#define _cleanup_reader_ __attribute__((cleanup(reader_release)))

#endif
