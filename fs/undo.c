/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/undo.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/beneath.h"
#include "core/cleanup.h"
#include "core/stamp.h"
#include "core/versions.h"
#include "fs/creds.h"
#include "fs/log.h"

int undo_open(struct camfs *fs)
{
	struct versions_options o = {
		.share_dir = fs->share.root_fd,
		.state_dir = fs->share.state_fd,
		.keep = fs->options->versions,
		.space = fs->options->versions_space,
		.copy_max = fs->options->versions_copy_max,
	};
	int r = o.keep ? versions_open(&fs->versions, &o) : 0;

	if (r < 0)
		log_error("cannot keep versions in '" STATE_NAME
			  "/" VERSIONS_DIR "': %s; --keep-versions=0 mounts "
			  "without",
			  strerror(-r));
	return r;
}

static const char *reason(int error)
{
	if (error == -ENOSPC)
		return "the disk is too full";
	return error == -EFBIG ? "it is larger than --versions-copy or "
				 "--versions-space allows"
			       : strerror(-error);
}

/* Sets the version's name, if there is anything to keep. */
static int keep(const struct caller *who, const char *path,
		const struct versions_source *from, char **ret_name)
{
	int r = from->fd < 0 ? from->fd
			     : versions_keep(who->fs->versions, path, from,
					     who->user, ret_name);

	if (r < 0)
		log_warning("no version of '%s' was kept, before %s (%s) wrote "
			    "it: %s",
			    path, who->user, log_or_unknown(who->process.name),
			    reason(r));
	return r < 0 ? r : 0;
}

/* To be read by us: not that it was is to be seen, if it can be hidden. */
static int open_reader(int fd)
{
	char path[PROC_PATH_SIZE];
	int r;

	share_proc_path(fd, path);
	r = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOATIME);
	if (r < 0 && errno == EPERM)
		r = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	return r < 0 ? -errno : r;
}

void undo_before_write(const struct caller *who, struct inode *inode,
		       const struct grant *grant)
{
	struct camfs *fs = who->fs;
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int at = -1, fd = -1;
	struct versions_source from = { .dir = -1 };
	char *version = NULL;

	if (!fs->versions || !grant->checkout ||
	    !checkouts_begin_version(fs->checkouts, grant->checkout, false))
		return;
	path = checkouts_path(fs->checkouts, grant->checkout);
	at = inodes_open(&fs->inodes, inode);
	from.fd = fd = at < 0 ? at : open_reader(at);
	if (path)
		keep(who, path, &from, &version);
	checkouts_end_version(fs->checkouts, grant->checkout, version);
}

/* Nobody has it open, nor by another name: nobody would see that it has one
 * more, or could still write it. */
static bool can_be_linked(struct camfs *fs, const struct gate_name *n)
{
	if (n->st.st_nlink != 1)
		return false;
	if (!n->inode)
		return true;
	LOCK_SCOPE(inode_stripe(&fs->inodes, n->inode));
	return !n->inode->uses;
}

int undo_before_name(const struct caller *who, struct gate_name *n, bool moved)
{
	struct camfs *fs = who->fs;
	struct versions_source from = { .dir = -1, .name = n->name };
	_cleanup_close_ int at = -1, fd = -1;
	int r;

	if (!fs->versions || !n->checkout || !S_ISREG(n->st.st_mode) ||
	    !n->st.st_nlink ||
	    !checkouts_begin_version(fs->checkouts, n->checkout, true))
		return 0;
	at = openat(n->dirfd, n->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	from.fd = fd = at < 0 ? -errno : open_reader(at);
	if (!moved && can_be_linked(fs, n))
		from.dir = n->dirfd;
	r = keep(who, n->path, &from, &n->version);
	checkouts_end_version(fs->checkouts, n->checkout, NULL);
	return r;
}

void undo_after_name(const struct caller *who, struct gate_name *n, int result)
{
	struct versions *v = who->fs->versions;

	if (v && n->version && result < 0)
		versions_drop(v, n->path, n->version);
	else if (v && (n->version || n->saved.user))
		versions_prune(v, n->path);
}

void undo_end(struct camfs *fs, const char *path, char *version, bool written)
{
	if (fs->versions && path && version)
		versions_drop(fs->versions, path, version);
	else if (fs->versions && path && written)
		versions_prune(fs->versions, path);
	free(version);
}

/* ---- looking at them ---- */

static bool is_version(const char *path, size_t *ret_len)
{
	const char *slash = strrchr(path, '/');
	char time[TIMESTAMP_SIZE];
	const char *user;

	*ret_len = slash ? (size_t)(slash - path) : 0;
	return slash && stamp_parse(slash + 1, time, &user);
}

/* Acting as the caller: 0 if he may read the document, or there is none. */
static int may_read_document(struct camfs *fs, const char *path, size_t len)
{
	_cleanup_free_ char *document = strndup(path, len);
	_cleanup_close_ int fd =
		document ? beneath_open(fs->share.root_fd, document, O_PATH, 0)
			 : -ENOMEM;

	if (fd == -ENOENT || fd == -ENOTDIR)
		return 0;
	if (fd < 0)
		return fd;
	return faccessat(fd, "", R_OK, AT_EACCESS | AT_EMPTY_PATH) < 0 ? -errno
								       : 0;
}

int undo_open_version(fuse_req_t req, const char *path, int flags)
{
	struct camfs *fs = camfs_of(req);
	_cleanup_close_ int tree = beneath_open(
		fs->share.state_fd, VERSIONS_TREE, O_PATH | O_DIRECTORY, 0);
	size_t len;
	int r = 0;

	if (tree < 0)
		return tree;
	CREDS_SCOPE(req);
	if (is_version(path, &len) && !(flags & O_PATH))
		r = may_read_document(fs, path, len);
	return r < 0 ? r : beneath_open(tree, path, flags, 0);
}

/* The daemon judges who may open it. */
int undo_stat_version(fuse_req_t req, const char *path, struct stat *ret_st)
{
	_cleanup_close_ int fd = undo_open_version(req, path, O_PATH);

	if (fd < 0)
		return fd;
	if (fstat(fd, ret_st) < 0)
		return -errno;
	if (!S_ISREG(ret_st->st_mode) && !S_ISDIR(ret_st->st_mode))
		return -ENOENT;
	ret_st->st_mode = (ret_st->st_mode & S_IFMT) | 0444;
	if (S_ISDIR(ret_st->st_mode))
		ret_st->st_mode |= 0111;
	return 0;
}
