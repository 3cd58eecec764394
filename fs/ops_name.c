/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Names: looking them up, making, removing and moving them.
 *
 * What makes or removes something acts as the caller (fs/creds.h); looking
 * does not, because the kernel has checked the caller's rights by then
 * (default_permissions), and what it asks for may be more than he can see.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "fs/attach.h"
#include "fs/creds.h"
#include "fs/ctldir.h"
#include "fs/file.h"
#include "fs/hint.h"
#include "fs/links.h"
#include "fs/lost.h"
#include "fs/ops.h"
#include "fs/ownerfile.h"
#include "fs/undo.h"

/* An owner file is there for one caller, and not for another. */
static void reply_owner_file(fuse_req_t req, struct inode *dir,
			     const char *name)
{
	struct fuse_entry_param none = {};
	int error;
	_cleanup_free_ char *path =
		inodes_path_of(&camfs_of(req)->inodes, dir, name, &error);

	if (!path)
		fuse_reply_err(req, -error);
	else if (ctldir_lookup_owner(req, path) == -ENOENT)
		fuse_reply_entry(req, &none);
}

static void reply_missing(fuse_req_t req)
{
	struct fuse_entry_param none = {
		.entry_timeout = camfs_of(req)->options->cache_seconds
	};

	fuse_reply_entry(req, &none);
}

/* "." and ".." are looked up for an NFS client that comes back with a handle
 * the kernel has forgotten the path of. */
static void lookup_known(fuse_req_t req, fuse_ino_t ino, bool parent)
{
	struct camfs *fs = camfs_of(req);
	struct inode *inode = lost_return(&fs->inodes, ino, parent);
	_cleanup_close_ int fd = -1;
	struct fuse_entry_param entry = { .entry_timeout =
						  fs->options->cache_seconds };

	if (!inode) {
		fuse_reply_err(req, ESTALE);
		return;
	}
	entry.ino = inode->id;
	entry.generation = inodes_generation(&fs->inodes, inode->id);
	fd = inodes_open(&fs->inodes, inode);
	if (fd < 0 || fstat(fd, &entry.attr) < 0) {
		inodes_forget(&fs->inodes, entry.ino, 1);
		fuse_reply_err(req, ESTALE);
		return;
	}
	entry.attr_timeout = ops_cache_seconds(fs, &entry.attr);
	if (fuse_reply_entry(req, &entry) < 0)
		inodes_forget(&fs->inodes, entry.ino, 1);
}

void op_lookup(fuse_req_t req, fuse_ino_t dir_ino, const char *name)
{
	struct camfs *fs = camfs_of(req);
	struct fuse_entry_param entry;
	_cleanup_close_ int dirfd = -1;
	struct found found;
	struct inode *dir;
	int r;

	if (dir_ino == INODE_ROOT && fs->inodes.root.id != INODE_ROOT) {
		attach_lookup(req);
		return;
	}
	if (ctldir_owns(dir_ino) ||
	    (dir_ino == fs->inodes.root.id && ctldir_is_name(name))) {
		ctldir_lookup(req, dir_ino, name);
		return;
	}
	if (!strcmp(name, ".") || !strcmp(name, "..")) {
		lookup_known(req, dir_ino, name[1]);
		return;
	}
	dir = ops_inode(req, dir_ino);
	if (!dir)
		return;
	r = ops_check_name(fs, dir, name, false);
	if (r == 0)
		r = dirfd = inodes_open(&fs->inodes, dir);
	if (r >= 0)
		r = inodes_look(&fs->inodes, dirfd, name, &found);
	if (r == 0)
		r = ops_fill_entry(fs, dir, name, &found, &entry);
	if (r == 0)
		hint_entry(req, &entry);
	if (r == -ENOENT && ownerfile_is_name(fs, name))
		reply_owner_file(req, dir, name);
	else if (r == -ENOENT)
		reply_missing(req);
	else if (r < 0)
		fuse_reply_err(req, -r);
	else if (fuse_reply_entry(req, &entry) < 0)
		inodes_forget(&fs->inodes, entry.ino, 1);
}

static void forget(struct camfs *fs, fuse_ino_t ino, uint64_t n)
{
	if (ctldir_owns(ino))
		ctldir_forget(fs, ino, n);
	else
		inodes_forget(&fs->inodes, ino, n);
}

void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t n)
{
	forget(camfs_of(req), ino, n);
	fuse_reply_none(req);
}

void op_forget_multi(fuse_req_t req, size_t n, struct fuse_forget_data *list)
{
	for (size_t i = 0; i < n; i++)
		forget(camfs_of(req), list[i].ino, list[i].nlookup);
	fuse_reply_none(req);
}

/* The folder for a new or removed name, opened. Returns the descriptor, or -1
 * when the error has been replied. */
static int open_dir(fuse_req_t req, fuse_ino_t ino, const char *name,
		    bool to_make, struct inode **ret_dir)
{
	struct camfs *fs = camfs_of(req);
	struct inode *dir = ops_inode(req, ino);
	int r;

	if (!dir)
		return -1;
	r = ops_check_name(fs, dir, name, to_make);
	if (r == 0)
		r = inodes_open(&fs->inodes, dir);
	if (r < 0) {
		fuse_reply_err(req, -r);
		return -1;
	}
	*ret_dir = dir;
	return r;
}

