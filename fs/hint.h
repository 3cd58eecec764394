/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The read-only hint: while a file is checked out, others are shown it without
 * the w bits of group and others, so that their programs say "read-only" when
 * they open it, not when they save (--read-only-hint).
 *
 * The kernel keeps one mode for an inode, whoever asks, and judges by it: what
 * one is shown, another may be judged by in the next moment. So nothing is ever
 * taken from the mode that the holder's own opens need: it is done only while
 * the holder is the file's owner, who is judged by the owner's bits, and these
 * stay. The holder, root, and Samba are shown the mode as it is.
 */
#ifndef FS_HINT_H
#define FS_HINT_H

#include "fs/camfs.h"

/* Changes the mode, if need be. Returns how long the kernel may believe it, of
 * `seconds` that it could without. */
double hint_apply(fuse_req_t req, struct inode *inode, struct stat *st,
		  double seconds);

/* The same where the kernel believes nothing. */
void hint_apply_x(fuse_req_t req, struct inode *inode, struct statx *x);

/* The same for an entry, and for how long the kernel may believe that. */
void hint_entry(fuse_req_t req, struct fuse_entry_param *entry);

#endif
