/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Looking names up, and forgetting them. Not as the caller: the kernel has
 * checked his rights by then (default_permissions), and what it asks for may be
 * more than he can see.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "fs/attach.h"
#include "fs/ctldir.h"
#include "fs/hint.h"
#include "fs/lost.h"
#include "fs/ops.h"
#include "fs/ownerfile.h"

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
	hint_entry(req, &entry);
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
