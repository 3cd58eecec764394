/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whether the locks of a share are seen by other hosts, as far as the kind of
 * file system it lies on, and how that is mounted, can tell (proc(5),
 * mountinfo). Seen with two clients each: sshfs, davfs2 and smbnetfs keep locks
 * to themselves, so that two hosts would both be told yes; NFS and SMB do with
 * some options; GlusterFS shows another host's changes late unless it is told
 * not to.
 */
#ifndef FS_LOCALITY_H
#define FS_LOCALITY_H

#include <stddef.h>

/* How a share is mounted. */
struct locality {
	char *point;
	char *type;    /* "nfs4", "fuse.glusterfs" */
	char *source;  /* "server:/vol" */
	char *options; /* those of the file system */
};

/* Of an open file; empty if it can't be found out. */
void locality_of(int fd, struct locality *ret_locality);
void locality_release(struct locality *l);

/* Why its locks don't keep other hosts out, and what to do; or NULL. */
const char *locality_why_not(const struct locality *l);

/* Writes what makes it show other hosts' changes late, and what to do about it,
 * if it is known to. Returns whether it is. */
int locality_is_lax(const struct locality *l, char *advice, size_t size);

/* Finds that out for a share at `path`, and says so. Returns 0, or -ENOLCK if
 * it must not be mounted on several hosts. */
int locality_check(int fd, const char *path);

#endif
