/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What `.locks` shows: a tree of folders and files, made from a snapshot of
 * the registry. No FUSE here; fs/ctldir.h serves it.
 *
 * Paths are relative to `.locks`; "" is the folder itself.
 */
#ifndef FS_CTLVIEW_H
#define FS_CTLVIEW_H

#include "core/buffer.h"
#include "fs/camfs.h"

#define CTLVIEW_RECORDS STATE_NAME "/locks.json"
#define CTLVIEW_HISTORY STATE_NAME "/" HISTORY_NAME

/* The attributes of a path, but for its inode number. Returns 0, -ENOENT, or
 * another -errno. */
int ctlview_stat(struct camfs *fs, const char *path, struct stat *ret_st);

/* The content of a file: a record, or all of them. */
int ctlview_read(struct camfs *fs, const char *path, struct buffer *ret_text);

/* The names in a folder: for each one byte, 'd' or 'f', the name, a NUL. */
int ctlview_list(struct camfs *fs, const char *path, struct buffer *ret_names);

#endif
