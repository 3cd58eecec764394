/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Inodes of which more is asked than is known: the kernel comes back with an id
 * that was forgotten, as it does for an NFS client; or the name by which a file
 * was known is gone, and it has another.
 */
#ifndef FS_LOST_H
#define FS_LOST_H

#include "fs/inode.h"

/* The inode of an id, known or forgotten, with one more lookup; or with
 * `parent` that of the folder it is in (the root's is the root). NULL if it is
 * no file of the share, or not any more. */
struct inode *lost_return(struct inodes *t, uint64_t id, bool parent);

/* Looks through the share for a name of the inode, which then is its name.
 * Takes as long as the share is large. Returns 0; -ENOENT if it has none; or
 * another -errno if that can't be said. */
int lost_find_name(struct inodes *t, struct inode *inode);

#endif
