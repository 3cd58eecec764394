/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/mountpoint.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mntent.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/deadmount.h"
#include "fs/log.h"

#define FS_TYPE "fuse.camlock"

extern char **environ;

/* Whether the uppermost mount on a path is one of ours. */
static bool is_camlock_mount(const char *path)
{
	FILE *mounts = setmntent("/proc/self/mounts", "r");
	bool ours = false;
	struct mntent *m;

	if (!mounts)
		return false;
	while ((m = getmntent(mounts)))
		if (!strcmp(m->mnt_dir, path))
			ours = !strcmp(m->mnt_type, FS_TYPE);
	endmntent(mounts);
	return ours;
}

static void run_fusermount(const char *mountpoint)
{
	const char *argv[] = { "fusermount3", "-u",	  "-z", "-q",
			       "--",	      mountpoint, NULL };
	pid_t pid;

	if (posix_spawnp(&pid, argv[0], NULL, NULL, (char *const *)argv,
			 environ) == 0)
		waitpid(pid, NULL, 0);
}

dev_t mountpoint_dev(const char *mountpoint)
{
	struct statx st;

	if (statx(AT_FDCWD, mountpoint, AT_STATX_DONT_SYNC, 0, &st) < 0)
		return 0;
	return makedev(st.stx_dev_major, st.stx_dev_minor);
}

void mountpoint_detach(const char *mountpoint)
{
	if (umount2(mountpoint, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
		run_fusermount(mountpoint);
}

/* Not stat(): the kernel answers it from its cache, for a dead mount as well. */
static int free_from_dead_mount(const char *path)
{
	struct statfs fs;

	if (statfs(path, &fs) == 0 || !deadmount_says(errno))
		return 0;
	if (!is_camlock_mount(path)) {
		log_error("cannot use '%s': another file system's daemon that "
			  "was mounted there is gone; unmount it first",
			  path);
		return -ENOTCONN;
	}
	log_warning("the camlock daemon that was mounted at '%s' is gone: "
		    "unmounting what it left",
		    path);
	mountpoint_detach(path);
	return 0;
}

static int check_folder(const char *what, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0) {
		int r = -errno;

		log_error("cannot use the %s '%s': %s", what, path,
			  strerror(-r));
		return r;
	}
	if (!S_ISDIR(st.st_mode)) {
		log_error("cannot use the %s '%s': not a folder", what, path);
		return -ENOTDIR;
	}
	return 0;
}

static bool is_empty(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	int n = 0;

	if (!dir)
		return true; /* mounting will tell */
	while ((e = readdir(dir)))
		n += strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
	closedir(dir);
	return n == 0;
}

/* Both are real paths. */
static int check_place(const char *share, const char *mountpoint)
{
	size_t len = strlen(share);

	if (is_camlock_mount(mountpoint)) {
		log_error("cannot mount at '%s': camlock is mounted there "
			  "already",
			  mountpoint);
		return -EBUSY;
	}
	if (!strcmp(share, mountpoint))
		return 0;
	if (!strcmp(share, "/") ||
	    (!strncmp(share, mountpoint, len) && mountpoint[len] == '/')) {
		log_error("cannot mount at '%s': it is inside the share '%s'; "
			  "mount at the share itself, or outside of it",
			  mountpoint, share);
		return -EINVAL;
	}
	if (!is_empty(mountpoint)) {
		log_error("cannot mount at '%s': the folder is not empty, and "
			  "the mount would hide what is in it; give an empty "
			  "one, or the share itself",
			  mountpoint);
		return -ENOTEMPTY;
	}
	return 0;
}

int mountpoint_prepare(const struct mount_options *o)
{
	_cleanup_free_ char *share = NULL, *mountpoint = NULL;
	int r = free_from_dead_mount(o->mountpoint);

	if (r == 0)
		r = free_from_dead_mount(o->share);
	if (r == 0)
		r = check_folder("share", o->share);
	if (r == 0)
		r = check_folder("mount point", o->mountpoint);
	if (r < 0)
		return r;
	share = realpath(o->share, NULL);
	mountpoint = realpath(o->mountpoint, NULL);
	if (!share || !mountpoint)
		return -errno;
	return check_place(share, mountpoint);
}
