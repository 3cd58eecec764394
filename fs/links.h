/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Hard links: the inode is what is held, so all its names are.
 *
 * Each returns 0, or the -errno to reply, and the refusal has been told.
 */
#ifndef FS_LINKS_H
#define FS_LINKS_H

#include "fs/caller.h"

/* Whether another has the file, which is at `path`, by another of its names.
 * Whoever takes the path must look after that: two who take two names at once
 * then see each other. Looking before as well, early, waits for nobody and
 * refuses most without taking anything. */
int links_check(const struct caller *who, const struct stat *st,
		const char *path);
int links_check_early(const struct caller *who, const struct stat *st,
		      const char *path);

/* Whether another user can write to a file that is, or is to become, `path`. */
int links_check_writers(const struct caller *who, const struct stat *st,
			const char *path);

/* Both, for a file that has other names. */
int links_check_all(const struct caller *who, const struct stat *st,
		    const char *path);

#endif
