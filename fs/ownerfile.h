/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Owner files: while a document is another's, the files by which its programs
 * tell each other who has it are there, naming the holder, so that their own
 * dialogs do (--owner-files).
 *
 *	.~lock.NAME#	LibreOffice, for any document
 *	~$NAME		Microsoft Office; Word leaves out the first letters
 *	NAME.dwl, .dwl2	AutoCAD, for NAME.dwg
 *
 * They are never on the share, nor listed, and whoever has the document does
 * not see them: his program makes its own there. A real one is what all see.
 * Nothing of them is cached, so that each caller sees his own.
 *
 * Inside, they are files of `.locks` (fs/ctldir.h) with the paths that
 * ownerfile_node() makes, which nobody can look up.
 */
#ifndef FS_OWNERFILE_H
#define FS_OWNERFILE_H

#include "core/buffer.h"
#include "fs/camfs.h"

/* Whether a name may be one's, if they are wanted. */
bool ownerfile_is_name(const struct camfs *fs, const char *name);

/* The node's path for a path of the share, on the heap; and back: what it is of
 * in the share, or NULL. */
char *ownerfile_node(const char *path);
const char *ownerfile_of(const char *node);

/* As the caller sees it: 0; -ENOENT if there is none for him; or -errno. */
int ownerfile_stat(fuse_req_t req, const char *path, struct stat *ret_st);
int ownerfile_read(fuse_req_t req, const char *path, struct buffer *ret_text);

#endif
