/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/recovered.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/beneath.h"
#include "core/buffer.h"
#include "core/cleanup.h"
#include "core/copy.h"
#include "core/stamp.h"

#define TRIES 10

/* ---- the copy ---- */

static int copy_file(int from, int dir, const char *name)
{
	_cleanup_close_ int to = openat(
		dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		0600);
	int r = to < 0 ? -errno : copy_content(from, to);

	if (r == 0)
		r = copy_attributes(from, to);
	if (r == 0 && fsync(to) < 0)
		r = -errno;
	if (r < 0 && to >= 0)
		unlinkat(dir, name, 0);
	return r;
}

/* ---- changing places ---- */

/* Where RENAME_EXCHANGE is not to be had: for a moment the file has both
 * names. */
static int exchange_by_link(int dir, const char *name, int parent,
			    const char *last)
{
	if (renameat(dir, name, dir, ".copy") < 0)
		return -errno;
	if (linkat(parent, last, dir, name, 0) < 0 ||
	    renameat(dir, ".copy", parent, last) < 0) {
		int r = -errno;

		unlinkat(dir, ".copy", 0);
		unlinkat(dir, name, 0);
		return r;
	}
	return 0;
}

static int exchange(int dir, const char *name, int parent, const char *last)
{
	if (renameat2(dir, name, parent, last, RENAME_EXCHANGE) == 0)
		return 0;
	return errno == EINVAL || errno == ENOSYS
		       ? exchange_by_link(dir, name, parent, last)
		       : -errno;
}

static bool is_file(int dir, const char *name, int file)
{
	struct stat a, b;

	return fstat(file, &a) == 0 &&
	       fstatat(dir, name, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
	       a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

/* The copy at `name` and the file at its path change places, or the copy is
 * removed. If by now it is another file than was copied, they change back. */
static int change_places(int dir, const char *name, int parent,
			 const char *last, int file)
{
	int r = exchange(dir, name, parent, last);

	if (r == 0 && is_file(dir, name, file))
		return 0;
	if (r == 0) {
		r = exchange(dir, name, parent, last);
		if (r < 0)
			return r; /* it is no copy of ours any more */
		r = -ESTALE;
	}
	unlinkat(dir, name, 0);
	return r;
}

/* ---- where to ---- */

/* Makes the folders of a path below `dir`, which are the daemon's until all is
 * in place: nobody else can put anything in the way. Opens the last. -EEXIST:
 * the first is there already. */
static int make_folders(int dir, const char *path, const char **ret_name)
{
	_cleanup_close_ int at = dup(dir);
	const char *slash;

	for (; (slash = strchr(path, '/')); path = slash + 1) {
		_cleanup_free_ char *name =
			strndup(path, (size_t)(slash - path));
		int below;

		if (!name)
			return -ENOMEM;
		if (mkdirat(at, name, 0700) < 0)
			return -errno;
		below = beneath_open(at, name, O_RDONLY | O_DIRECTORY, 0);
		if (below < 0)
			return below;
		close(at);
		at = below;
	}
	*ret_name = path;
	return take_fd(at);
}

/* The folders of a path, the last first. */
static void for_each_folder(int dir, const char *path,
			    void (*visit)(int dir, const char *folder,
					  uid_t uid),
			    uid_t uid)
{
	_cleanup_free_ char *folder = strdup(path);
	char *slash;

	while (folder && (slash = strrchr(folder, '/'))) {
		*slash = '\0';
		visit(dir, folder, uid);
	}
}

static void remove_folder(int dir, const char *folder, uid_t unused)
{
	(void)unused;
	unlinkat(dir, folder, AT_REMOVEDIR);
}

static void give_folder(int dir, const char *folder, uid_t uid)
{
	_cleanup_close_ int fd =
		beneath_open(dir, folder, O_RDONLY | O_DIRECTORY, 0);

	if (fd < 0 || fchown(fd, uid, (gid_t)-1) < 0)
		return;
}

static int format_name(const char *path, const char *user, char **ret_name)
{
	_cleanup_buffer_ struct buffer name = {};
	int r = stamp_append(&name, user);

	if (r == 0)
		r = buffer_printf(&name, "/%s", path);
	if (r < 0)
		return r;
	*ret_name = name.data;
	name = (struct buffer){};
	return 0;
}

static int open_recovered(int state_dir)
{
	if (mkdirat(state_dir, RECOVERED_DIR, 0755) < 0 && errno != EEXIST)
		return -errno;
	return beneath_open(state_dir, RECOVERED_DIR, O_RDONLY | O_DIRECTORY,
			    0);
}

/* From now on it is his alone, unless it has other names, by which others have
 * it too. If that can't be had, it is set aside all the same. The folder that
 * keeps him out is given last. */
static void give_to(int recovered, const char *path, uid_t uid)
{
	_cleanup_close_ int fd = beneath_open(recovered, path, O_RDONLY, 0);
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_nlink == 1 &&
	    fchown(fd, uid, (gid_t)-1) == 0 && fchmod(fd, 0600) < 0)
		return;
	for_each_folder(recovered, path, give_folder, uid);
}

static int set_aside(int file, int parent, const char *last, int recovered,
		     const char *path, uid_t uid)
{
	const char *name = NULL;
	_cleanup_close_ int dir = make_folders(recovered, path, &name);
	int r = dir < 0 ? dir : copy_file(file, dir, name);

	if (r == 0)
		r = change_places(dir, name, parent, last, file);
	if (r == 0)
		give_to(recovered, path, uid);
	else if (r != -EEXIST)
		for_each_folder(recovered, path, remove_folder, uid);
	return r;
}

int recovered_set_aside(int share_dir, int state_dir, const char *path,
			const char *user, uid_t uid, char **ret_name)
{
	const char *last;
	_cleanup_close_ int parent =
		beneath_open_parent(share_dir, path, &last);
	_cleanup_close_ int file =
		parent < 0
			? parent
			: beneath_open(parent, last, O_RDONLY | O_NONBLOCK, 0);
	_cleanup_close_ int recovered = -1;
	_cleanup_free_ char *name = NULL;
	struct stat st;
	int r = 0;

	if (file < 0)
		return file == -ENOENT || file == -ELOOP || file == -ENXIO
			       ? 0
			       : file;
	if (fstat(file, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return 0;
	r = recovered = open_recovered(state_dir);
	/* -EEXIST: another was set aside in the same microsecond */
	for (int tries = 0; r >= 0 && tries < TRIES; tries++) {
		free(take_ptr(name));
		r = format_name(path, user, &name);
		if (r == 0)
			r = set_aside(file, parent, last, recovered, name, uid);
		if (r != -EEXIST)
			break;
		r = tries < TRIES - 1 ? 0 : r;
	}
	if (r < 0)
		return r;
	*ret_name = take_ptr(name);
	return 1;
}
