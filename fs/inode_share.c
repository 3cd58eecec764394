/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What of an inode is on the share: looked at, and opened again. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h> /* RESOLVE_NO_XDEV */
#include <stdlib.h>
#include <unistd.h>

#include "core/beneath.h"
#include "core/cleanup.h"
#include "fs/inode.h"

/* For inodes_open(); NULL: it is opened by path, then. */
static int get_handle(const struct inodes *t, int fd, const char *name,
		      struct file_handle **ret_handle)
{
	union handle_space u;
	int mount_id;

	*ret_handle = NULL;
	if (t->share->handles_fd < 0 ||
	    handle_get(fd, name, &u, &mount_id) < 0 ||
	    mount_id != t->share->mount_id)
		return 0;
	*ret_handle = handle_copy(&u.handle);
	return *ret_handle ? 0 : -ENOMEM;
}

/* Should the name be given to another file between the two calls, number and
 * handle don't match, and inodes_stat_name() finds the inode stale. */
int inodes_look(struct inodes *t, int dirfd, const char *name,
		struct found *ret_found)
{
	int r = share_stat(t->share, dirfd, name, &ret_found->st);

	return r < 0 ? r : get_handle(t, dirfd, name, &ret_found->handle);
}

int inodes_look_fd(struct inodes *t, int fd, struct found *ret_found)
{
	if (fstat(fd, &ret_found->st) < 0)
		return -errno;
	return get_handle(t, fd, "", &ret_found->handle);
}

static void take_id(void *id, struct inode *inode)
{
	*(uint64_t *)id = inode->id;
}

uint64_t inodes_id_of(struct inodes *t, struct file_handle *handle)
{
	const struct handle_form *form = &t->share->form;
	ino_t ino = handle_ino(form, handle);
	uint64_t id = handle_number(form, handle, ino);
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (id && ino == t->share->ino)
		return t->root.id;
	if (id)
		return inodes_find(t, id | INODE_NUMBER_BIT)
			       ? id | INODE_NUMBER_BIT
			       : 0;
	fd = open_by_handle_at(t->share->handles_fd, handle,
			       O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && fstat(fd, &st) == 0)
		inodes_with_file(t, &st, take_id, &id);
	return id;
}

int inodes_look_number(struct inodes *t, uint64_t id, int *ret_fd,
		       struct found *ret_found)
{
	_cleanup_close_ int fd = -1;
	union handle_space u;
	int r;

	if (!(id & INODE_NUMBER_BIT) || !t->share->form.bytes)
		return -ESTALE;
	handle_of_number(&t->share->form, id & ~INODE_NUMBER_BIT, &u);
	fd = open_by_handle_at(t->share->handles_fd, &u.handle,
			       O_PATH | O_CLOEXEC);
	if (fd < 0)
		return -ESTALE;
	r = inodes_look_fd(t, fd, ret_found);
	if (r < 0)
		return r;
	if (inodes_number_id(t, ret_found) != id) {
		free(take_ptr(ret_found->handle));
		return -ESTALE;
	}
	*ret_fd = take_fd(fd);
	return 0;
}

static int open_by_path(struct inodes *t, struct inode *inode)
{
	int error;
	_cleanup_free_ char *path = inodes_path(t, inode, &error);
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (!path)
		return error;
	fd = beneath_open(t->share->root_fd, path, O_PATH, 0);
	if (fd < 0)
		return fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP ? -ESTALE
								       : fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_dev != inode->dev || st.st_ino != inode->ino ||
	    (st.st_mode & S_IFMT) != inode->type)
		return -ESTALE; /* never a FIFO, where an open would hang */
	return take_fd(fd);
}

/* A file without a name, but open somewhere. */
static int open_by_use(struct inodes *t, struct inode *inode)
{
	int fd;

	LOCK_SCOPE(inode_stripe(t, inode));
	if (!inode->uses)
		return -ESTALE;
	fd = fcntl(inode->uses->fd, F_DUPFD_CLOEXEC, 3);
	return fd < 0 ? -errno : fd;
}

