/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/versions.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/beneath.h"
#include "core/cleanup.h"
#include "core/copy.h"
#include "core/stamp.h"
#include "core/thinning.h"

#define TRIES 10
#define SPACE_PART 10	/* of the file system, for versions */
#define RESERVE_PART 20 /* of it, never for versions, */
#define RESERVE_MAX (1ULL << 30)
#define BLOCK 512 /* of stat.st_blocks */

struct versions {
	struct versions_options options;
	int tree;
	_Atomic int64_t used; /* bytes, as far as it was counted */
	atomic_bool counted;
	pthread_mutex_t thinning; /* one does it at a time; a leaf */
};

int versions_tree(const struct versions *v)
{
	return v->tree;
}

/* ---- room ---- */

static uint64_t file_system_size(int dir, struct statvfs *st)
{
	if (fstatvfs(dir, st) < 0)
		*st = (struct statvfs){};
	return (uint64_t)st->f_blocks * st->f_frsize;
}

static uint64_t reserve_of(int dir, struct statvfs *st)
{
	uint64_t reserve = file_system_size(dir, st) / RESERVE_PART;

	return reserve < RESERVE_MAX ? reserve : RESERVE_MAX;
}

uint64_t versions_reserve(int dir)
{
	struct statvfs st;

	return reserve_of(dir, &st);
}

static uint64_t space_of(const struct versions *v)
{
	struct statvfs st;

	return v->options.space ? v->options.space
				: file_system_size(v->options.state_dir, &st) /
					  SPACE_PART;
}

/* What lacks before a file of that size may be kept: the save that is about to
 * come must find as much room as it would without. */
static uint64_t lacking(const struct versions *v, uint64_t size)
{
	struct statvfs st;
	uint64_t wanted = 2 * size + reserve_of(v->options.state_dir, &st);
	uint64_t free_now = (uint64_t)st.f_bavail * st.f_frsize;

	return free_now < wanted ? wanted - free_now : 0;
}

/* Under the mutex: removes the oldest of all until so many bytes are free. */
static void thin(struct versions *v, uint64_t bytes)
{
	uint64_t left;

	if (thinning_run(v->tree, bytes, &left) < 0)
		return;
	v->used = (int64_t)left;
	v->counted = true;
}

static bool make_room(struct versions *v, uint64_t size)
{
	uint64_t lack = lacking(v, size);

	if (lack == 0)
		return true;
	LOCK_SCOPE(&v->thinning);
	lack = lacking(v, size); /* others may have been at it */
	if (lack > 0)
		thin(v, lack);
	return lack == 0 || lacking(v, size) == 0;
}

/* An eighth more than need be, so that it is not done each time. */
static void make_them_fit(struct versions *v)
{
	uint64_t space = space_of(v);

	if (v->counted && v->used <= (int64_t)space)
		return;
	LOCK_SCOPE(&v->thinning);
	if (!v->counted)
		thin(v, 0);
	if (v->used > (int64_t)space)
		thin(v, (uint64_t)v->used - space + space / 8);
}

/* ---- where ---- */

/* A folder lets in who the share's lets in. */
static void mirror(int from, int to)
{
	mode_t own = geteuid() == 0 ? 0 : S_IRWXU; /* who must get in himself */
	struct stat a, b;

	if (fstat(from, &a) < 0 || fstat(to, &b) < 0)
		return;
	if (a.st_uid != b.st_uid || a.st_gid != b.st_gid)
		if (fchown(to, a.st_uid, a.st_gid) < 0 && errno != EPERM)
			return;
	copy_acl(from, to);
	if ((a.st_mode & 0777) != (b.st_mode & 0777))
		fchmod(to, (a.st_mode & 0777) | own);
}

static int open_or_make(int dir, const char *name, mode_t mode)
{
	int fd = beneath_open(dir, name, O_RDONLY | O_DIRECTORY, 0);

	if (fd != -ENOENT)
		return fd;
	if (mkdirat(dir, name, mode) < 0 && errno != EEXIST)
		return -errno;
	return beneath_open(dir, name, O_RDONLY | O_DIRECTORY, 0);
}

static int enter_below(int *at, int *from, const char *name)
{
	int from_below = beneath_open(*from, name, O_PATH | O_DIRECTORY, 0);
	int below = from_below < 0 ? from_below : open_or_make(*at, name, 0700);

	if (below >= 0)
		mirror(from_below, below);
	close(*at);
	close(*from);
	*at = below;
	*from = from_below;
	return below < 0 ? below : 0;
}

/* Opens the folder of a document's versions, and makes it. */
static int open_folder(struct versions *v, const char *path)
{
	_cleanup_close_ int at = dup(v->tree);
	_cleanup_close_ int from = dup(v->options.share_dir);
	const char *slash;

	for (; (slash = strchr(path, '/')); path = slash + 1) {
		_cleanup_free_ char *name =
			strndup(path, (size_t)(slash - path));
		int r = name ? enter_below(&at, &from, name) : -ENOMEM;

		if (r < 0)
			return r;
	}
	return open_or_make(at, path, 0755);
}

/* ---- keeping ---- */

