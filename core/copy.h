/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Copying a file with all that belongs to it, between open descriptors.
 */
#ifndef CORE_COPY_H
#define CORE_COPY_H

/* The content, from the beginning, into an empty file; where the file system
 * can, both share their blocks until one is written (ioctl_ficlone(2)). */
int copy_content(int from, int to);

/* That, or -errno (-EOPNOTSUPP, -EXDEV...) where it can't. */
int copy_clone(int from, int to);

/* Owner, group, extended attributes (ACLs are among them), mode and times. What
 * the file system can't have, or we may not give, is left out. */
int copy_attributes(int from, int to);

/* An ACL alone, or that there is none. O_PATH will do for both. */
void copy_acl(int from, int to);

#endif
