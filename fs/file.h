/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Open files: a handle the kernel has, its descriptor on the share, and the
 * checkout it takes part in if it can write.
 *
 * Where it can be had, the kernel reads and writes the descriptor's file by
 * itself (passthrough). All handles of an inode must then share one backing
 * file, and none of them may be without: so the first open of an inode
 * decides, and the others follow until the last is released.
 */
#ifndef FS_FILE_H
#define FS_FILE_H

#include <stdatomic.h>

#include "fs/camfs.h"

struct open_file {
	struct inode *inode;
	struct open_file *next; /* in inode->files, under its stripe */
	int fd;
	bool passthrough;
	struct checkout *checkout; /* NULL: cannot write */
	atomic_bool flushed;	   /* counted as flushed in the checkout */
	bool emptied;	   /* made, or truncated, by opening it */
	struct stat start; /* as it was when opened; if it can write */
};

static inline struct open_file *file_of(const struct fuse_file_info *fi)
{
	return (struct open_file *)(uintptr_t)fi->fh;
}

/* Whether open flags ask for something that can write. */
bool file_flags_write(int flags);

/* Makes a handle for `fd` and fills *fi. Takes the checkout, if any, but not
 * fd until it succeeds. Returns 0 or -errno. */
int file_open(fuse_req_t req, struct inode *inode, int fd,
	      struct checkout *checkout, bool emptied,
	      struct fuse_file_info *fi);

/* Whether a path is open for writing through this mount, and nothing has been
 * written yet. */
bool file_is_untouched(struct camfs *fs, const char *path);

/* As inodes_open(), but a file that has no name any more, where that is how
 * files are found, is found through one of its handles. */
int file_open_inode(struct camfs *fs, struct inode *inode);

/* Closes it, and checks in if it was the last that could write. */
void file_release(fuse_req_t req, struct open_file *file);

#endif
