/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Making what is not opened with it: folders, links, devices, regular files by
 * mknod(2). As the caller (fs/creds.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "fs/creds.h"
#include "fs/ctldir.h"
#include "fs/gate.h"
#include "fs/ops.h"

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
	_cleanup_close_ int dirfd =
		ops_open_dir(req, dir_ino, name, true, &dir);
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
