/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The share: the folder under the mount, and our own folder in it.
 *
 * It is reached only through descriptors opened before the mount, so that the
 * mount may cover it. No path is ever walked that could lead out of it: names
 * are opened one at a time without following symlinks, or by openat2(2) with
 * RESOLVE_BENEATH.
 */
#ifndef FS_SHARE_H
#define FS_SHARE_H

#include <stdbool.h>
#include <sys/stat.h>

#include "core/siphash.h"
#include "fs/handle.h"

#define STATE_NAME ".camlock"
#define CTL_NAME ".locks"

struct share {
	int root_fd;   /* the folder itself, O_PATH */
	int state_fd;  /* .camlock */
	int locks_dir; /* where locks.json is */
	char *locks_name;
	dev_t dev; /* of the root */
	ino_t ino;
	ino_t state_ino; /* on the same file system, or a mount in it */
	dev_t state_dev;
	bool is_network; /* others may write to it, errors come late */
	bool folds_case; /* upper and lower case are the same there */
	bool is_fuse;	 /* a daemon's, which is told of a close or a flush by
			    the descriptor that was written to, no other */
	bool is_stacked; /* the share's file system is on another one */
	int handles_fd;	 /* the root, for open_by_handle_at(2), which takes
			    no O_PATH; -1: files can't be reopened by handle */
	int mount_id;	 /* of what holds the root */
	struct handle_form form; /* of the handles that are numbers */
	uint8_t handle_key[SIPHASH_KEY_SIZE]; /* kept in .camlock */

	/* The folder of locks.json, to hide it there. */
	dev_t locks_dev;
	ino_t locks_ino;
};

/* Opens the share and makes `.camlock` in it if need be; `locks` as in
 * mount_options. On error says what is wrong and returns -errno. */
int share_open(struct share *ret_share, const char *path, const char *locks);
void share_close(struct share *s);

/* Whether this name in this folder is ours and not to be seen: `.camlock` in
 * the root; locks.json and what belongs to it, wherever they are. */
bool share_is_hidden(const struct share *s, dev_t dir_dev, ino_t dir_ino,
		     const char *name);

/* Whether it is `.camlock`, by whatever name it was found: a share may not
 * care for upper and lower case, or have it mounted in a second place. */
bool share_is_state(const struct share *s, dev_t dev, ino_t ino);

/* Looks at a name in an open folder, following nothing. Returns 0 or -errno.
 * What is mounted there on a local share is not asked, for it may hang, and
 * the kernel keeps the folder to itself while a name in it is looked up: its
 * attributes are those last heard of. */
int share_stat(const struct share *s, int dirfd, const char *name,
	       struct stat *ret_st);

/* The path by which a descriptor can be opened again, changed or given
 * another mode, whatever it was opened for. */
#define PROC_PATH_SIZE 32
void share_proc_path(int fd, char path[PROC_PATH_SIZE]);

#endif