/* What there is to make besides a regular file that is opened. */
struct node {
	mode_t mode;
	dev_t dev;
	const char *target; /* of a symlink */
};

static int make_node(fuse_req_t req, int dirfd, const char *name,
		     const struct node *node)
{
	int r;

	CREDS_SCOPE(req);
	if (S_ISLNK(node->mode))
		r = symlinkat(node->target, dirfd, name);
	else if (S_ISDIR(node->mode))
		r = mkdirat(dirfd, name, node->mode & 07777);
	else
		r = mknodat(dirfd, name, node->mode, node->dev);
	return r < 0 ? -errno : 0;
}

/* A new regular file is a write of its name; a folder, a link or a device only
 * must not be in anybody's way. */
static void make(fuse_req_t req, fuse_ino_t dir_ino, const char *name,
		 const struct node *node)
{
	_cleanup_name_ struct gate_name n = {};
	struct inode *dir = NULL;
	_cleanup_close_ int dirfd = open_dir(req, dir_ino, name, true, &dir);
	struct caller who;
	int r;

	if (dirfd < 0)
		return;
	caller_get(req, "created", &who);
	r = gate_name(camfs_of(req), dir, dirfd, name, &n);
	if (r == 0)
		r = S_ISREG(node->mode) ? gate_enter(&who, &n, 1)
					: gate_check_name(&who, &n);
	if (r == 0)
		r = make_node(req, dirfd, name, node);
	gate_leave(&who, &n, r, true, true);
	if (r == 0)
		gate_made(&who, &n);
	if (r < 0)
		fuse_reply_err(req, -r);
	else
		ops_reply_entry(req, dir, dirfd, name);
}

void op_mknod(fuse_req_t req, fuse_ino_t dir, const char *name, mode_t mode,
	      dev_t dev)
{
	/* no type means a regular file */
	struct node node = { mode & S_IFMT ? mode : mode | S_IFREG, dev, NULL };

	if (ctldir_owns(dir))
		ctldir_mknod(req, dir, name, node.mode);
	else
		make(req, dir, name, &node);
}

void op_mkdir(fuse_req_t req, fuse_ino_t dir, const char *name, mode_t mode)
{
	struct node node = { S_IFDIR | (mode & 07777), 0, NULL };

	make(req, dir, name, &node);
}

void op_symlink(fuse_req_t req, const char *target, fuse_ino_t dir,
		const char *name)
{
	struct node node = { S_IFLNK, 0, target };

	make(req, dir, name, &node);
}

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
	dirfd = open_dir(req, dir_ino, name, true, &dir);
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

void op_unlink(fuse_req_t req, fuse_ino_t dir_ino, const char *name)
{
	struct camfs *fs = camfs_of(req);
	_cleanup_name_ struct gate_name n = {};
	_cleanup_close_ int dirfd = -1;
	struct inode *dir = NULL;
	struct caller who;
	int r;

	if (ctldir_owns(dir_ino)) {
		ctldir_unlink(req, dir_ino, name);
		return;
	}
	dirfd = open_dir(req, dir_ino, name, false, &dir);
	if (dirfd < 0)
		return;
	caller_get(req, "deleted", &who);
	r = gate_name(fs, dir, dirfd, name, &n);
	if (r == 0)
		r = gate_enter(&who, &n, 1);
	if (r == 0) {
		undo_before_name(&who, &n, false);
		r = unlink_as_caller(req, dirfd, name, 0);
	}
	if (r == 0) {
		inodes_moved(&fs->inodes, dir, name, NULL, NULL, false);
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
	struct camfs *fs = camfs_of(req);
	_cleanup_name_ struct gate_name n = {};
	_cleanup_close_ int dirfd = -1;
	struct inode *dir = NULL;
	struct caller who;
	int r;

	if (ctldir_owns(dir_ino)) {
		ctldir_rmdir(req, dir_ino, name);
		return;
	}
	dirfd = open_dir(req, dir_ino, name, false, &dir);
	if (dirfd < 0)
		return;
	caller_get(req, "deleted", &who);
	r = gate_name(fs, dir, dirfd, name, &n);
	if (r == 0)
		r = gate_check_name(&who, &n);
	if (r == 0)
		r = unlink_as_caller(req, dirfd, name, AT_REMOVEDIR);
	if (r == 0) {
		inodes_moved(&fs->inodes, dir, name, NULL, NULL, false);
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
	_cleanup_close_ int dirfd = open_dir(req, dir_ino, name, false, &dir);
	_cleanup_close_ int to_dirfd = -1;
	bool exchange = flags & RENAME_EXCHANGE;
	struct caller who;
	int r;

	if (dirfd < 0)
		return;
	to_dirfd = open_dir(req, to_ino, to_name, true, &to_dir);
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

void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	struct inode *inode = ops_inode(req, ino);
	_cleanup_close_ int fd = -1;
	char target[PATH_MAX + 1];
	ssize_t n;

	if (!inode)
		return;
	fd = inodes_open(&camfs_of(req)->inodes, inode);
	n = fd < 0 ? fd : readlinkat(fd, "", target, sizeof(target) - 1);
	if (n < 0) {
		fuse_reply_err(req, fd < 0 ? -fd : errno);
		return;
	}
	target[n] = '\0';
	fuse_reply_readlink(req, target);
}
