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
#include "core/recovered.h"
#include "fs/camfs.h"

#define CTLVIEW_RECORDS STATE_NAME "/locks.json"
#define CTLVIEW_HISTORY STATE_NAME "/" HISTORY_NAME
#define CTLVIEW_CONTROL STATE_NAME "/control"
#define CTLVIEW_CHANGES STATE_NAME "/changes"
#define CTLVIEW_SHARE STATE_NAME "/share"
#define CTLVIEW_METRICS STATE_NAME "/metrics"
#define CTLVIEW_PAGE STATE_NAME "/page.html"
#define CTLVIEW_RECOVERED STATE_NAME "/" RECOVERED_DIR
#define CTLVIEW_VERSIONS STATE_NAME "/versions"

/* Whether a path is one of those, or below one: no document's. */
bool ctlview_is_special(const char *path);

/* The attributes of a path, but for its inode number. Returns 0, -ENOENT, or
 * another -errno. A folder is there while something in it is checked out. */
int ctlview_stat(struct camfs *fs, const char *path, struct stat *ret_st);

/* Those of a folder in which nothing is. */
void ctlview_stat_folder(struct stat *ret_st);

/* The content of a file: a record, or all of them. */
int ctlview_read(struct camfs *fs, const char *path, struct buffer *ret_text);

/* What of a version's path is below `versions`, if it is one's or their
 * folder's; else NULL. Those are looked at as the caller: fs/undo.h. */
const char *ctlview_version(const char *path);

/* The names in a folder: for each one byte, 'd' or 'f', the name, a NUL. */
int ctlview_list(struct camfs *fs, const char *path, struct buffer *ret_names);

/* The same of an open one, which is taken over. */
int ctlview_list_folder(int fd, struct buffer *ret_names);

#endif