static bool is_file(int dir, const char *name, const struct stat *st)
{
	struct stat now;

	return fstatat(dir, name, &now, AT_SYMLINK_NOFOLLOW) == 0 &&
	       now.st_dev == st->st_dev && now.st_ino == st->st_ino;
}

static int link_in(const struct versions_source *from, const struct stat *st,
		   int dir, const char *name)
{
	if (linkat(from->dir, from->name, dir, name, 0) < 0)
		return -errno;
	if (is_file(dir, name, st))
		return 0;
	unlinkat(dir, name, 0);
	return -ESTALE;
}

static int copy_in(struct versions *v, int from, const struct stat *st, int dir,
		   const char *name)
{
	_cleanup_close_ int to = openat(
		dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		0600);
	int r = to < 0 ? -errno : copy_clone(from, to);

	if (to < 0)
		return r;
	if (r < 0)
		r = (uint64_t)st->st_size > v->options.copy_max
			    ? -EFBIG
			    : copy_content(from, to);
	if (r == 0)
		r = copy_attributes(from, to);
	if (r < 0)
		unlinkat(dir, name, 0);
	return r;
}

static int keep_as(struct versions *v, const struct versions_source *from,
		   const struct stat *st, int dir, const char *name)
{
	int r = from->dir >= 0 ? link_in(from, st, dir, name) : -EXDEV;

	if (r == -EXDEV || r == -EPERM || r == -EMLINK)
		r = copy_in(v, from->fd, st, dir, name);
	return r;
}

/* -EEXIST: another was kept in the same microsecond. -ENOENT: the folder was
 * empty a moment ago, and removed. */
static int keep_once(struct versions *v, const char *path,
		     const struct versions_source *from, const struct stat *st,
		     const char *user, char **ret_name)
{
	_cleanup_close_ int dir = open_folder(v, path);
	_cleanup_buffer_ struct buffer name = {};
	int r = dir < 0 ? dir : stamp_append(&name, user);

	if (r == 0)
		r = keep_as(v, from, st, dir, name.data);
	if (r < 0)
		return r;
	v->used += st->st_blocks * BLOCK;
	*ret_name = name.data;
	name = (struct buffer){};
	return 1;
}

int versions_keep(struct versions *v, const char *path,
		  const struct versions_source *from, const char *user,
		  char **ret_name)
{
	struct stat st;
	int r;

	if (fstat(from->fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size == 0)
		return 0;
	/* all others would make room for it in vain */
	if ((uint64_t)st.st_blocks * BLOCK > space_of(v))
		return -EFBIG;
	if (!make_room(v, (uint64_t)st.st_blocks * BLOCK))
		return -ENOSPC;
	for (int tries = 0; tries < TRIES; tries++) {
		r = keep_once(v, path, from, &st, user, ret_name);
		if (r != -EEXIST && r != -ENOENT)
			break;
	}
	return r;
}

void versions_drop(struct versions *v, const char *path, const char *name)
{
	_cleanup_close_ int dir =
		beneath_open(v->tree, path, O_RDONLY | O_DIRECTORY, 0);
	struct stat st;

	if (dir < 0 || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	if (unlinkat(dir, name, 0) == 0)
		v->used -= st.st_blocks * BLOCK;
	thinning_remove_folders(v->tree, path);
}

/* ---- pruning ---- */

static int is_stamp(const struct dirent *d)
{
	char time[TIMESTAMP_SIZE];
	const char *user;

	return stamp_parse(d->d_name, time, &user);
}

static void prune_document(struct versions *v, const char *path)
{
	_cleanup_close_ int dir =
		beneath_open(v->tree, path, O_RDONLY | O_DIRECTORY, 0);
	struct dirent **list;
	int n = dir < 0 ? -1 : scandirat(dir, ".", &list, is_stamp, alphasort);

	if (n < 0)
		return;
	for (int i = 0; i < n; i++) {
		struct stat st;

		if (i < n - (int)v->options.keep &&
		    fstatat(dir, list[i]->d_name, &st, AT_SYMLINK_NOFOLLOW) ==
			    0 &&
		    unlinkat(dir, list[i]->d_name, 0) == 0)
			v->used -= st.st_blocks * BLOCK;
		free(list[i]);
	}
	free(list);
}

void versions_prune(struct versions *v, const char *path)
{
	prune_document(v, path);
	make_them_fit(v);
}

/* ---- opening ---- */

static int open_tree(int state_dir)
{
	_cleanup_close_ int dir = open_or_make(state_dir, VERSIONS_DIR, 0700);

	return dir < 0 ? dir : open_or_make(dir, "tree", 0755);
}

int versions_open(struct versions **ret_versions,
		  const struct versions_options *options)
{
	struct versions *v = calloc(1, sizeof(*v));

	if (!v)
		return -ENOMEM;
	v->options = *options;
	v->tree = open_tree(options->state_dir);
	if (v->tree < 0) {
		int r = v->tree;

		free(v);
		return r;
	}
	pthread_mutex_init(&v->thinning, NULL);
	*ret_versions = v;
	return 0;
}

void versions_free(struct versions *v)
{
	if (!v)
		return;
	close(v->tree);
	pthread_mutex_destroy(&v->thinning);
	free(v);
}
