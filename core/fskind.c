/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/fskind.h"

#include <linux/magic.h>
#include <stddef.h>
#include <sys/statfs.h>

#define ZFS_MAGIC 0x2fc12fc1 /* OpenZFS, not in the kernel's headers */

static const unsigned long local[] = {
	EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC,	  TMPFS_MAGIC,
	F2FS_SUPER_MAGIC, ZFS_MAGIC,	   OVERLAYFS_SUPER_MAGIC,
};

static const unsigned long one_space[] = {
	NFS_SUPER_MAGIC,
	SMB_SUPER_MAGIC,
	SMB2_SUPER_MAGIC,
	CIFS_SUPER_MAGIC,
};

static const unsigned long fuse[] = { FUSE_SUPER_MAGIC };

#define IS_IN(fd, list) is_in(fd, list, sizeof(list) / sizeof(*(list)))

static bool is_in(int fd, const unsigned long *list, size_t n)
{
	struct statfs s;

	if (fstatfs(fd, &s) < 0)
		return false;
	for (size_t i = 0; i < n; i++)
		if (((unsigned long)s.f_type & 0xffffffff) == list[i])
			return true;
	return false;
}

bool fskind_is_local(int fd)
{
	return IS_IN(fd, local);
}

bool fskind_is_fuse(int fd)
{
	return IS_IN(fd, fuse);
}

bool fskind_locks_are_one(int fd)
{
	return IS_IN(fd, one_space);
}
