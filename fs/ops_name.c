/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Linking, removing and renaming, as the caller (fs/creds.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "fs/creds.h"
#include "fs/ctldir.h"
#include "fs/file.h"
#include "fs/links.h"
#include "fs/ops.h"
#include "fs/undo.h"

static int link_as_caller(fuse_req_t req, int fd, int dirfd, const char *name)
{
	char path[PROC_PATH_SIZE];

	share_proc_path(fd, path);
	CREDS_SCOPE(req);
	return linkat(AT_FDCWD, path, dirfd, name, AT_SYMLINK_FOLLOW) < 0
		       ? -errno
		       : 0;
}

/* The handles of what now has a name go by that name. */
static void follow_name(struct camfs *fs, struct inode *inode,
			const struct gate_name *n)
{
	const char *slash = strrchr(n->path, '/');
	_cleanup_free_ char *folder =
		strndup(n->path, slash ? (size_t)(slash - n->path) : 0);

	if (inode)
		file_retarget(fs, inode, inode_name_hash(n->dir, n->name),
			      n->checkout, n->checkout ? NULL : folder);
}

/* A new file (O_TMPFILE) gets its first name: with that, who can write to it
 * can write to a document. */
static int name_tmpfile(fuse_req_t req, const struct caller *who,
			struct inode *inode, int fd, const struct stat *st,
			struct gate_name *n)
{
	int r = gate_enter(who, n, 1);

	if (r == 0 && n->document)
		r = links_check_writers(who, st, n->path);
	if (r == 0)
		r = link_as_caller(req, fd, n->dirfd, n->name);
	if (r == 0)
		follow_name(who->fs, inode, n);
	gate_leave(who, n, r, true, true);
	return r;
}

static int link_file(fuse_req_t req, const struct caller *who,
		     struct inode *inode, struct gate_name *n)
{
	_cleanup_close_ int fd = inodes_open(&who->fs->inodes, inode);
	struct stat st;
	int r;

	if (fd < 0)
		return fd;
	if (S_ISREG(inode->type) && fstat(fd, &st) == 0 && !st.st_nlink)
		return name_tmpfile(req, who, inode, fd, &st, n);
	r = gate_check(who, inode);
	if (r == 0)
		r = gate_check_name(who, n);
	return r == 0 ? link_as_caller(req, fd, n->dirfd, n->name) : r;
}

void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t dir_ino,
	     const char *name)
{
	struct camfs *fs = camfs_of(req);
	struct inode *inode = ops_inode(req, ino), *dir = NULL;
	_cleanup_name_ struct gate_name n = {};
	_cleanup_close_ int dirfd = -1;
	struct caller who;
	int r;

	if (!inode)
		return;
	dirfd = ops_open_dir(req, dir_ino, name, true, &dir);
	if (dirfd < 0)
		return;
	caller_get(req, "linked", &who);
	r = gate_name(fs, dir, dirfd, name, &n);
	if (r == 0)
		r = link_file(req, &who, inode, &n);
	if (r == 0)
		gate_made(&who, &n);
	if (r < 0)
		fuse_reply_err(req, -r);
	else
		ops_reply_entry(req, dir, dirfd, name);
}

static int unlink_as_caller(fuse_req_t req, int dirfd, const char *name,
			    int flags)
{
	CREDS_SCOPE(req);
	return unlinkat(dirfd, name, flags) < 0 ? -errno : 0;
}

/* Handles on a file whose last name is gone write to no document. */
static void forget_name(struct camfs *fs, const struct gate_name *n)
{
	if (n->inode && n->st.st_nlink == 1)
		file_retarget(fs, n->inode, 0, NULL, NULL);
}

/* What is to be removed. Returns its folder's descriptor, or -1 when the error
 * has been replied. */
static int open_name(fuse_req_t req, fuse_ino_t dir_ino, const char *name,
		     struct caller *ret_who, struct gate_name *ret_name)
{
	struct inode *dir = NULL;
	int dirfd = ops_open_dir(req, dir_ino, name, false, &dir);
	int r;

	if (dirfd < 0)
		return -1;
	caller_get(req, "deleted", ret_who);
	r = gate_name(camfs_of(req), dir, dirfd, name, ret_name);
	if (r == 0)
		return dirfd;
	close(dirfd);
	fuse_reply_err(req, -r);
	return -1;
}

void op_unlink(fuse_req_t req, fuse_ino_t dir_ino, const char *name)
{
	struct camfs *fs = camfs_of(req);
	_cleanup_name_ struct gate_name n = {};
	_cleanup_close_ int dirfd = -1;
	struct caller who;
	int r;

	if (ctldir_owns(dir_ino)) {
		ctldir_unlink(req, dir_ino, name);
		return;
	}
	dirfd = open_name(req, dir_ino, name, &who, &n);
	if (dirfd < 0)
		return;
	r = gate_enter(&who, &n, 1);
	if (r == 0) {
		undo_before_name(&who, &n, false);
		r = unlink_as_caller(req, dirfd, name, 0);
	}
	if (r == 0) {
		inodes_moved(&fs->inodes, n.dir, name, NULL, NULL, false);
		forget_name(fs, &n);
	}
	gate_leave(&who, &n, r, false, false);
	fuse_reply_err(req, -r);
	if (r == 0 && n.document)
		gate_note(&who, HISTORY_DELETED, n.path);
	undo_after_name(&who, &n, r);
}

