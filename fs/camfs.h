/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The file system: everything a request needs, and what the requests share.
 *
 * The operations are in ops_*.c, one file for each kind; camfs_ops in ops.c
 * lists them all. None holds a mutex over a reply or over a system call on
 * the share.
 */
#ifndef FS_CAMFS_H
#define FS_CAMFS_H

#include "core/checkouts.h"
#include "core/history.h"
#include "core/registry.h"
#include "core/seen.h"
#include "core/users.h"
#include "fs/fuse.h"
#include "fs/inode.h"
#include "fs/mount.h"
#include "fs/quota.h"
#include "fs/share.h"

#define HOST_SIZE 256

struct ctldir;
struct hook;
struct mapped;
struct metrics;
struct page;
struct ring;
struct samba;
struct versions;
struct watcher;

struct camfs {
	const struct mount_options *options;
	struct share share;
	struct inodes inodes;
	struct quota quota;
	struct registry *registry;
	struct checkouts *checkouts;
	struct users *users;
	struct samba *samba;
	struct families *families;
	struct seen *seen; /* NULL: stale saves are allowed */
	struct history history;
	struct metrics *metrics;
	struct versions *versions; /* NULL: none are kept */
	struct hook *hook;	   /* NULL: no command wants to know */
	struct ctldir *ctldir;
	struct page *page;
	struct mapped *mapped;
	struct watcher *watcher;
	struct fuse_session *session;
	struct ring *ring; /* NULL: all requests come from /dev/fuse */
	gid_t admins;	   /* the group of admins; -1: root only */
	char host[HOST_SIZE];
	bool passthrough; /* the kernel can; fixed once mounted */
};

extern const struct fuse_lowlevel_ops camfs_ops;

static inline struct camfs *camfs_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

#endif
