/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "fs/gate.h"

bool file_flags_write(int flags)
{
	return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC);
}

/* Under the inode's stripe: the first handle decides whether the kernel serves
 * this inode; all others do as it did. */
static void choose_backing(fuse_req_t req, struct open_file *file,
			   struct fuse_file_info *fi)
{
#if HAVE_PASSTHROUGH
	struct inode *inode = file->inode;

	if (camfs_of(req)->passthrough && !inode->plain_users) {
		if (!inode->backing_users)
			inode->backing_id =
				fuse_passthrough_open(req, file->fd);
		file->passthrough = inode->backing_id > 0;
	}
	if (file->passthrough) {
		inode->backing_users++;
		fi->backing_id = inode->backing_id;
		return;
	}
#endif
	file->inode->plain_users++;
}

static void leave_backing(fuse_req_t req, struct open_file *file)
{
#if HAVE_PASSTHROUGH
	struct inode *inode = file->inode;

	if (file->passthrough) {
		if (--inode->backing_users == 0) {
			fuse_passthrough_close(req, inode->backing_id);
			inode->backing_id = 0;
		}
		return;
	}
#endif
	file->inode->plain_users--;
}

int file_open(fuse_req_t req, struct inode *inode, int fd,
	      struct checkout *checkout, bool emptied,
	      struct fuse_file_info *fi)
{
	struct camfs *fs = camfs_of(req);
	struct open_file *file = calloc(1, sizeof(*file));

	if (!file)
		return -ENOMEM;
	file->inode = inode;
	file->fd = fd;
	file->checkout = checkout;
	file->emptied = emptied;
	if (checkout && fstat(fd, &file->start) < 0) {
		int r = -errno;

		free(file);
		return r;
	}
	LOCK_SCOPE(inode_stripe(&fs->inodes, inode));
	choose_backing(req, file, fi);
	file->next = inode->files;
	inode->files = file;
	fi->fh = (uintptr_t)file;
	/* Only a writer's flush says anything to us. */
	fi->noflush = !checkout;
	fi->keep_cache = 0;
	return 0;
}

/* What the kernel wrote by itself, we only see in the file's times. */
static bool has_changed(int fd, const struct stat *start)
{
	struct stat now;

	return fstat(fd, &now) == 0 &&
	       (now.st_size != start->st_size ||
		now.st_mtim.tv_sec != start->st_mtim.tv_sec ||
		now.st_mtim.tv_nsec != start->st_mtim.tv_nsec);
}

/* The oldest handle that can write, copied out from under the mutexes. */
struct look {
	struct camfs *fs;
	bool emptied;
	int fd;
	struct stat start;
};

static void look_at_inode(void *arg, struct inode *inode)
{
	struct look *look = arg;
	struct open_file *oldest = NULL;

	LOCK_SCOPE(inode_stripe(&look->fs->inodes, inode));
	for (struct open_file *f = inode->files; f; f = f->next) {
		if (!f->checkout)
			continue;
		look->emptied |= f->emptied;
		oldest = f;
	}
	if (oldest) {
		look->fd = fcntl(oldest->fd, F_DUPFD_CLOEXEC, 3);
		look->start = oldest->start;
	}
}

bool file_is_untouched(struct camfs *fs, const char *path)
{
	struct look look = {.fs = fs, .fd = -1};
	bool changed;

	inodes_with_path(&fs->inodes, path, look_at_inode, &look);
	if (look.fd < 0)
		return false;
	changed = look.emptied || has_changed(look.fd, &look.start);
	close(look.fd);
	return !changed;
}

int file_open_inode(struct camfs *fs, struct inode *inode)
{
	int fd = inodes_open(&fs->inodes, inode);

	if (fd != -ESTALE || !S_ISREG(inode->type))
		return fd;
	LOCK_SCOPE(inode_stripe(&fs->inodes, inode));
	if (!inode->files)
		return -ESTALE;
	fd = fcntl(inode->files->fd, F_DUPFD_CLOEXEC, 3);
	return fd < 0 ? -errno : fd;
}

static void unlink_file(fuse_req_t req, struct open_file *file)
{
	struct open_file **p = &file->inode->files;

	LOCK_SCOPE(inode_stripe(&camfs_of(req)->inodes, file->inode));
	leave_backing(req, file);
	while (*p != file)
		p = &(*p)->next;
	*p = file->next;
}

void file_release(fuse_req_t req, struct open_file *file)
{
	bool written = file->checkout &&
		       (file->emptied || has_changed(file->fd, &file->start));

	unlink_file(req, file);
	close(file->fd);
	if (file->checkout)
		gate_give_back(camfs_of(req), file->checkout, file->flushed,
			       written);
	free(file);
}