int inodes_open(struct inodes *t, struct inode *inode)
{
	int fd;

	if (inode != &t->root && !inode->handle_size) {
		fd = open_by_path(t, inode);
		return fd == -ESTALE ? open_by_use(t, inode) : fd;
	}
	if (inode == &t->root)
		fd = fcntl(t->share->root_fd, F_DUPFD_CLOEXEC, 3);
	else
		fd = open_by_handle_at(t->share->handles_fd,
				       inode_handle(inode), O_PATH | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	/* ext4 and others have no memory for it, they say, while its number
	 * becomes a new file's (seen with Linux 6.18) */
	return errno == ENOMEM ? -ESTALE : -errno;
}

/* Opens the folder it is in. */
static int open_parent(struct inodes *t, struct inode *inode, char **ret_name)
{
	struct inode *parent = inodes_parent_again(t, inode, ret_name);
	int fd;

	if (!parent)
		return -ESTALE;
	fd = inodes_open(t, parent);
	inodes_forget(t, parent->id, 1);
	return fd;
}

int inodes_stat_name(struct inodes *t, struct inode *inode, struct stat *ret_st)
{
	_cleanup_free_ char *name = NULL;
	_cleanup_close_ int dirfd = open_parent(t, inode, &name);
	struct stat st;

	if (dirfd < 0 || !name ||
	    fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    st.st_dev != inode->dev || st.st_ino != inode->ino)
		return -ESTALE;
	*ret_st = st;
	return 0;
}

/* By a rename on the share, of which we hear only afterwards, or never. */
static bool has_successor(struct inodes *t, struct inode *inode)
{
	int error;
	_cleanup_free_ char *path = inodes_path(t, inode, &error);

	return path && inodes_path_exists(t, path);
}

/* Under the mutex. */
static bool tell_once(struct inode *inode, pid_t pid)
{
	bool again = inode->told_gone == pid;

	inode->told_gone = again ? 0 : pid;
	return !again;
}

bool inodes_tell_gone(struct inodes *t, struct inode *inode, pid_t pid)
{
	bool replaced = has_successor(t, inode);

	LOCK_SCOPE(&t->mutex);
	return inode->replaced || replaced || tell_once(inode, pid);
}

bool inodes_has_moved(struct inodes *t, struct inode *inode)
{
	LOCK_SCOPE(&t->mutex);
	if (inode->told_gone != INODE_MOVED)
		return false;
	inode->told_gone = 0;
	return true;
}

bool inodes_tell_moved(struct inodes *t, struct inode *inode, pid_t pid)
{
	struct stat st;

	if (inodes_has_moved(t, inode))
		return true;
	if (inodes_stat_name(t, inode, &st) == 0)
		return false;
	LOCK_SCOPE(&t->mutex);
	return inode->name && tell_once(inode, pid);
}

static int stat_path(struct inodes *t, const char *path, uint64_t resolve,
		     struct stat *ret_st)
{
	_cleanup_close_ int fd =
		beneath_open(t->share->root_fd, path, O_PATH, resolve);

	if (fd < 0)
		return fd;
	return fstat(fd, ret_st) < 0 ? -errno : 0;
}

int inodes_stat_path(struct inodes *t, const char *path, struct stat *ret_st)
{
	return stat_path(t, path, 0, ret_st);
}

bool inodes_is_link(struct inodes *t, const char *path, const struct stat *st)
{
	uint64_t resolve = st->st_dev == t->share->dev ? RESOLVE_NO_XDEV : 0;
	struct stat other;

	return stat_path(t, path, resolve, &other) == 0 &&
	       other.st_dev == st->st_dev && other.st_ino == st->st_ino;
}

bool inodes_path_exists(struct inodes *t, const char *path)
{
	struct stat st;

	return inodes_stat_path(t, path, &st) == 0;
}
