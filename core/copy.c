/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/copy.h"

#include <errno.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "core/cleanup.h"

#define COPY_SIZE (1 << 30) /* at a time */
#define BUFFER_SIZE (128 << 10)
#define ACL_NAME "system.posix_acl_access"
#define ACL_SIZE 4096
#define PROC_PATH_SIZE 32

static int copy_by_hand(int from, int to)
{
	_cleanup_free_ char *buf = malloc(BUFFER_SIZE);
	off_t at = 0;

	if (!buf)
		return -ENOMEM;
	for (;;) {
		ssize_t n = pread(from, buf, BUFFER_SIZE, at);

		if (n <= 0)
			return n < 0 ? -errno : 0;
		for (ssize_t done = 0; done < n;) {
			ssize_t m = pwrite(to, buf + done, (size_t)(n - done),
					   at + done);

			if (m < 0)
				return -errno;
			done += m;
		}
		at += n;
	}
}

int copy_clone(int from, int to)
{
	return ioctl(to, FICLONE, from) < 0 ? -errno : 0;
}

int copy_content(int from, int to)
{
	ssize_t n;

	if (copy_clone(from, to) == 0)
		return 0;
	do
		n = copy_file_range(from, NULL, to, NULL, COPY_SIZE, 0);
	while (n > 0);
	return n == 0 ? 0 : copy_by_hand(from, to);
}

/* One that can't be copied is left out: the file system may not have them. */
static void copy_xattr(int from, int to, const char *name)
{
	ssize_t size = fgetxattr(from, name, NULL, 0);
	_cleanup_free_ char *value = size < 0 ? NULL : malloc((size_t)size + 1);

	if (!value)
		return;
	size = fgetxattr(from, name, value, (size_t)size);
	if (size >= 0)
		fsetxattr(to, name, value, (size_t)size, 0);
}

/* ACLs are among them. */
static void copy_xattrs(int from, int to)
{
	ssize_t size = flistxattr(from, NULL, 0);
	_cleanup_free_ char *names = size <= 0 ? NULL : malloc((size_t)size);

	if (!names)
		return;
	size = flistxattr(from, names, (size_t)size);
	for (const char *name = names; name < names + size;
	     name += strlen(name) + 1)
		copy_xattr(from, to, name);
}

/* The mode last: a change of owner takes set-user-ID bits away. */
int copy_attributes(int from, int to)
{
	struct timespec times[2];
	struct stat st;

	if (fstat(from, &st) < 0)
		return -errno;
	if (fchown(to, st.st_uid, st.st_gid) < 0 && errno != EPERM)
		return -errno;
	copy_xattrs(from, to);
	if (fchmod(to, st.st_mode & 07777) < 0)
		return -errno;
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	futimens(to, times);
	return 0;
}

static ssize_t read_acl(const char *path, char acl[ACL_SIZE])
{
	return getxattr(path, ACL_NAME, acl, ACL_SIZE);
}

void copy_acl(int from, int to)
{
	char from_path[PROC_PATH_SIZE], to_path[PROC_PATH_SIZE];
	char acl[ACL_SIZE], old[ACL_SIZE];
	ssize_t n, n_old;

	snprintf(from_path, sizeof(from_path), "/proc/self/fd/%d", from);
	snprintf(to_path, sizeof(to_path), "/proc/self/fd/%d", to);
	n = read_acl(from_path, acl);
	n_old = read_acl(to_path, old);
	if (n < 0 && n_old >= 0)
		removexattr(to_path, ACL_NAME);
	else if (n >= 0 && (n != n_old || memcmp(acl, old, (size_t)n) != 0))
		setxattr(to_path, ACL_NAME, acl, (size_t)n, 0);
}
