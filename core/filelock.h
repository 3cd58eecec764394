/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The file lock: the one Python's `filelock` takes, so that its users and we
 * exclude each other.
 *
 * That is flock(2), LOCK_EX, on `locks.json.lock` (read in every tag of
 * filelock from 3.2 to 3.32). From 3.20.4 to 3.29.4 filelock unlinks the file
 * on release, so whoever waited for it may end up with a lock on a file that
 * has no name any more: after every flock() the descriptor and the name must
 * still be the same inode, else we start over. Other versions truncate the
 * file, or set its mode to 0644; it has no content, and the mode is mended at
 * the next acquisition so that no user is shut out.
 *
 * Where flock() is local to one machine (not NFS, not CIFS), an open file
 * description lock (fcntl(2), F_OFD_SETLK) over the whole file is taken after
 * it: programs at the other end of Samba or the kernel's NFS server take
 * theirs that way, and flock() alone would not exclude them.
 *
 * The file is never unlinked, written, truncated or linked by us.
 *
 * One filelock serves one thread at a time; the caller sees to that.
 */
#ifndef CORE_FILELOCK_H
#define CORE_FILELOCK_H

#include <stdbool.h>
#include <sys/types.h>

#include "core/wait.h"

struct filelock {
	int dirfd; /* the folder it is in; borrowed */
	char *name;
	int fd;	   /* kept open between acquisitions; -1 at first */
	dev_t dev; /* of the open file */
	ino_t ino;
	bool with_ofd; /* take the OFD lock, too */
};

/* Nothing is opened yet. Returns 0 or -errno. */
int filelock_init(struct filelock *l, int dirfd, const char *name);
void filelock_release(struct filelock *l);

/* Takes the lock. Polls, at first every millisecond, because a blocking
 * flock() can be neither interrupted by our callers nor given a deadline.
 * Returns 0, -ETIMEDOUT, -EINTR, or the -errno of opening the lock file
 * (-ELOOP if it is a symlink, -EISDIR, -ENXIO or -EINVAL if it is no regular
 * file). */
int filelock_acquire(struct filelock *l, const struct wait *w);
void filelock_drop(struct filelock *l);

/* Tries the same lock on any descriptor, once; `shared` finds out whether an
 * exclusive one is held, without being in the way of others who ask the same.
 * Closing the descriptor frees it. Returns 0, -EWOULDBLOCK if another has it,
 * or another -errno. */
int filelock_try(int fd, bool shared);

#endif
