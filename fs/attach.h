/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How the mount comes to its place.
 *
 * As root, the file system is mounted where nobody sees it, in a mount
 * namespace of one thread's; and only when it is served, the share's folder in
 * it is put at the mount point. So nobody comes upon a mount that does not
 * answer yet. And the share's folder then is no root of a FUSE file system, of
 * which Linux never caches the ACL (it is made before FUSE_INIT has said that
 * there are ACLs; since 6.6.148, 6.12.101 and 6.18.42 this lasts), so that each
 * path an ordinary user walks would cost a round trip. In proc(5)'s mountinfo
 * the mount's root then is "/" MOUNT_ROOT_NAME instead of "/".
 *
 * Who is not root, or may have no mount namespace, mounts as ever.
 *
 *	attach_mount()		before the session is served
 *	attach_lookup()		of a name in the file system's own root
 *	attach_finish()		by a thread that does not serve it
 */
#ifndef FS_ATTACH_H
#define FS_ATTACH_H

#include "fs/camfs.h"

struct attach {
	struct fuse_session *session;
	const char *mountpoint;
	bool hidden;	  /* it is, until attach_finish() */
	pthread_t thread; /* of the namespace, if so */
	int tree_fd;	  /* the thread's: what it has at last, or -errno */
};

/* Mounts the file system's session. Returns 0 or -errno; libfuse has said what
 * is wrong then. */
int attach_mount(struct attach *ret_attach, struct camfs *fs);

/* Answers a look-up there: whatever the name, it is the share. */
void attach_lookup(fuse_req_t req);

/* Waits until the mount answers, and is at its place. If it can't be, says so,
 * and the kernel ends the session. Returns 0 or -errno. */
int attach_finish(struct attach *a);

#endif
