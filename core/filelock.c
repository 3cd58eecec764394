/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/filelock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/fskind.h"

#define POLL_FIRST (1 * NSEC_PER_MSEC)
#define POLL_SLOWEST (8 * NSEC_PER_MSEC)
#define LOCK_MODE 0666

int filelock_init(struct filelock *l, int dirfd, const char *name)
{
	char *copy = strdup(name);

	if (!copy)
		return -ENOMEM;
	*l = (struct filelock){ .dirfd = dirfd, .name = copy, .fd = -1 };
	return 0;
}

void filelock_release(struct filelock *l)
{
	if (l->fd >= 0)
		close(l->fd);
	free(l->name);
	*l = (struct filelock){ .fd = -1 };
}

static int try_lock(int fd, bool shared, bool with_ofd)
{
	struct flock whole = { .l_type = shared ? F_RDLCK : F_WRLCK,
			       .l_whence = SEEK_SET };
	int r;

	if (flock(fd, (shared ? LOCK_SH : LOCK_EX) | LOCK_NB) < 0)
		return -errno;
	if (!with_ofd || fcntl(fd, F_OFD_SETLK, &whole) == 0)
		return 0;
	r = -errno;
	if (flock(fd, LOCK_UN) < 0)
		return -ESTALE; /* only closing it frees it now */
	return r == -EACCES ? -EWOULDBLOCK : r;
}

int filelock_try(int fd, bool shared)
{
	return try_lock(fd, shared, !fskind_locks_are_one(fd));
}

static bool unlock(const struct filelock *l)
{
	struct flock whole = { .l_type = F_UNLCK, .l_whence = SEEK_SET };

	if (l->with_ofd && fcntl(l->fd, F_OFD_SETLK, &whole) < 0)
		return false;
	return flock(l->fd, LOCK_UN) == 0;
}

static void forget(struct filelock *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}

/* O_NONBLOCK so that a FIFO in its place does not hang us. */
static int open_file(struct filelock *l)
{
	_cleanup_close_ int fd =
		openat(l->dirfd, l->name,
		       O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
		       LOCK_MODE);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	l->with_ofd = !fskind_locks_are_one(fd);
	l->fd = take_fd(fd);
	return 0;
}

/* Whether the name still leads to the file we hold (and which, being open, has
 * an inode number nobody else can have); mends its mode. */
static bool is_current(const struct filelock *l)
{
	struct stat named;

	if (fstatat(l->dirfd, l->name, &named, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	if (named.st_dev != l->dev || named.st_ino != l->ino)
		return false;
	if ((named.st_mode & 0777) != LOCK_MODE)
		fchmod(l->fd, LOCK_MODE); /* not ours: then it stays */
	return true;
}

/* Returns 0 with the lock, -EWOULDBLOCK to try again, or another -errno. */
static int try_acquire(struct filelock *l)
{
	int r = l->fd < 0 ? open_file(l) : 0;

	if (r < 0)
		return r;
	r = try_lock(l->fd, false, l->with_ofd);
	if (r == 0 && is_current(l))
		return 0;
	if (r == 0) {
		forget(l); /* unlocks as well */
		return -EWOULDBLOCK;
	}
	if (r == -EWOULDBLOCK && !is_current(l))
		forget(l); /* else we would wait for a file without a name */
	return r;
}

int filelock_acquire(struct filelock *l, const struct wait *w)
{
	uint64_t pause = POLL_FIRST;

	for (;;) {
		int r = try_acquire(l);

		/* EINTR: a signal; ESTALE: the share's server lost track of
		 * the file. Both mean "again". */
		if (r == -ESTALE)
			forget(l);
		else if (r != -EWOULDBLOCK && r != -EINTR)
			return r;
		r = wait_sleep(w, pause);
		if (r < 0)
			return r;
		if (pause < POLL_SLOWEST)
			pause *= 2;
	}
}

void filelock_drop(struct filelock *l)
{
	if (!unlock(l))
		forget(l); /* a network share may fail to; closing frees it */
}
