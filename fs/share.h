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

#define STATE_NAME ".camlock"
#define CTL_NAME ".locks"

struct share {
	int root_fd;   /* the folder itself, O_PATH */
	int state_fd;  /* .camlock */
	int locks_dir; /* where locks.json is */
	char *locks_name;
	dev_t dev; /* of the root */
	ino_t ino;
	bool is_network; /* others may write to it, errors come late */
	bool is_stacked; /* the share's file system is on another one */
	int handles_fd;	 /* the root, for open_by_handle_at(2), which takes
			    no O_PATH; -1: files can't be reopened by handle */
	int mount_id;	 /* of what holds the root */

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

/* The path by which a descriptor can be opened again, changed or given
 * another mode, whatever it was opened for. */
#define PROC_PATH_SIZE 32
void share_proc_path(int fd, char path[PROC_PATH_SIZE]);

#endif
