/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Attributes, extended attributes, and the file system's own numbers.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "fs/creds.h"
#include "fs/ctldir.h"
#include "fs/file.h"
#include "fs/gate.h"
#include "fs/hint.h"
#include "fs/ops.h"
#include "fs/undo.h"

/* Through the handle if the kernel names one: the file may have no name any
 * more. Returns 0 or -errno: -ESTALE if it is another kind of file by now, for
 * which the kernel would give the inode up for good. */
static int read_attr(struct camfs *fs, struct inode *inode,
		     const struct fuse_file_info *fi, struct stat *ret_st)
{
	_cleanup_close_ int fd = -1;

	if (fi)
		return fstat(file_of(fi)->use.fd, ret_st) < 0 ? -errno : 0;
	fd = inodes_open(&fs->inodes, inode);
	if (fd < 0)
		return fd;
	if (fstat(fd, ret_st) < 0)
		return -errno;
	return (ret_st->st_mode & S_IFMT) == inode->type ? 0 : -ESTALE;
}

static void reply_attr(fuse_req_t req, struct inode *inode,
		       const struct fuse_file_info *fi)
{
	struct camfs *fs = camfs_of(req);
	struct stat st;
	int r = read_attr(fs, inode, fi, &st);

	if (r < 0)
		fuse_reply_err(req, -r);
	else
		fuse_reply_attr(req, &st,
				hint_apply(req, inode, &st,
					   ops_cache_seconds(fs, &st)));
}

void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct inode *inode;

	if (ctldir_owns(ino)) {
		ctldir_getattr(req, ino);
		return;
	}
	inode = ops_inode(req, ino);
	/* a folder's handle is no open_file */
	if (inode)
		reply_attr(req, inode, S_ISREG(inode->type) ? fi : NULL);
}

#if HAVE_STATX
/* Of `.locks`, and so without what struct stat does not have. */
static int statx_of_ctl(fuse_req_t req, fuse_ino_t ino, struct statx *ret_x)
{
	struct stat st;
	int r = ctldir_stat(req, ino, &st);

	if (r < 0)
		return r;
	*ret_x = (struct statx){
		.stx_mask = STATX_BASIC_STATS,
		.stx_blksize = (uint32_t)st.st_blksize,
		.stx_nlink = (uint32_t)st.st_nlink,
		.stx_uid = st.st_uid,
		.stx_gid = st.st_gid,
		.stx_mode = (uint16_t)st.st_mode,
		.stx_ino = st.st_ino,
		.stx_size = (uint64_t)st.st_size,
		.stx_blocks = (uint64_t)st.st_blocks,
		.stx_atime = { .tv_sec = st.st_atim.tv_sec },
		.stx_mtime = { .tv_sec = st.st_mtim.tv_sec },
		.stx_ctime = { .tv_sec = st.st_ctim.tv_sec },
	};
	return 0;
}

static int statx_of_inode(fuse_req_t req, struct inode *inode, int mask,
			  const struct fuse_file_info *fi, struct statx *ret_x)
{
	_cleanup_close_ int fd = -1;
	int known = fi ? file_of(fi)->use.fd : -1;

	if (!fi)
		known = fd = inodes_open(&camfs_of(req)->inodes, inode);
	if (known < 0)
		return known;
	if (statx(known, "", AT_EMPTY_PATH, (unsigned)mask | STATX_BASIC_STATS,
		  ret_x) < 0)
		return -errno;
	if ((ret_x->stx_mode & S_IFMT) != inode->type)
		return -ESTALE;
	hint_apply_x(req, inode, ret_x);
	return 0;
}

/* The kernel asks this way only for whoever wants to know when it was made. */
void op_statx(fuse_req_t req, fuse_ino_t ino, int flags, int mask,
	      struct fuse_file_info *fi)
{
	struct inode *inode;
	struct statx x;
	int r;

	if (ctldir_owns(ino)) {
		r = statx_of_ctl(req, ino, &x);
	} else {
		inode = ops_inode(req, ino);
		if (!inode)
			return;
		r = statx_of_inode(req, inode, mask,
				   S_ISREG(inode->type) ? fi : NULL, &x);
	}
	if (r < 0)
		fuse_reply_err(req, -r);
	else
		fuse_reply_statx(req, 0, &x, 0);
}
#endif

