/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Files: opening, which is the checkout, and what is done with the handle.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "fs/behind.h"
#include "fs/creds.h"
#include "fs/ctldir.h"
#include "fs/file.h"
#include "fs/gate.h"
#include "fs/hint.h"
#include "fs/ops.h"
#include "fs/undo.h"

#define FMODE_EXEC 0x20 /* include/linux/fs.h: opened by execve(2) */

/* What of the caller's flags is for the file below. The kernel has dealt with
 * the rest; O_DIRECT would demand an alignment of buffers that only he knows,
 * and O_NONBLOCK an answer while fs/mapped.h has its lease for a moment. */
static int backing_flags(int flags)
{
	return (flags & ~(O_CREAT | O_EXCL | O_NOCTTY | O_NOFOLLOW | O_DIRECT |
			  O_NONBLOCK)) |
	       O_CLOEXEC;
}

static int open_now(const char *path, int flags)
{
	int r = open(path, backing_flags(flags));

	return r < 0 ? -errno : r;
}

/* To ask for the caller's groups takes longer than all the rest. An owner's
 * don't matter, unless emptying the file is to clear its set-group-ID bit. */
static int open_as_caller(fuse_req_t req, const char *path,
			  const struct stat *st, int flags)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);

	if (ctx->uid && ctx->uid == st->st_uid && !(st->st_mode & S_ISGID)) {
		CREDS_USER_GROUPS_SCOPE(ctx->uid, ctx->gid, 0, NULL);
		return open_now(path, flags);
	}
	CREDS_SCOPE(req);
	return open_now(path, flags);
}

/* A program may be executed by who may not read it: the kernel reads it for
 * him. No caller of open(2) can set the flag himself. */
static bool may_execute(fuse_req_t req, int fd, int flags)
{
	if (!(flags & FMODE_EXEC))
		return false;
	CREDS_SCOPE(req);
	return faccessat(fd, "", X_OK, AT_EACCESS | AT_EMPTY_PATH) == 0;
}

/* Opens an O_PATH descriptor's file as the caller. Only what the kernel takes
 * for a regular file comes here: if the name was given to something else while
 * it was looked up, that is not opened. A FIFO would never let us go. */
static int reopen(fuse_req_t req, int fd, int flags)
{
	char path[PROC_PATH_SIZE];
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ESTALE;
	share_proc_path(fd, path);
	r = open_as_caller(req, path, &st, flags);
	if (r == -EACCES && may_execute(req, fd, flags))
		r = open_now(path, flags);
	return r;
}

/* Whether it is another's own now, and another file in its place, which the
 * kernel does not know yet: fs/fence.h. */
static bool was_set_aside(fuse_req_t req, struct inode *inode, int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_nlink > 0 &&
	       inodes_stat_name(&camfs_of(req)->inodes, inode, &st) < 0;
}

/* Another mount may have written it, and a share whose times are in seconds
 * does not always notice: what this host remembers of it is forgotten. */
static void read_anew(const struct camfs *fs, const struct inode *inode, int fd)
{
	if (fs->share.is_fuse)
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	/* attributes only: that takes no lock a request could hold. On a disk
	 * of this machine the kernel, reading by itself, asks for none */
	if (fs->share.is_network || !fs->options->passthrough)
		fuse_lowlevel_notify_inval_inode(fs->session, inode->id, -1, 0);
}

/* The kernel believes names for a while; but what was saved by a rename on
 * another host is what the next reader reads, unless names are believed for
 * long. It looks again, but nfsd doesn't: who has a file open there may read
 * on. */
static int check_name(fuse_req_t req, struct inode *inode)
{
	struct camfs *fs = camfs_of(req);

	return fs->options->cache_seconds <= BEHIND_FROM &&
			       inodes_tell_moved(&fs->inodes, inode,
						 fuse_req_ctx(req)->pid) &&
			       !caller_is(req, "nfsd")
		       ? -ESTALE
		       : 0;
}

/* Opens the file below and makes the handle. Takes the grant on success. */
static int open_file(fuse_req_t req, struct inode *inode, struct grant *grant,
		     struct fuse_file_info *fi)
{
	_cleanup_close_ int path_fd =
		inodes_open(&camfs_of(req)->inodes, inode);
	_cleanup_close_ int fd = -1;
	int r;

