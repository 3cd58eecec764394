/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/ops.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "fs/creds.h"
#include "fs/ctldir.h"
#include "fs/hint.h"
#include "fs/log.h"
#include "fs/ring.h"

/* Requests nobody waits for, closes and reading ahead, that the kernel has
 * under way. If a dozen, as it would by itself, hang with a part of the share,
 * no close anywhere would be told to us any more, and nothing be checked in. */
#define MAX_BACKGROUND 500

struct inode *ops_inode(fuse_req_t req, fuse_ino_t ino)
{
	struct inode *inode;

	if (ctldir_owns(ino)) {
		fuse_reply_err(req, EPERM);
		return NULL;
	}
	inode = inodes_find(&camfs_of(req)->inodes, ino);
	if (!inode)
		fuse_reply_err(req, ESTALE);
	return inode;
}

int ops_check_name(struct camfs *fs, const struct inode *dir, const char *name,
		   bool make)
{
	if (share_is_hidden(&fs->share, dir->dev, dir->ino, name))
		return make ? -EPERM : -ENOENT;
	if (dir == &fs->inodes.root && ctldir_is_name(name))
		return -EPERM;
	return 0;
}

/* The kernel writes through a passthrough handle without telling us that it
 * cleared set-user-ID bits: of files that have them it asks every time. */
double ops_cache_seconds(const struct camfs *fs, const struct stat *st)
{
	if (S_ISREG(st->st_mode) && (st->st_mode & (S_ISUID | S_ISGID)))
		return 0;
	return fs->options->cache_seconds;
}

int ops_fill_entry(struct camfs *fs, struct inode *dir, const char *name,
		   struct found *found, struct fuse_entry_param *ret_entry)
{
	struct inode *inode;

	if (share_is_state(&fs->share, found->st.st_dev, found->st.st_ino)) {
		free(take_ptr(found->handle));
		return -ENOENT;
	}
	inode = inodes_add(&fs->inodes, dir, name, found);
	if (!inode)
		return -ENOMEM;
	*ret_entry = (struct fuse_entry_param){
		.ino = inode->id,
		.generation = inodes_generation(&fs->inodes, inode->id),
		.attr = found->st,
		/* of what is mounted there we have only heard: share_stat() */
		.attr_timeout = S_ISDIR(found->st.st_mode) &&
						found->st.st_dev != dir->dev
					? 0
					: ops_cache_seconds(fs, &found->st),
		.entry_timeout = fs->options->cache_seconds,
	};
	return 0;
}

int ops_open_dir(fuse_req_t req, fuse_ino_t ino, const char *name, bool to_make,
		 struct inode **ret_dir)
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

void ops_reply_entry(fuse_req_t req, struct inode *dir, int dirfd,
		     const char *name)
{
	struct camfs *fs = camfs_of(req);
	struct fuse_entry_param entry;
	struct found found;
	int r = inodes_look(&fs->inodes, dirfd, name, &found);

	if (r == 0)
		r = ops_fill_entry(fs, dir, name, &found, &entry);
	if (r == 0)
		hint_entry(req, &entry);
	if (r < 0)
		fuse_reply_err(req, -r);
	else if (fuse_reply_entry(req, &entry) < 0)
		inodes_forget(&fs->inodes, entry.ino, 1);
}

static void want(struct fuse_conn_info *conn, unsigned long flag)
{
#if HAVE_PASSTHROUGH
	fuse_set_feature_flag(conn, flag);
#else
	conn->want |= conn->capable & (unsigned)flag;
#endif
}

static void unwant(struct fuse_conn_info *conn, unsigned long flag)
{
#if HAVE_PASSTHROUGH
	fuse_unset_feature_flag(conn, flag);
#else
	conn->want &= ~(unsigned)flag;
#endif
}

static void init_passthrough(struct camfs *fs, struct fuse_conn_info *conn)
{
#if HAVE_PASSTHROUGH
	if (!fs->options->passthrough || fs->share.is_fuse)
		return;
	/* the kernel offers it to everybody, and then lets only root use it */
	fs->passthrough = geteuid() == 0 &&
			  fuse_set_feature_flag(conn, FUSE_CAP_PASSTHROUGH);
	/* 1: the share itself may be an overlayfs, say */
	conn->max_backing_stack_depth = fs->share.is_stacked;
#endif
	if (fs->options->passthrough && !fs->passthrough)
		log_info("no kernel passthrough: it needs Linux 6.9, libfuse "
			 "3.17 and root; reads and writes go through camlock, "
			 "which is slower");
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	struct camfs *fs = userdata;

	want(conn, CAP_KILLPRIV);
	want(conn, FUSE_CAP_PARALLEL_DIROPS);
	want(conn, FUSE_CAP_READDIRPLUS);
	want(conn, FUSE_CAP_READDIRPLUS_AUTO);
	want(conn, FUSE_CAP_DONT_MASK);
	want(conn, FUSE_CAP_POSIX_ACL);
	want(conn, FUSE_CAP_EXPORT_SUPPORT);
	/* Splicing makes and closes a pipe for each request when its size can't
	 * be raised, for which we gave up CAP_SYS_RESOURCE. */
	unwant(conn, FUSE_CAP_SPLICE_READ);
	unwant(conn, FUSE_CAP_SPLICE_WRITE);
	unwant(conn, FUSE_CAP_SPLICE_MOVE);
	init_passthrough(fs, conn);
	conn->max_background = MAX_BACKGROUND;
	ring_offer(fs->ring, conn);
}

