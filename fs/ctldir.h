/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `.locks`: the virtual folder in the mount's root that shows what is checked
 * out, with nothing but ls and cat.
 *
 * It mirrors the tree, but only of what is checked out. A file's owner is the
 * holder, its time the checkout's, its content the record as JSON. It is made
 * from a snapshot at each look; nothing of it is cached or stored.
 *
 * It is also where a checkout is kept, with nothing but echo, touch and rm:
 * making or writing a file keeps the document of that path, with what is
 * written as the message; removing it is the checkin, or an admin's break. An
 * editor may save the record it was shown, with another message in it; and a
 * folder in which nothing is checked out any more is removed by doing nothing.
 * For that every folder of the share can be entered here, though it is listed
 * only when something in it is checked out.
 *
 * Not listed, because it mirrors nothing, is `.locks/.camlock`, for programs:
 *
 *	locks.json	all records
 *	history.jsonl	the history
 *	control		what the command line asks for (fs/control.h)
 *	changes		for poll(2): the records, or the history, changed
 *	share		"here", or "cut off" (registry_is_sure())
 *	recovered/	what was set aside (core/recovered.h)
 *	metrics		for Prometheus (fs/metrics.h)
 *	page.html	for a browser; also `.locks.html` in the mount's root
 *
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

/* Whether it is a name of ours in the root: the folder itself, or the page. */
bool ctldir_is_name(const char *name);

/* As in ops.h. In the root, such a name is looked up. */
void ctldir_lookup(fuse_req_t req, fuse_ino_t dir, const char *name);

/* An owner file (fs/ownerfile.h) of that path of the share, for the caller.
 * Returns 0 when it was replied, or -ENOENT: there is none for him. */
int ctldir_lookup_owner(fuse_req_t req, const char *path);
void ctldir_forget(struct camfs *fs, fuse_ino_t ino, uint64_t n);
void ctldir_getattr(fuse_req_t req, fuse_ino_t ino);
int ctldir_stat(fuse_req_t req, fuse_ino_t ino, struct stat *ret_st);
void ctldir_open_file(fuse_req_t req, fuse_ino_t ino,
		      struct fuse_file_info *fi);
void ctldir_read(fuse_req_t req, size_t size, off_t offset,
		 struct fuse_file_info *fi);
void ctldir_write(fuse_req_t req, struct fuse_bufvec *data,
		  struct fuse_file_info *fi);
void ctldir_poll(fuse_req_t req, struct fuse_file_info *fi,
		 struct fuse_pollhandle *ph);
void ctldir_release(fuse_req_t req, struct fuse_file_info *fi);
void ctldir_create(fuse_req_t req, fuse_ino_t dir, const char *name,
		   struct fuse_file_info *fi);
void ctldir_mknod(fuse_req_t req, fuse_ino_t dir, const char *name,
		  mode_t mode);
void ctldir_unlink(fuse_req_t req, fuse_ino_t dir, const char *name);
void ctldir_rmdir(fuse_req_t req, fuse_ino_t dir, const char *name);
void ctldir_setattr(fuse_req_t req, fuse_ino_t ino, int valid);
void ctldir_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void ctldir_readdir(fuse_req_t req, size_t size, off_t offset,
		    struct fuse_file_info *fi);
void ctldir_readdirplus(fuse_req_t req, size_t size, off_t offset,
			struct fuse_file_info *fi);
void ctldir_releasedir(fuse_req_t req, struct fuse_file_info *fi);

#endif
