/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/share.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/fskind.h"
#include "fs/log.h"

#define LOCKS_NAME "locks.json"
#define STATE_NAME_UPPER ".CAMLOCK"

static int fail(const char *what, const char *path, const char *advice)
{
	int r = -errno;

	log_error("%s '%s': %s%s", what, path, strerror(-r), advice);
	return r;
}

static int open_folder(int dirfd, const char *path, int flags)
{
	return openat(dirfd, path, flags | O_DIRECTORY | O_CLOEXEC);
}

static int open_root(struct share *s, const char *path)
{
	struct statfs fs;
	struct stat st;

	s->root_fd = open_folder(AT_FDCWD, path, O_PATH);
	if (s->root_fd < 0)
		return fail("cannot open the share", path,
			    errno == ENOTDIR ? "; give a folder" : "");
	if (fstat(s->root_fd, &st) < 0 || fstatfs(s->root_fd, &fs) < 0)
		return fail("cannot read the share", path, "");
	s->is_stacked = fs.f_type == OVERLAYFS_SUPER_MAGIC;
	s->is_fuse = fskind_is_fuse(s->root_fd);
	s->is_network = !fskind_is_local(s->root_fd);
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	return 0;
}

static int open_state(struct share *s, const char *path)
{
	struct stat st;

	if (mkdirat(s->root_fd, STATE_NAME, 0755) < 0 && errno != EEXIST)
		return fail("cannot make '" STATE_NAME "' in the share", path,
			    "; the records are kept there, so whoever mounts "
			    "must be able to write to the share");
	s->state_fd =
		open_folder(s->root_fd, STATE_NAME, O_RDONLY | O_NOFOLLOW);
	if (s->state_fd < 0 || fstat(s->state_fd, &st) < 0)
		return fail("cannot open '" STATE_NAME "' in the share", path,
			    "; it must be a folder of its own, no link");
	s->state_dev = st.st_dev;
	s->state_ino = st.st_ino;
	s->folds_case = fstatat(s->root_fd, STATE_NAME_UPPER, &st,
				AT_SYMLINK_NOFOLLOW) == 0 &&
			share_is_state(s, st.st_dev, st.st_ino);
	return 0;
}

/* locks.json in our own folder, or wherever `locks` says. */
static int open_locks_dir(struct share *s, const char *locks)
{
	_cleanup_free_ char *copy = locks ? strdup(locks) : NULL;
	const char *slash = locks ? strrchr(locks, '/') : NULL;
	struct stat st;

	s->locks_name = strdup(!locks ? LOCKS_NAME : slash ? slash + 1 : locks);
	if (!s->locks_name || (locks && !copy))
		return -ENOMEM;
	if (!s->locks_name[0] || !strcmp(s->locks_name, ".") ||
	    !strcmp(s->locks_name, "..")) {
		errno = EISDIR;
		return fail("cannot use", locks, "; give a file's path");
	}
	s->locks_dir = locks ? open_folder(AT_FDCWD, dirname(copy), O_RDONLY)
			     : dup(s->state_fd);
	if (s->locks_dir < 0 || fstat(s->locks_dir, &st) < 0)
		return fail("cannot open the folder of", locks ? locks : "",
			    "; it must be there already");
	s->locks_dev = st.st_dev;
	s->locks_ino = st.st_ino;
	return 0;
}

/* Whether files can be opened by handle: the file system must know how, and
 * we must have CAP_DAC_READ_SEARCH. */
static void probe_handles(struct share *s)
{
	_cleanup_close_ int root_fd = open_folder(s->root_fd, ".", O_RDONLY);
	_cleanup_close_ int fd = -1;
	union handle_space u;

	if (root_fd < 0 || s->is_fuse ||
	    handle_get(root_fd, "", &u, &s->mount_id) < 0)
		return;
	fd = open_by_handle_at(root_fd, &u.handle, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return;
	s->handles_fd = take_fd(root_fd);
	if (handle_key(s->state_fd, s->handle_key) == 0)
		s->form = handle_form_of(&u.handle, s->ino);
}

int share_open(struct share *ret_share, const char *path, const char *locks)
{
	struct share s = {
		.root_fd = -1, .state_fd = -1, .locks_dir = -1, .handles_fd = -1
	};
	int r = open_root(&s, path);

	if (r == 0)
		r = open_state(&s, path);
	if (r == 0)
		r = open_locks_dir(&s, locks);
	if (r < 0) {
		share_close(&s);
		return r;
	}
	probe_handles(&s);
	*ret_share = s;
	return 0;
}

static void close_if_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

void share_close(struct share *s)
{
	close_if_open(s->root_fd);
	close_if_open(s->state_fd);
	close_if_open(s->locks_dir);
	close_if_open(s->handles_fd);
	free(s->locks_name);
}

bool share_is_hidden(const struct share *s, dev_t dir_dev, ino_t dir_ino,
		     const char *name)
{
	size_t len;

	if (dir_dev == s->dev && dir_ino == s->ino && !strcmp(name, STATE_NAME))
		return true;
	if (dir_dev != s->locks_dev || dir_ino != s->locks_ino)
		return false;
	/* locks.json, .lock, .spare-*, .damaged-* */
	len = strlen(s->locks_name);
	return !(s->folds_case ? strncasecmp : strncmp)(name, s->locks_name,
							len) &&
	       (name[len] == '\0' || name[len] == '.');
}

bool share_is_state(const struct share *s, dev_t dev, ino_t ino)
{
	return dev == s->state_dev && ino == s->state_ino;
}

static void stat_of_statx(const struct statx *x, struct stat *ret_st)
{
	*ret_st = (struct stat){
		.st_dev = makedev(x->stx_dev_major, x->stx_dev_minor),
		.st_ino = x->stx_ino,
		.st_mode = x->stx_mode,
		.st_nlink = x->stx_nlink,
		.st_uid = x->stx_uid,
		.st_gid = x->stx_gid,
		.st_rdev = makedev(x->stx_rdev_major, x->stx_rdev_minor),
		.st_size = (off_t)x->stx_size,
		.st_blksize = x->stx_blksize,
		.st_blocks = (blkcnt_t)x->stx_blocks,
		.st_atim = { x->stx_atime.tv_sec, x->stx_atime.tv_nsec },
		.st_mtim = { x->stx_mtime.tv_sec, x->stx_mtime.tv_nsec },
		.st_ctim = { x->stx_ctime.tv_sec, x->stx_ctime.tv_nsec },
	};
}

int share_stat(const struct share *s, int dirfd, const char *name,
	       struct stat *ret_st)
{
	const int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
	struct statx x;

	if (!s->is_network) {
		if (statx(dirfd, name, flags | AT_STATX_DONT_SYNC,
			  STATX_BASIC_STATS, &x) < 0)
			return -errno;
		stat_of_statx(&x, ret_st);
		if (ret_st->st_dev == s->dev ||
		    (x.stx_attributes & STATX_ATTR_MOUNT_ROOT))
			return 0;
	}
	return fstatat(dirfd, name, ret_st, flags) < 0 ? -errno : 0;
}

void share_proc_path(int fd, char path[PROC_PATH_SIZE])
{
	snprintf(path, PROC_PATH_SIZE, "/proc/self/fd/%d", fd);
}