	if (path_fd < 0)
		return path_fd;
	fd = reopen(req, path_fd, fi->flags);
	if (fd == -EACCES && was_set_aside(req, inode, path_fd))
		return -ESTALE;
	if (fd < 0)
		return fd;
	read_anew(camfs_of(req), inode, fd);
	r = file_open(req, inode, fd, grant, fi->flags & O_TRUNC, fi);
	if (r < 0)
		return r;
	take_fd(fd);
	if (file_is_current(camfs_of(req), file_of(fi)))
		return 0;
	file_release(req, file_of(fi));
	return -ESTALE;
}

/* Told -ESTALE, the kernel looks again for who opened it by its name. smbd has
 * done so with O_PATH, and now opens what that got, by /proc/self/fd: it looks
 * again itself when it is told -EAGAIN. */
static int error_of_open(fuse_req_t req, int r)
{
	return r == -ESTALE && caller_is_smbd(req) ? -EAGAIN : r;
}

void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct camfs *fs = camfs_of(req);
	struct grant grant = {};
	struct inode *inode;
	int r;

	if (ctldir_owns(ino)) {
		ctldir_open_file(req, ino, fi);
		return;
	}
	inode = ops_inode(req, ino);
	if (!inode)
		return;
	r = file_check_room(req);
	if (r == 0 && !file_flags_write(fi->flags))
		r = check_name(req, inode);
	if (r == 0 && file_flags_write(fi->flags)) {
		struct caller who;

		caller_get(req, "opened for writing", &who);
		r = gate_open(&who, inode, fi->flags, &grant);
		if (r == 0)
			undo_before_write(&who, inode, &grant);
	}
	if (r == 0)
		r = open_file(req, inode, &grant, fi);
	if (r == 0 && !file_flags_write(fi->flags))
		stale_save_read(req, inode, file_of(fi)->use.fd);
	gate_close(fs, &grant, false, false); /* if it is left */
	if (r < 0)
		fuse_reply_err(req, -error_of_open(req, r));
	else if (fuse_reply_open(req, fi) < 0)
		file_lose(fs, file_of(fi));
}

/* The kernel found nothing under that name. If there is something by now, it
 * looks again: it might be anything, even a FIFO, where we would hang. */
