/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Undo: what the operations tell core/versions.h, so that each save can be
 * taken back.
 *
 *	a handle	undo_before_write(), once it is granted
 *	a name		undo_before_name(), the operation, undo_after_name()
 *
 * A version that can't be kept is in nobody's way: the log says so, and the
 * save goes on.
 */
#ifndef FS_UNDO_H
#define FS_UNDO_H

#include "fs/gate.h"

int undo_open(struct camfs *fs);

/* A document is about to be written in place. */
void undo_before_write(const struct caller *who, struct inode *inode,
		       const struct grant *grant);

/* A document is about to lose its file, which gets another name (`moved`), or
 * none. Returns -errno if no version could be kept, which was logged; else 0. */
int undo_before_name(const struct caller *who, struct gate_name *n, bool moved);

/* That was done, with this result. Once it is replied: it may take its time. */
void undo_after_name(const struct caller *who, struct gate_name *n, int result);

/* Opens what is kept, as the caller: `path` is a document's, a folder's, or a
 * version's (PATH/NAME). Of a version he must be let in to what is the document
 * now, too, if there is one. */
int undo_open_version(fuse_req_t req, const char *path, int flags);
int undo_stat_version(fuse_req_t req, const char *path, struct stat *ret_st);

/* A document is done with; `version`, if any, was not needed, and is freed. */
void undo_end(struct camfs *fs, const char *path, char *version, bool written);

#endif
