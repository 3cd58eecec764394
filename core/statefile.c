/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/statefile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "core/cleanup.h"

#define NEW_FILE_MODE 0644
#define ACL_XATTR "system.posix_acl_access"
#define ACL_SIZE_MAX 65536

static int read_all(int fd, size_t size, struct buffer *ret_text)
{
	_cleanup_buffer_ struct buffer text = {};

	if (buffer_reserve(&text, size) < 0)
		return -ENOMEM;
	while (text.len < size) {
		ssize_t n = read(fd, text.data + text.len, size - text.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EAGAIN; /* shorter than its size: it lags */
		text.len += (size_t)n;
	}
	text.data[text.len] = '\0';
	*ret_text = text;
	text = (struct buffer){};
	return 0;
}

int statefile_read(int dirfd, const char *name, struct buffer *ret_text,
		   struct stat *ret_st)
{
	_cleanup_close_ int fd = openat(
		dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0)
		return errno == ELOOP || errno == ENXIO ? -EBADMSG : -errno;
	if (fstat(fd, ret_st) < 0)
		return -errno;
	if (!S_ISREG(ret_st->st_mode) ||
	    (uint64_t)ret_st->st_size > STATEFILE_SIZE_MAX)
		return -EBADMSG;
	return read_all(fd, (size_t)ret_st->st_size, ret_text);
}

/* Owner, mode and ACL of `like`, or of a fresh file if there is none. */
static int copy_attributes(int fd, int dirfd, const char *like)
{
	_cleanup_close_ int from = openat(
		dirfd, like, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	_cleanup_free_ char *acl = NULL;
	struct stat st;
	ssize_t len;

	if (from < 0)
		return errno == ENOENT || errno == ELOOP || errno == ENXIO
			       ? 0
			       : -errno;
	if (fstat(from, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return 0;
	/* Not being root, we may be unable to; then we own it, as we would
	 * own any file we replaced. */
	if (fchown(fd, st.st_uid, st.st_gid) < 0 && errno != EPERM)
		return -errno;
	if (fchmod(fd, st.st_mode & 07777) < 0)
		return -errno;
	acl = malloc(ACL_SIZE_MAX);
	len = acl ? fgetxattr(from, ACL_XATTR, acl, ACL_SIZE_MAX) : 0;
	if (len > 0 && fsetxattr(fd, ACL_XATTR, acl, (size_t)len, 0) < 0)
		return -errno;
	if (len < 0) /* nor one that the folder gives to new files */
		fremovexattr(fd, ACL_XATTR);
	return 0;
}

int statefile_create(int dirfd, const char *name, const char *like, int *ret_fd)
{
	_cleanup_close_ int fd = -1;
	int r;

	/* if it can't be removed, that is what is wrong, not that it exists */
	if (unlinkat(dirfd, name, 0) < 0 && errno != ENOENT)
		return -errno;
	fd = openat(dirfd, name,
		    O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
		    NEW_FILE_MODE);
	if (fd < 0)
		return -errno;
	r = copy_attributes(fd, dirfd, like);
	if (r < 0) {
		unlinkat(dirfd, name, 0);
		return r;
	}
	*ret_fd = take_fd(fd);
	return 0;
}