static int create_as_caller(fuse_req_t req, int dirfd, const char *name,
			    int flags, mode_t mode)
{
	int fd;

	CREDS_SCOPE(req);
	fd = openat(dirfd, name,
		    backing_flags(flags) | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
	if (fd < 0 && errno == EEXIST && !(flags & O_EXCL))
		return -ESTALE;
	return fd < 0 ? -errno : fd;
}

/* Creates the file, its inode and its handle, which takes the grant if it can
 * write; if it can't, creating was a write of that moment. */
static int create_file(fuse_req_t req, struct inode *dir, const char *name,
		       mode_t mode, struct grant *grant,
		       struct fuse_file_info *fi,
		       struct fuse_entry_param *ret_entry)
{
	struct camfs *fs = camfs_of(req);
	_cleanup_close_ int dirfd = inodes_open(&fs->inodes, dir);
	_cleanup_close_ int fd = -1;
	struct grant none = {};
	struct found found;
	int r;

	if (dirfd < 0)
		return dirfd;
	fd = create_as_caller(req, dirfd, name, fi->flags, mode);
	r = fd < 0 ? fd : inodes_look_fd(&fs->inodes, fd, &found);
	if (r == 0)
		r = ops_fill_entry(fs, dir, name, &found, ret_entry);
	if (r < 0)
		return r;
	if (grant->checkout)
		checkouts_name_exists(fs->checkouts, grant->checkout);
	r = file_open(req, inodes_find(&fs->inodes, ret_entry->ino), fd,
		      file_flags_write(fi->flags) ? grant : &none, true, fi);
	if (r < 0)
		inodes_forget(&fs->inodes, ret_entry->ino, 1);
	else
		take_fd(fd);
	return r;
}

void op_create(fuse_req_t req, fuse_ino_t dir_ino, const char *name,
	       mode_t mode, struct fuse_file_info *fi)
{
	struct camfs *fs = camfs_of(req);
	struct fuse_entry_param entry;
	struct grant grant = {};
	struct caller who;
	struct inode *dir;
	int r;

	if (ctldir_owns(dir_ino)) {
		ctldir_create(req, dir_ino, name, fi);
		return;
	}
	dir = ops_inode(req, dir_ino);
	if (!dir)
		return;
	caller_get(req, "opened for writing", &who);
	r = ops_check_name(fs, dir, name, true);
	if (r == 0)
		r = file_check_room(req);
	if (r == 0)
		r = gate_create(&who, dir, name, &grant);
	if (r == 0)
		r = create_file(req, dir, name, mode, &grant, fi, &entry);
	if (grant.checkout && r == 0)
		grant.after = stale_save_version(fs, file_of(fi)->use.fd);
	gate_close(fs, &grant, false, r == 0); /* if it is left */
	if (r == 0)
		hint_entry(req, &entry);
	if (r < 0) {
		fuse_reply_err(req, -r);
	} else if (fuse_reply_create(req, &entry, fi) < 0) {
		file_lose(fs, file_of(fi));
		inodes_forget(&fs->inodes, entry.ino, 1);
	}
}

static int tmpfile_as_caller(fuse_req_t req, int dirfd, int flags, mode_t mode)
{
	int fd;

	CREDS_SCOPE(req);
	fd = openat(dirfd, ".", backing_flags(flags) | O_TMPFILE, mode);
	return fd < 0 ? -errno : fd;
}

static int make_tmpfile(fuse_req_t req, struct inode *dir, mode_t mode,
			struct grant *grant, struct fuse_file_info *fi,
			struct fuse_entry_param *ret_entry)
{
	struct camfs *fs = camfs_of(req);
	_cleanup_close_ int dirfd = inodes_open(&fs->inodes, dir);
	_cleanup_close_ int fd = -1;
	struct found found;
	int r;

	if (dirfd < 0)
		return dirfd;
	fd = tmpfile_as_caller(req, dirfd, fi->flags, mode);
	r = fd < 0 ? fd : inodes_look_fd(&fs->inodes, fd, &found);
	if (r == 0)
		r = ops_fill_entry(fs, dir, NULL, &found, ret_entry);
	if (r < 0)
		return r;
	r = file_open(req, inodes_find(&fs->inodes, ret_entry->ino), fd, grant,
		      true, fi);
	if (r < 0)
		inodes_forget(&fs->inodes, ret_entry->ino, 1);
	else
		take_fd(fd);
	return r;
}

/* Whoever links it to a name renames, as it were: op_link(). */
void op_tmpfile(fuse_req_t req, fuse_ino_t dir_ino, mode_t mode,
		struct fuse_file_info *fi)
{
	struct camfs *fs = camfs_of(req);
	struct fuse_entry_param entry;
	struct grant grant = {};
	struct caller who;
	struct inode *dir = ops_inode(req, dir_ino);
	int r;

	if (!dir)
		return;
	caller_get(req, "created", &who);
	r = file_check_room(req);
	if (r == 0)
		r = gate_tmpfile(&who, &grant);
	if (r == 0)
		r = make_tmpfile(req, dir, mode, &grant, fi, &entry);
	gate_close(fs, &grant, false, false); /* if it is left */
	if (r < 0) {
		fuse_reply_err(req, -r);
	} else if (fuse_reply_create(req, &entry, fi) < 0) {
		file_lose(fs, file_of(fi));
		inodes_forget(&fs->inodes, entry.ino, 1);
	}
}

void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
	     struct fuse_file_info *fi)
{
	struct fuse_bufvec buf = FUSE_BUFVEC_INIT(size);

	if (ctldir_owns(ino)) {
		ctldir_read(req, size, offset, fi);
		return;
	}
	buf.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
	buf.buf[0].fd = file_of(fi)->use.fd;
	buf.buf[0].pos = offset;
	fuse_reply_data(req, &buf, FUSE_BUF_SPLICE_MOVE);
}

