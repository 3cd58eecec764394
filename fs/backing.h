/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Kernel passthrough: which open files the kernel reads and writes by itself.
 *
 * The first handle decides whether it serves an inode; all others do as that
 * one did, and share its backing file.
 *
 *	if (backing_is_needed())	under the inode's stripe
 *		backing_open_reader()	without: the share may hang
 *	backing_choose()		under it again, or still
 *	id = backing_leave()		the same
 *	backing_close(id)		without
 */
#ifndef FS_BACKING_H
#define FS_BACKING_H

#include "fs/file.h"

bool backing_is_needed(struct camfs *fs, const struct open_file *file);

/* A descriptor to make the backing file of, or -1. */
int backing_open_reader(const struct open_file *file);

/* Decides for a handle that is about to be among its inode's; `reader` is there
 * if it was needed. */
void backing_choose(fuse_req_t req, struct open_file *file, int reader,
		    struct fuse_file_info *fi);

/* The handle is not among them any more. Returns a backing file to close, or
 * 0. */
int32_t backing_leave(const struct open_file *file);
void backing_close(fuse_req_t req, int32_t id);

#endif
