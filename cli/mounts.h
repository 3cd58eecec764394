/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which mounts there are: /proc/self/mountinfo, see proc(5).
 *
 * Nothing here asks the file systems themselves, so it can't hang on one.
 */
#ifndef CLI_MOUNTS_H
#define CLI_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>

/* A mount, as far as it matters here. */
struct mount_info {
	bool is_camlock;
	char *device; /* major:minor */
	char *root;   /* what of the file system is mounted: "/" unless bound */
	char *point;
	char *source; /* of a camlock mount: the share */
	char *type;
	char *options; /* of the file system, with commas */
};

/* All mounts at one moment; what lies on top comes later. */
struct mounts {
	struct mount_info *list;
	size_t n;
};

/* Returns 0 or -errno. */
int mounts_load(struct mounts *ret_mounts);
void mounts_release(struct mounts *m);

/* The mount an absolute path without symlinks lies in, or NULL. */
const struct mount_info *mounts_find(const struct mounts *m, const char *path);

/* Where all of the file system is mounted of which `part` may be a bind mount
 * of a folder; NULL if that is nowhere to be seen. */
const struct mount_info *mounts_find_whole(const struct mounts *m,
					   const struct mount_info *part);

/* How many camlock mounts of that share there are. */
size_t mounts_count(const struct mounts *m, const char *source);

/* What --json of the commands that make and end one prints: how it went.
 * `share` may be NULL. Returns the exit status it was given, or TROUBLE. */
int mounts_reply(const char *share, const char *point, int status);

/* Whether `path` is `folder` or below it; "" is above everything. */
bool path_is_below(const char *path, const char *folder);

#define _cleanup_mounts_ __attribute__((cleanup(mounts_release)))

#endif