static int set_times(int fd, const struct stat *attr, int valid)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
				     { .tv_nsec = UTIME_OMIT } };

	if (valid & FUSE_SET_ATTR_ATIME_NOW)
		times[0].tv_nsec = UTIME_NOW;
	else if (valid & FUSE_SET_ATTR_ATIME)
		times[0] = attr->st_atim;
	if (valid & FUSE_SET_ATTR_MTIME_NOW)
		times[1].tv_nsec = UTIME_NOW;
	else if (valid & FUSE_SET_ATTR_MTIME)
		times[1] = attr->st_mtim;
	return utimensat(fd, "", times, AT_EMPTY_PATH);
}

static int set_size(const char *path, const struct fuse_file_info *fi,
		    off_t size)
{
	return fi ? ftruncate(file_of(fi)->use.fd, size) : truncate(path, size);
}

#define ANY_ATTR                                                      \
	(FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID | \
	 FUSE_SET_ATTR_SIZE | FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME)

/* A chown(2) to -1, or a write to a file with set-user-ID bits or capabilities
 * by anybody who may write it: they go. */
static int drop_privileges(int fd)
{
	return fchownat(fd, "", (uid_t)-1, (gid_t)-1, AT_EMPTY_PATH) < 0 &&
			       errno != EPERM
		       ? -errno
		       : 0;
}

/* Everything the request asks for, as the caller. */
static int change(fuse_req_t req, int fd, const struct stat *attr, int valid,
		  const struct fuse_file_info *fi)
{
	char path[PROC_PATH_SIZE];

	share_proc_path(fd, path);
	CREDS_SCOPE(req);
	if (!(valid & ANY_ATTR))
		return drop_privileges(fd);
	if ((valid & FUSE_SET_ATTR_MODE) && chmod(path, attr->st_mode) < 0)
		return -errno;
	if (valid & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID)) {
		uid_t uid = valid & FUSE_SET_ATTR_UID ? attr->st_uid
						      : (uid_t)-1;
		gid_t gid = valid & FUSE_SET_ATTR_GID ? attr->st_gid
						      : (gid_t)-1;

		if (fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0)
			return -errno;
	}
	if ((valid & FUSE_SET_ATTR_SIZE) &&
	    set_size(path, fi, attr->st_size) < 0)
		return -errno;
	if ((valid & (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME)) &&
	    set_times(fd, attr, valid) < 0)
		return -errno;
	return 0;
}

/* Truncating by path is a checkout for that moment; all else must only not be
 * another's. A handle that can write has it already. */
static int pass_gate(fuse_req_t req, struct inode *inode,
		     const struct stat *attr, int valid,
		     const struct fuse_file_info *fi, struct grant *ret_grant)
{
	bool has_it = fi && file_flags_write(file_of(fi)->flags);
	bool empties = (valid & FUSE_SET_ATTR_SIZE) && attr->st_size == 0;
	struct caller who;
	int r;

	if (has_it && !empties)
		return 0;
	caller_get(req, "changed", &who);
	if (has_it)
		return gate_empty(&who, inode, &file_of(fi)->grant);
	if (!(valid & FUSE_SET_ATTR_SIZE))
		return gate_check(&who, inode);
	r = gate_open(&who, inode, O_TRUNC, ret_grant);
	if (r == 0)
		undo_before_write(&who, inode, ret_grant);
	return r;
}

void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int valid,
		struct fuse_file_info *fi)
{
	struct camfs *fs = camfs_of(req);
	_cleanup_close_ int fd = -1;
	struct seen_version before;
	struct grant grant = {};
	struct inode *inode;
	int r;

	if (ctldir_owns(ino)) {
		ctldir_setattr(req, ino, valid);
		return;
	}
	inode = ops_inode(req, ino);
	if (!inode)
		return;
	if (!S_ISREG(inode->type))
		fi = NULL; /* a folder's handle is no open_file */
	r = fd = inodes_open(&fs->inodes, inode);
	if (r >= 0)
		r = pass_gate(req, inode, attr, valid, fi, &grant);
	before = stale_save_version(fs, fd);
	if (r == 0)
		r = change(req, fd, attr, valid, fi);
	if (r == 0 && (valid & FUSE_SET_ATTR_MTIME))
		stale_save_touched(fs, inode, fd, &before);
	if (grant.checkout && r == 0)
		grant.after = stale_save_version(fs, fd);
	gate_close(fs, &grant, false, r == 0);
	if (r < 0)
		fuse_reply_err(req, -r);
	else
		reply_attr(req, inode, fi);
}

