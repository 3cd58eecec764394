/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/attach.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "fs/log.h"

#define FOR_EVER 1e9 /* seconds */

/* The thread's, until it has mounted. */
struct hiding {
	struct attach *attach;
	enum {
		HIDDEN,
		NOT_MOUNTED,
		NO_NAMESPACE,
	} result;
	sem_t done;
};

/* Nothing that is mounted here is seen elsewhere. */
static int enter_namespace(void)
{
	return unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL,
						 MS_REC | MS_PRIVATE, NULL) < 0
		       ? -errno
		       : 0;
}

/* The share's folder, once it is served, with its mount's flags. */
static int take_tree(const struct attach *a)
{
	_cleanup_free_ char *path = NULL;
	int fd;

	if (asprintf(&path, "%s/" MOUNT_ROOT_NAME, a->mountpoint) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	fd = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static void *mount_hidden(void *arg)
{
	struct hiding *h = arg;
	struct attach *a = h->attach;

	if (enter_namespace() < 0)
		h->result = NO_NAMESPACE;
	else if (fuse_session_mount(a->session, a->mountpoint) < 0)
		h->result = NOT_MOUNTED;
	a->hidden = h->result == HIDDEN;
	sem_post(&h->done); /* it is the other's no longer */
	if (a->hidden)
		a->tree_fd = take_tree(a);
	return NULL;
}

static int try_hidden(struct attach *a)
{
	struct hiding h = { .attach = a };

	sem_init(&h.done, 0, 0);
	if (pthread_create(&a->thread, NULL, mount_hidden, &h) != 0) {
		sem_destroy(&h.done);
		return NO_NAMESPACE;
	}
	while (sem_wait(&h.done) < 0)
		;
	if (h.result != HIDDEN)
		pthread_join(a->thread, NULL);
	sem_destroy(&h.done);
	return h.result;
}

int attach_mount(struct attach *ret_attach, struct camfs *fs)
{
	struct attach *a = ret_attach;
	int result = NO_NAMESPACE;

	*a = (struct attach){ .session = fs->session,
			      .mountpoint = fs->options->mountpoint };
	if (geteuid() == 0)
		result = try_hidden(a);
	if (result == NO_NAMESPACE &&
	    fuse_session_mount(a->session, a->mountpoint) < 0)
		result = NOT_MOUNTED;
	if (result == HIDDEN)
		fs->inodes.root.id = INODE_ROOT_ATTACHED;
	return result == NOT_MOUNTED ? -EPERM : 0;
}

/* The share is not asked, for it may hang; the kernel will ask for its
 * attributes. */
void attach_lookup(fuse_req_t req)
{
	const struct fuse_entry_param entry = {
		.ino = INODE_ROOT_ATTACHED,
		.attr = { .st_mode = S_IFDIR, .st_nlink = 2 },
		.entry_timeout = FOR_EVER,
	};

	fuse_reply_entry(req, &entry); /* the root is not counted */
}

/* In plain sight: until somebody is answered. */
static int await_answer(const struct attach *a)
{
	struct stat st;

	return stat(a->mountpoint, &st) < 0 ? -errno : 0;
}

static int show(struct attach *a)
{
	_cleanup_close_ int fd = -1;
	int r;

	pthread_join(a->thread, NULL);
	fd = a->tree_fd;
	r = fd < 0 ? fd : 0;
	if (r == 0 &&
	    move_mount(fd, "", AT_FDCWD, a->mountpoint,
		       MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS) < 0)
		r = -errno;
	if (r < 0)
		log_error("cannot mount at '%s': %s", a->mountpoint,
			  strerror(-r));
	return r;
}

int attach_finish(struct attach *a)
{
	return a->hidden ? show(a) : await_answer(a);
}