/* What looks at names, or opens something, is only done while not too many
 * requests of that user are waiting. What is done with an open file always is:
 * an error there would lose work. */
#define BOUNDED(op, params, ...)                               \
	static void bounded_##op params                        \
	{                                                      \
		struct quota *quota = &camfs_of(req)->quota;   \
		uid_t uid = fuse_req_ctx(req)->uid;            \
                                                               \
		creds_prepare_thread();                        \
		if (!quota_take(quota, QUOTA_REQUESTS, uid)) { \
			fuse_reply_err(req, EAGAIN);           \
			return;                                \
		}                                              \
		op_##op(req, __VA_ARGS__);                     \
		quota_give(quota, QUOTA_REQUESTS, uid);        \
	}

BOUNDED(lookup, (fuse_req_t req, fuse_ino_t dir, const char *name), dir, name)
BOUNDED(getattr, (fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi),
	ino, fi)
#if HAVE_STATX
BOUNDED(statx,
	(fuse_req_t req, fuse_ino_t ino, int flags, int mask,
	 struct fuse_file_info *fi),
	ino, flags, mask, fi)
#endif
BOUNDED(setattr,
	(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int valid,
	 struct fuse_file_info *fi),
	ino, attr, valid, fi)
BOUNDED(readlink, (fuse_req_t req, fuse_ino_t ino), ino)
BOUNDED(mknod,
	(fuse_req_t req, fuse_ino_t dir, const char *name, mode_t mode,
	 dev_t dev),
	dir, name, mode, dev)
BOUNDED(mkdir, (fuse_req_t req, fuse_ino_t dir, const char *name, mode_t mode),
	dir, name, mode)
BOUNDED(unlink, (fuse_req_t req, fuse_ino_t dir, const char *name), dir, name)
BOUNDED(rmdir, (fuse_req_t req, fuse_ino_t dir, const char *name), dir, name)
BOUNDED(symlink,
	(fuse_req_t req, const char *target, fuse_ino_t dir, const char *name),
	target, dir, name)
BOUNDED(rename,
	(fuse_req_t req, fuse_ino_t dir, const char *name, fuse_ino_t to_dir,
	 const char *to_name, unsigned int flags),
	dir, name, to_dir, to_name, flags)
BOUNDED(link,
	(fuse_req_t req, fuse_ino_t ino, fuse_ino_t dir, const char *name), ino,
	dir, name)
BOUNDED(open, (fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi), ino,
	fi)
BOUNDED(create,
	(fuse_req_t req, fuse_ino_t dir, const char *name, mode_t mode,
	 struct fuse_file_info *fi),
	dir, name, mode, fi)
#if HAVE_TMPFILE
BOUNDED(tmpfile,
	(fuse_req_t req, fuse_ino_t dir, mode_t mode,
	 struct fuse_file_info *fi),
	dir, mode, fi)
#endif
BOUNDED(opendir, (fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi),
	ino, fi)
BOUNDED(readdir,
	(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
	 struct fuse_file_info *fi),
	ino, size, offset, fi)
BOUNDED(readdirplus,
	(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
	 struct fuse_file_info *fi),
	ino, size, offset, fi)
BOUNDED(statfs, (fuse_req_t req, fuse_ino_t ino), ino)
BOUNDED(getxattr,
	(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size), ino,
	name, size)
BOUNDED(setxattr,
	(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value,
	 size_t size, int flags),
	ino, name, value, size, flags)
BOUNDED(listxattr, (fuse_req_t req, fuse_ino_t ino, size_t size), ino, size)
BOUNDED(removexattr, (fuse_req_t req, fuse_ino_t ino, const char *name), ino,
	name)

const struct fuse_lowlevel_ops camfs_ops = {
	.init = op_init,
	.lookup = bounded_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = bounded_getattr,
#if HAVE_STATX
	.statx = bounded_statx,
#endif
	.setattr = bounded_setattr,
	.readlink = bounded_readlink,
	.mknod = bounded_mknod,
	.mkdir = bounded_mkdir,
	.unlink = bounded_unlink,
	.rmdir = bounded_rmdir,
	.symlink = bounded_symlink,
	.rename = bounded_rename,
	.link = bounded_link,
	.open = bounded_open,
	.create = bounded_create,
#if HAVE_TMPFILE
	.tmpfile = bounded_tmpfile,
#endif
	.read = op_read,
	.write_buf = op_write_buf,
	.flush = op_flush,
	.poll = op_poll,
	.release = op_release,
	.fsync = op_fsync,
	.fallocate = op_fallocate,
	.lseek = op_lseek,
	.copy_file_range = op_copy_file_range,
	.opendir = bounded_opendir,
	.readdir = bounded_readdir,
	.readdirplus = bounded_readdirplus,
	.releasedir = op_releasedir,
	.fsyncdir = op_fsyncdir,
	.statfs = bounded_statfs,
	.getxattr = bounded_getxattr,
	.setxattr = bounded_setxattr,
	.listxattr = bounded_listxattr,
	.removexattr = bounded_removexattr,
};