void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct statvfs st;

	if (fstatvfs(camfs_of(req)->share.root_fd, &st) < 0)
		fuse_reply_err(req, errno);
	else
		fuse_reply_statfs(req, &st);
}

/* Opens the inode and makes the path by which its xattrs are reached. Returns
 * the descriptor, or -1 when the error has been replied. */
static int open_for_xattr(fuse_req_t req, fuse_ino_t ino,
			  char path[PROC_PATH_SIZE])
{
	struct inode *inode;
	int fd;

	if (ctldir_owns(ino)) {
		fuse_reply_err(req, ENOTSUP);
		return -1;
	}
	inode = ops_inode(req, ino);
	if (!inode)
		return -1;
	fd = inodes_open(&camfs_of(req)->inodes, inode);
	if (fd < 0) {
		fuse_reply_err(req, -fd);
		return -1;
	}
	share_proc_path(fd, path);
	return fd;
}

static ssize_t read_xattr(const char *path, const char *name, char *value,
			  size_t size)
{
	return name ? getxattr(path, name, value, size)
		    : listxattr(path, value, size);
}

/* "trusted." names are shown to root only, and it is us whom the share sees. */
static ssize_t drop_trusted(char *list, ssize_t len)
{
	static const char prefix[] = "trusted.";
	char *end = list + len, *to = list;

	for (char *name = list; name < end;) {
		size_t size = strlen(name) + 1;

		if (strncmp(name, prefix, strlen(prefix)) != 0) {
			memmove(to, name, size);
			to += size;
		}
		name += size;
	}
	return to - list;
}

/* The kernel asks for the ACL before it lets anybody but the owner in, and
 * fails the open with any other error than that there is none: also on a share
 * that knows no ACLs. */
static int xattr_error(const char *name, int error)
{
	static const char acl[] = "system.posix_acl_";

	return error == EOPNOTSUPP && name && !strncmp(name, acl, strlen(acl))
		       ? ENODATA
		       : error;
}

/* One value, or the list of names if `name` is NULL; size 0 asks how long. */
static void reply_xattr(fuse_req_t req, fuse_ino_t ino, const char *name,
			size_t size)
{
	char path[PROC_PATH_SIZE];
	_cleanup_close_ int fd = open_for_xattr(req, ino, path);
	_cleanup_free_ char *value = NULL;
	ssize_t n;

	if (fd < 0)
		return;
	value = size ? malloc(size) : NULL;
	if (size && !value) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	n = read_xattr(path, name, value, size);
	if (!name && value && n > 0 && fuse_req_ctx(req)->uid != 0)
		n = drop_trusted(value, n);
	if (n < 0)
		fuse_reply_err(req, xattr_error(name, errno));
	else if (!size)
		fuse_reply_xattr(req, (size_t)n);
	else
		fuse_reply_buf(req, value, (size_t)n);
}

/* In `.locks` there are none. */
void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	if (ctldir_owns(ino))
		fuse_reply_err(req, ENODATA);
	else
		reply_xattr(req, ino, name, size);
}

void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	if (!ctldir_owns(ino))
		reply_xattr(req, ino, NULL, size);
	else if (size)
		fuse_reply_buf(req, NULL, 0);
	else
		fuse_reply_xattr(req, 0);
}

/* `value` NULL: to be removed. */
static int change_xattr(fuse_req_t req, const char *path, const char *name,
			const char *value, size_t size, int flags)
{
	int r;

	CREDS_SCOPE(req);
	r = value ? setxattr(path, name, value, size, flags)
		  : removexattr(path, name);
	return r < 0 ? -errno : 0;
}

static void reply_change(fuse_req_t req, fuse_ino_t ino, const char *name,
			 const char *value, size_t size, int flags)
{
	char path[PROC_PATH_SIZE];
	_cleanup_close_ int fd = open_for_xattr(req, ino, path);
	struct caller who;
	int r;

	if (fd < 0)
		return;
	caller_get(req, "changed", &who);
	r = gate_check(&who, inodes_find(&camfs_of(req)->inodes, ino));
	if (r == 0)
		r = change_xattr(req, path, name, value, size, flags);
	fuse_reply_err(req, -r);
}

void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name,
		 const char *value, size_t size, int flags)
{
	reply_change(req, ino, name, value ? value : "", size, flags);
}

void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	reply_change(req, ino, name, NULL, 0, 0);
}
