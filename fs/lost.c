/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/lost.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"

#define DEPTH_MAX 256 /* a descriptor for each folder on the way */

/* ---- coming back ---- */

static int open_above(int fd)
{
	int above = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);

	return above < 0 ? -errno : above;
}

static bool is_file(const struct stat *st, dev_t dev, ino_t ino)
{
	return st->st_dev == dev && st->st_ino == ino;
}

/* Whether a folder is the share's root or below it, and none of ours: it may
 * have been moved out. */
static bool is_inside(const struct share *s, int folder)
{
	_cleanup_close_ int fd = fcntl(folder, F_DUPFD_CLOEXEC, 3);
	struct stat st, last = {};

	while (fd >= 0 && fstat(fd, &st) == 0 &&
	       !share_is_state(s, st.st_dev, st.st_ino) &&
	       !is_file(&last, st.st_dev, st.st_ino)) {
		int above;

		if (is_file(&st, s->dev, s->ino))
			return true;
		above = open_above(fd);
		close(fd);
		fd = above;
		last = st;
	}
	return false;
}

/* A file is let in without a look at where it is: its id was given out for a
 * name in the share. */
static struct inode *come_back(struct inodes *t, uint64_t id)
{
	_cleanup_close_ int fd = -1;
	struct found found;

	if (inodes_look_number(t, id, &fd, &found) < 0)
		return NULL;
	if (S_ISDIR(found.st.st_mode) && !is_inside(t->share, fd)) {
		free(found.handle);
		return NULL;
	}
	return inodes_add(t, NULL, NULL, &found);
}

/* A folder that came back has no name yet, but knows what it is in. */
static struct inode *look_above(struct inodes *t, struct inode *folder)
{
	_cleanup_close_ int fd = inodes_open(t, folder);
	_cleanup_close_ int above = fd < 0 ? fd : open_above(fd);
	struct found found;

	if (!S_ISDIR(folder->type) || above < 0 ||
	    !is_inside(t->share, above) || inodes_look_fd(t, above, &found) < 0)
		return NULL;
	return inodes_add(t, NULL, NULL, &found);
}

struct inode *lost_return(struct inodes *t, uint64_t id, bool parent)
{
	struct inode *above, *inode = inodes_again(t, id);

	if (!inode)
		inode = come_back(t, id);
	if (!inode || !parent || inode == &t->root)
		return inode;
	above = inodes_parent_again(t, inode, NULL);
	if (!above)
		above = look_above(t, inode);
	inodes_forget(t, inode->id, 1);
	return above;
}

/* ---- another name ---- */

struct search {
	struct inodes *t;
	struct inode *wanted;
	bool incomplete;
};

static int look_into(struct search *s, struct inode *folder, int dirfd,
		     int depth);

/* Goes into a folder of the same file system: what is mounted may hang. */
static int go_down(struct search *s, struct inode *folder, int dirfd,
		   const char *name, int depth)
{
	struct inode *below;
	struct found found;
	int r, fd;

	if (inodes_look(s->t, dirfd, name, &found) < 0)
		return -ENOENT;
	if (!S_ISDIR(found.st.st_mode) || found.st.st_dev != s->wanted->dev ||
	    share_is_state(s->t->share, found.st.st_dev, found.st.st_ino)) {
		free(found.handle);
		return -ENOENT;
	}
	below = inodes_add(s->t, folder, name, &found);
	if (!below)
		return -ENOMEM;
	fd = openat(dirfd, name,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	r = fd < 0 ? -errno : look_into(s, below, fd, depth + 1);
	inodes_forget(s->t, below->id, 1);
	return r;
}

static int is_it(struct search *s, struct inode *folder, int dirfd,
		 const char *name)
{
	struct inode *inode;
	struct found found;

	if (inodes_look(s->t, dirfd, name, &found) < 0)
		return -ENOENT;
	if (!is_file(&found.st, s->wanted->dev, s->wanted->ino)) {
		free(found.handle);
		return -ENOENT;
	}
	inode = inodes_add(s->t, folder, name, &found);
	if (!inode)
		return -ENOMEM;
	inodes_forget(s->t, inode->id, 1);
	return inode == s->wanted ? 0 : -ENOENT;
}

static int look_at(struct search *s, struct inode *folder, int dirfd,
		   const struct dirent *e, int depth)
{
	int r = -ENOENT;

	if (share_is_hidden(s->t->share, folder->dev, folder->ino, e->d_name))
		return r;
	if (e->d_ino == s->wanted->ino)
		return is_it(s, folder, dirfd, e->d_name);
	if (e->d_type != DT_DIR && e->d_type != DT_UNKNOWN)
		return r;
	if (depth < DEPTH_MAX)
		r = go_down(s, folder, dirfd, e->d_name, depth);
	else
		s->incomplete = true;
	if (r < 0 && r != -ENOENT)
		s->incomplete = true;
	return r < 0 ? -ENOENT : r;
}

/* Takes the descriptor. */
static int look_into(struct search *s, struct inode *folder, int dirfd,
		     int depth)
{
	DIR *dir = fdopendir(dirfd);
	struct dirent *e;
	int r = -ENOENT;

	if (!dir) {
		close(dirfd);
		return -ENOMEM;
	}
	while (r == -ENOENT && (e = readdir(dir)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			r = look_at(s, folder, dirfd, e, depth);
	closedir(dir);
	return r;
}

int lost_find_name(struct inodes *t, struct inode *inode)
{
	struct search s = { .t = t, .wanted = inode };
	int r, fd = openat(t->share->root_fd, ".",
			   O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	r = look_into(&s, &t->root, fd, 0);
	return r == -ENOENT && s.incomplete ? -ESTALE : r;
}
