/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reading folders.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "fs/creds.h"
#include "fs/ctldir.h"
#include "fs/hint.h"
#include "fs/ops.h"
#include "fs/page.h"

/* Where a reader is behind our own entries, the last ones of the root. The
 * share's own offsets are what its file system likes, but none uses these:
 * ext4 and btrfs have INT64_MAX for the end. */
#define OFFSET_END (INT64_MAX - 1)
#define OFFSET_CTL (INT64_MAX - 2)

struct open_dir {
	struct inode *inode;
	uid_t uid; /* who opened it */
	DIR *dir;
	off_t offset;	     /* behind the last entry handed out */
	struct dirent *next; /* read, but there was no room for it */
};

static struct open_dir *dir_of(const struct fuse_file_info *fi)
{
	return (struct open_dir *)(uintptr_t)fi->fh;
}

/* Not as ".": to read a folder takes no right to search it. */
static int open_as_caller(fuse_req_t req, int fd)
{
	char path[PROC_PATH_SIZE];
	int r;

	share_proc_path(fd, path);
	CREDS_SCOPE(req);
	r = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return r < 0 ? -errno : r;
}

static int open_dir(fuse_req_t req, struct inode *inode,
		    struct open_dir **ret_dir)
{
	_cleanup_close_ int path_fd =
		inodes_open(&camfs_of(req)->inodes, inode);
	_cleanup_close_ int fd = -1;
	struct open_dir *d;

	if (path_fd < 0)
		return path_fd;
	fd = open_as_caller(req, path_fd);
	if (fd < 0)
		return fd;
	d = calloc(1, sizeof(*d));
	if (!d || !(d->dir = fdopendir(fd))) {
		free(d);
		return -ENOMEM;
	}
	take_fd(fd);
	d->inode = inode;
	*ret_dir = d;
	return 0;
}

static void close_dir(struct camfs *fs, struct open_dir *d)
{
	closedir(d->dir);
	quota_give(&fs->quota, QUOTA_HANDLES, d->uid);
	free(d);
}

void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct camfs *fs = camfs_of(req);
	struct quota *quota = &fs->quota;
	struct inode *inode;
	struct open_dir *d;
	uid_t uid;
	int r;

	if (ctldir_owns(ino)) {
		ctldir_opendir(req, ino, fi);
		return;
	}
	inode = ops_inode(req, ino);
	if (!inode)
		return;
	uid = fuse_req_ctx(req)->uid;
	if (!quota_take(quota, QUOTA_HANDLES, uid)) {
		fuse_reply_err(req, EMFILE);
		return;
	}
	r = open_dir(req, inode, &d);
	if (r < 0) {
		quota_give(quota, QUOTA_HANDLES, uid);
		fuse_reply_err(req, -r);
		return;
	}
	d->uid = uid;
	fi->fh = (uintptr_t)d;
	/* The kernel's copy of a folder is good for as long as the folder's
	 * times, which it asks for like any others. */
	fi->cache_readdir = fi->keep_cache = fs->options->cache_seconds > 0;
	if (fuse_reply_open(req, fi) < 0)
		close_dir(fs, d);
}

static void go_to(struct open_dir *d, off_t offset)
{
	if (offset == d->offset)
		return;
	if (offset != OFFSET_CTL)
		seekdir(d->dir, offset);
	d->offset = offset;
	d->next = NULL;
}

static bool is_visible(struct camfs *fs, const struct inode *dir,
		       const struct dirent *e)
{
	return ops_check_name(fs, dir, e->d_name, false) == 0 &&
	       !(e->d_type == DT_DIR &&
		 share_is_state(&fs->share, dir->dev, e->d_ino));
}

/* The next entry of the share that may be seen; NULL at the end (errno 0) or
 * on an error. */
static struct dirent *next_entry(struct camfs *fs, struct open_dir *d)
{
	for (;;) {
		struct dirent *e = d->next;

		errno = 0;
		if (!e)
			e = readdir(d->dir);
		d->next = e;
		if (!e || is_visible(fs, d->inode, e))
			return e;
		d->next = NULL;
	}
}