void op_write_buf(fuse_req_t req, fuse_ino_t ino, struct fuse_bufvec *data,
		  off_t offset, struct fuse_file_info *fi)
{
	struct fuse_bufvec out = FUSE_BUFVEC_INIT(fuse_buf_size(data));
	ssize_t n;

	if (ctldir_owns(ino)) {
		ctldir_write(req, data, fi);
		return;
	}
	if (file_check_write(camfs_of(req), file_of(fi)) < 0) {
		fuse_reply_err(req, EIO);
		return;
	}
	/* After a flush: a dup() of the descriptor had been closed. */
	file_set_flushed(camfs_of(req), file_of(fi), false);
	out.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
	out.buf[0].fd = file_of(fi)->use.fd;
	out.buf[0].pos = offset;
	CREDS_WRITER_SCOPE(file_of(fi)->uid, !KILLS_PRIV(fi));
	n = fuse_buf_copy(&out, data, 0);
	if (n < 0)
		fuse_reply_err(req, (int)-n);
	else
		fuse_reply_write(req, (size_t)n);
}

void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct open_file *file;
	int fd, r = 0;

	if (ctldir_owns(ino)) {
		fuse_reply_err(req, 0);
		return;
	}
	file = file_of(fi);
	/* close() is where a network share reports late errors */
	fd = camfs_of(req)->share.is_network
		     ? fcntl(file->use.fd, F_DUPFD_CLOEXEC, 3)
		     : -1;
	if (fd >= 0 && close(fd) < 0)
		r = errno;
	file_set_flushed(camfs_of(req), file, true);
	fuse_reply_err(req, r);
}

void op_poll(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi,
	     struct fuse_pollhandle *ph)
{
	if (ctldir_owns(ino)) {
		ctldir_poll(req, fi, ph);
		return;
	}
	if (ph)
		fuse_pollhandle_destroy(ph);
	fuse_reply_poll(req, POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM);
}

void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct camfs *fs = camfs_of(req);
	struct open_file *file;

	if (ctldir_owns(ino)) {
		ctldir_release(req, fi);
		fuse_reply_err(req, 0);
		return;
	}
	file = file_of(fi);
	file_unlink(req, file);
	fuse_reply_err(req, 0);
	file_close(fs, file);
}

void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync,
	      struct fuse_file_info *fi)
{
	int fd, r;

	if (ctldir_owns(ino)) {
		fuse_reply_err(req, 0);
		return;
	}
	fd = file_of(fi)->use.fd;
	r = datasync ? fdatasync(fd) : fsync(fd);
	fuse_reply_err(req, r < 0 ? errno : 0);
}

void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset,
		  off_t length, struct fuse_file_info *fi)
{
	int r;

	if (file_check_write(camfs_of(req), file_of(fi)) < 0) {
		fuse_reply_err(req, EIO);
		return;
	}
	CREDS_WRITER_SCOPE(file_of(fi)->uid, fuse_req_ctx(req)->uid == 0);
	r = fallocate(file_of(fi)->use.fd, mode, offset, length);
	fuse_reply_err(req, r < 0 ? errno : 0);
}

void op_lseek(fuse_req_t req, fuse_ino_t ino, off_t offset, int whence,
	      struct fuse_file_info *fi)
{
	off_t r;

	if (ctldir_owns(ino)) {
		fuse_reply_err(req, EINVAL);
		return;
	}
	r = lseek(file_of(fi)->use.fd, offset, whence);
	if (r < 0)
		fuse_reply_err(req, errno);
	else
		fuse_reply_lseek(req, r);
}

void op_copy_file_range(fuse_req_t req, fuse_ino_t ino, off_t offset,
			struct fuse_file_info *fi, fuse_ino_t to_ino,
			off_t to_offset, struct fuse_file_info *to_fi,
			size_t size, int flags)
{
	ssize_t n;

	if (ctldir_owns(ino) || ctldir_owns(to_ino)) {
		fuse_reply_err(req, EXDEV); /* then it is read and written */
		return;
	}
	if (file_check_write(camfs_of(req), file_of(to_fi)) < 0) {
		fuse_reply_err(req, EIO);
		return;
	}
	file_set_flushed(camfs_of(req), file_of(to_fi), false);
	CREDS_WRITER_SCOPE(file_of(to_fi)->uid, fuse_req_ctx(req)->uid == 0);
	n = copy_file_range(file_of(fi)->use.fd, &offset,
			    file_of(to_fi)->use.fd, &to_offset, size,
			    (unsigned)flags);
	if (n < 0)
		fuse_reply_err(req, errno);
	else
		fuse_reply_write(req, (size_t)n);
}