void op_rmdir(fuse_req_t req, fuse_ino_t dir_ino, const char *name)
{
	_cleanup_name_ struct gate_name n = {};
	_cleanup_close_ int dirfd = -1;
	struct caller who;
	int r;

	if (ctldir_owns(dir_ino)) {
		ctldir_rmdir(req, dir_ino, name);
		return;
	}
	dirfd = open_name(req, dir_ino, name, &who, &n);
	if (dirfd < 0)
		return;
	r = gate_check_name(&who, &n);
	if (r == 0)
		r = unlink_as_caller(req, dirfd, name, AT_REMOVEDIR);
	if (r == 0) {
		inodes_moved(&who.fs->inodes, n.dir, name, NULL, NULL, false);
		gate_folder_gone(&who, n.path);
	}
	fuse_reply_err(req, -r);
}

/* Of a rename: a document moved to another document's name is not lost. */
static void keep_versions(const struct caller *who, struct gate_name *from,
			  struct gate_name *to, bool exchange)
{
	if (from->st.st_ino == to->st.st_ino &&
	    from->st.st_dev == to->st.st_dev)
		return;
	if (!to->document)
		undo_before_name(who, from, true);
	if (!exchange || !from->document)
		undo_before_name(who, to, exchange);
}

static int rename_as_caller(fuse_req_t req, int dirfd, const char *name,
			    int to_dirfd, const char *to_name,
			    unsigned int flags)
{
	CREDS_SCOPE(req);
	return renameat2(dirfd, name, to_dirfd, to_name, flags) < 0 ? -errno
								    : 0;
}

/* What `from` was is now `to`. */
static void follow(const struct caller *who, const struct gate_name *from,
		   const struct gate_name *to)
{
	if (S_ISDIR(from->st.st_mode))
		gate_folder_moved(who, from->path, to->path, false);
	else
		follow_name(who->fs, from->inode, to);
}

static void follow_both(const struct caller *who, const struct gate_name *a,
			const struct gate_name *b)
{
	if (S_ISDIR(a->st.st_mode) && S_ISDIR(b->st.st_mode)) {
		gate_folder_moved(who, a->path, b->path, true);
		return;
	}
	follow(who, a, b);
	follow(who, b, a);
}

/* Moving a file onto another name of the same file does nothing. */
static bool is_same_file(const struct gate_name *from,
			 const struct gate_name *to)
{
	return to->st.st_nlink && from->st.st_ino == to->st.st_ino &&
	       from->st.st_dev == to->st.st_dev;
}

/* What follows from a rename that was done. */
static void renamed(const struct caller *who, const struct gate_name *from,
		    const struct gate_name *to, bool exchange)
{
	struct camfs *fs = who->fs;

	if (is_same_file(from, to))
		return;
	/* First of all: an open that is under way looks at it last of all. */
	inodes_moved(&fs->inodes, from->dir, from->name, to->dir, to->name,
		     exchange);
	if (exchange) {
		follow_both(who, from, to);
	} else {
		follow(who, from, to);
		forget_name(fs, to);
	}
}

static void note_renamed(const struct caller *who, const struct gate_name *from,
			 const struct gate_name *to)
{
	if (from->document && to->document && !is_same_file(from, to))
		gate_note(who, HISTORY_RENAMED, from->path);
}

/* A temp file another user can still write to must not become a document. */
static int check_writers(const struct caller *who, const struct gate_name *from,
			 const struct gate_name *to)
{
	return from->inode && S_ISREG(from->st.st_mode) && to->document
		       ? links_check_writers(who, &from->st, to->path)
		       : 0;
}

void op_rename(fuse_req_t req, fuse_ino_t dir_ino, const char *name,
	       fuse_ino_t to_ino, const char *to_name, unsigned int flags)
{
	struct camfs *fs = camfs_of(req);
	struct gate_name n[2] = {};
	struct inode *dir = NULL, *to_dir = NULL;
	_cleanup_close_ int dirfd =
		ops_open_dir(req, dir_ino, name, false, &dir);
	_cleanup_close_ int to_dirfd = -1;
	bool exchange = flags & RENAME_EXCHANGE;
	struct caller who;
	int r;

	if (dirfd < 0)
		return;
	to_dirfd = ops_open_dir(req, to_ino, to_name, true, &to_dir);
	if (to_dirfd < 0)
		return;
	caller_get(req, "renamed", &who);
	r = gate_name(fs, dir, dirfd, name, &n[0]);
	if (r == 0)
		r = gate_name(fs, to_dir, to_dirfd, to_name, &n[1]);
	if (r == 0)
		r = gate_enter(&who, n, 2);
	if (r == 0)
		r = check_writers(&who, &n[0], &n[1]);
	if (r == 0) {
		keep_versions(&who, &n[0], &n[1], exchange);
		r = rename_as_caller(req, dirfd, name, to_dirfd, to_name,
				     flags);
	}
	if (r == 0)
		renamed(&who, &n[0], &n[1], exchange);
	gate_leave(&who, &n[0], r, exchange, exchange);
	gate_leave(&who, &n[1], r, true, true);
	fuse_reply_err(req, -r);
	if (r == 0)
		note_renamed(&who, &n[0], &n[1]);
	for (size_t i = 0; i < 2; i++) {
		undo_after_name(&who, &n[i], r);
		gate_name_release(&n[i]);
	}
}
