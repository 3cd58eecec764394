/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/cleanup.h"

int beneath_open(int folder, const char *path, int flags, uint64_t resolve)
{
	struct open_how how = {
		.flags = (uint64_t)flags | O_CLOEXEC | O_NOFOLLOW,
		.resolve = resolve | RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
			   RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, folder, *path ? path : ".", &how,
			      sizeof(how));

	return fd < 0 ? -errno : fd;
}

int beneath_open_parent(int folder, const char *path, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *parent =
		slash ? strndup(path, (size_t)(slash - path)) : strdup("");

	if (!parent)
		return -ENOMEM;
	*ret_name = slash ? slash + 1 : path;
	return beneath_open(folder, parent, O_PATH | O_DIRECTORY, 0);
}