static bool is_dot(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

/* What readdirplus says of an entry beyond its number and type. */
static void fill_plus(fuse_req_t req, struct open_dir *d,
		      const struct dirent *e, struct fuse_entry_param *entry)
{
	struct camfs *fs = camfs_of(req);
	struct found found;

	entry->attr.st_ino = e->d_ino;
	entry->attr.st_mode = (mode_t)e->d_type << 12;
	if (is_dot(e->d_name))
		return;
	/* gone in the meantime, or out of reach: then without */
	if (inodes_look(&fs->inodes, dirfd(d->dir), e->d_name, &found) == 0 &&
	    ops_fill_entry(fs, d->inode, e->d_name, &found, entry) == 0)
		hint_entry(req, entry);
}

/* Adds one entry. Returns its size, or 0 if there is no room. */
static size_t add_entry(fuse_req_t req, struct open_dir *d,
			const struct dirent *e, char *at, size_t room,
			bool plus)
{
	struct fuse_entry_param entry = {};
	struct stat st = { .st_ino = e->d_ino,
			   .st_mode = (mode_t)e->d_type << 12 };
	size_t size;

	if (!plus) {
		size = fuse_add_direntry(req, at, room, e->d_name, &st,
					 e->d_off);
		return size <= room ? size : 0;
	}
	fill_plus(req, d, e, &entry);
	size = fuse_add_direntry_plus(req, at, room, e->d_name, &entry,
				      e->d_off);
	if (size <= room)
		return size;
	if (entry.ino)
		inodes_forget(&camfs_of(req)->inodes, entry.ino, 1);
	return 0;
}

/* One of our own, behind the entries of the root. It is not looked up here: it
 * is never cached. */
static size_t add_own(fuse_req_t req, off_t behind, char *at, size_t room,
		      bool plus)
{
	bool is_page = behind == OFFSET_END;
	const char *name = is_page ? PAGE_NAME : CTL_NAME;
	struct fuse_entry_param entry = {
		.attr.st_mode = is_page ? S_IFREG : S_IFDIR,
		.attr.st_ino = CTLDIR_BIT,
	};
	size_t size = plus ? fuse_add_direntry_plus(req, at, room, name, &entry,
						    behind)
			   : fuse_add_direntry(req, at, room, name, &entry.attr,
					       behind);

	return size <= room ? size : 0;
}

/* `.locks`, then the page. Returns the size of what there was room for. */
static size_t fill_own(fuse_req_t req, struct open_dir *d, char *buf,
		       size_t size, bool plus)
{
	size_t used = 0, n;

	while (d->offset != OFFSET_END) {
		off_t behind = d->offset == OFFSET_CTL ? OFFSET_END
						       : OFFSET_CTL;

		n = add_own(req, behind, buf + used, size - used, plus);
		if (n == 0)
			break;
		used += n;
		d->offset = behind;
	}
	return used;
}

/* Fills the buffer. Returns how much is in it, or -errno. */
static ssize_t fill(fuse_req_t req, struct open_dir *d, char *buf, size_t size,
		    bool plus)
{
	struct camfs *fs = camfs_of(req);
	size_t used = 0, n;
	struct dirent *e;

	if (d->offset == OFFSET_CTL)
		return (ssize_t)fill_own(req, d, buf, size, plus);
	while ((e = next_entry(fs, d))) {
		n = add_entry(req, d, e, buf + used, size - used, plus);
		if (n == 0)
			return (ssize_t)used;
		used += n;
		d->offset = e->d_off;
		d->next = NULL;
	}
	if (errno != 0)
		return used ? (ssize_t)used : -errno;
	if (d->inode == &fs->inodes.root)
		used += fill_own(req, d, buf + used, size - used, plus);
	return (ssize_t)used;
}

static void read_dir(fuse_req_t req, struct open_dir *d, size_t size,
		     off_t offset, bool plus)
{
	_cleanup_free_ char *buf = NULL;
	ssize_t n;

	if (offset == OFFSET_END) {
		fuse_reply_buf(req, NULL, 0);
		return;
	}
	buf = malloc(size);
	if (!buf) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	go_to(d, offset);
	n = fill(req, d, buf, size, plus);
	if (n < 0)
		fuse_reply_err(req, (int)-n);
	else
		fuse_reply_buf(req, buf, (size_t)n);
}

void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		struct fuse_file_info *fi)
{
	if (ctldir_owns(ino))
		ctldir_readdir(req, size, offset, fi);
	else
		read_dir(req, dir_of(fi), size, offset, false);
}

void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		    struct fuse_file_info *fi)
{
	if (ctldir_owns(ino))
		ctldir_readdirplus(req, size, offset, fi);
	else
		read_dir(req, dir_of(fi), size, offset, true);
}

void op_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	if (ctldir_owns(ino))
		ctldir_releasedir(req, fi);
	else
		close_dir(camfs_of(req), dir_of(fi));
	fuse_reply_err(req, 0);
}

void op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync,
		 struct fuse_file_info *fi)
{
	int fd, r;

	if (ctldir_owns(ino)) {
		fuse_reply_err(req, 0);
		return;
	}
	fd = dirfd(dir_of(fi)->dir);
	r = datasync ? fdatasync(fd) : fsync(fd);
	fuse_reply_err(req, r < 0 ? errno : 0);
}
