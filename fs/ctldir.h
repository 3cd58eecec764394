/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `.locks`: the virtual folder in the mount's root that shows what is checked
 * out, with nothing but ls and cat.
 *
 * It mirrors the tree, but only of what is checked out. A file's owner is the
 * holder, its time the checkout's, its content the record as JSON. It is made
 * from a snapshot at each look; nothing of it is cached or stored.
 *
 * Not listed, because it mirrors nothing: `.locks/.camlock/locks.json` and
 * `.locks/.camlock/history.jsonl`, all records and the history, for programs.
 * No document can have those names: `.camlock` is hidden from the mount.
 */
#ifndef FS_CTLDIR_H
#define FS_CTLDIR_H

#include "fs/camfs.h"

/* Its inodes are told from all others by their ids. */
#define CTLDIR_BIT (1ULL << 63)

static inline bool ctldir_owns(fuse_ino_t ino)
{
	return ino & CTLDIR_BIT;
}

int ctldir_open(struct ctldir **ret_ctldir, struct camfs *fs);
void ctldir_free(struct ctldir *c);

/* As in ops.h. `dir` 0: the folder itself, looked up in the root. */
void ctldir_lookup(fuse_req_t req, fuse_ino_t dir, const char *name);
void ctldir_forget(struct camfs *fs, fuse_ino_t ino, uint64_t n);
void ctldir_getattr(fuse_req_t req, fuse_ino_t ino);
void ctldir_open_file(fuse_req_t req, fuse_ino_t ino,
		      struct fuse_file_info *fi);
void ctldir_read(fuse_req_t req, size_t size, off_t offset,
		 struct fuse_file_info *fi);
void ctldir_release(fuse_req_t req, struct fuse_file_info *fi);
void ctldir_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void ctldir_readdir(fuse_req_t req, size_t size, off_t offset,
		    struct fuse_file_info *fi);
void ctldir_readdirplus(fuse_req_t req, size_t size, off_t offset,
			struct fuse_file_info *fi);
void ctldir_releasedir(fuse_req_t req, struct fuse_file_info *fi);

#endif
