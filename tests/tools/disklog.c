/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * disklog IMAGE LOG MOUNTPOINT: a disk that remembers in which order it was
 * written, so that a test can build every state a power cut could leave.
 *
 * Mounts two files: `disk`, whose content is IMAGE and which is made for a loop
 * device, and `mark`, where the test writes what it has just seen. In the order
 * of their arrival, LOG gets a header for each
 *
 *	write	'W', with the bytes behind it
 *	flush	'F': all before it is on the disk
 *	mark	'M', with its text behind it
 *
 * which is `char kind; uint32_t len; uint64_t offset`, packed, in the machine's
 * byte order. One thread: what was answered stands in LOG before anything that
 * was asked for after the answer.
 */
#ifndef FUSE_USE_VERSION
#define FUSE_USE_VERSION 314
#endif

#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static int image_fd, log_fd;

struct header {
	char kind;
	uint32_t len;
	uint64_t offset;
} __attribute__((packed));

static int put(char kind, const char *data, size_t len, off_t offset)
{
	struct header header = { kind, (uint32_t)len, (uint64_t)offset };
	struct iovec parts[] = {
		{ &header, sizeof(header) },
		{ (void *)data, len },
	};
	ssize_t n = writev(log_fd, parts, 2);

	return n == (ssize_t)(sizeof(header) + len) ? 0 : -EIO;
}

static int disk_getattr(const char *path, struct stat *st,
			struct fuse_file_info *fi)
{
	if (strcmp(path, "/") == 0) {
		st->st_mode = S_IFDIR | 0700;
		st->st_nlink = 2;
	} else if (strcmp(path, "/disk") == 0) {
		if (fstat(image_fd, st) < 0)
			return -errno;
	} else if (strcmp(path, "/mark") == 0) {
		st->st_mode = S_IFREG | 0600;
		st->st_nlink = 1;
	} else {
		return -ENOENT;
	}
	return 0;
}

/* Nothing is cached: each write comes here at once, and as it is. */
static int disk_open(const char *path, struct fuse_file_info *fi)
{
	fi->direct_io = 1;
	return 0;
}

static int disk_read(const char *path, char *data, size_t len, off_t offset,
		     struct fuse_file_info *fi)
{
	ssize_t n = pread(image_fd, data, len, offset);

	return n < 0 ? -errno : (int)n;
}

static int disk_write(const char *path, const char *data, size_t len,
		      off_t offset, struct fuse_file_info *fi)
{
	bool is_mark = strcmp(path, "/mark") == 0;
	int r = put(is_mark ? 'M' : 'W', data, len, offset);

	if (r == 0 && !is_mark &&
	    pwrite(image_fd, data, len, offset) != (ssize_t)len)
		r = -EIO;
	return r < 0 ? r : (int)len;
}

static int disk_fsync(const char *path, int datasync, struct fuse_file_info *fi)
{
	return put('F', NULL, 0, 0);
}

static const struct fuse_operations operations = {
	.getattr = disk_getattr,
	.open = disk_open,
	.read = disk_read,
	.write = disk_write,
	.fsync = disk_fsync,
};

int main(int argc, char *argv[])
{
	char foreground[] = "-f", single[] = "-s";

	if (argc != 4) {
		fprintf(stderr, "usage: disklog IMAGE LOG MOUNTPOINT\n");
		return 2;
	}
	image_fd = open(argv[1], O_RDWR | O_CLOEXEC);
	log_fd = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (image_fd < 0 || log_fd < 0) {
		perror("disklog");
		return 1;
	}
	return fuse_main(4,
			 ((char *[]){ argv[0], foreground, single, argv[3] }),
			 &operations, NULL);
}
