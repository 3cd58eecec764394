/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Acting as the caller.
 *
 * The daemon runs as root on behalf of others. Whatever makes, opens or
 * changes something on the share is done between creds_enter() and
 * creds_leave(), with the caller's user, group, supplementary groups and
 * umask: so owner, group and mode of new files are the caller's, and the
 * share's own file system judges rights (ACLs, quotas, reserved blocks).
 *
 * These are per-thread: raw system calls, because glibc's versions change
 * every thread of the process. The umask is shared between threads unless a
 * thread unshares it, which creds_enter() does once in each thread.
 *
 * Between the two calls nothing may be opened by file handle: that takes
 * CAP_DAC_READ_SEARCH, which the caller need not have.
 *
 * Outside, and while acting for anyone but root, the threads go without
 * CAP_FSETID, so that every write of ours clears set-user-ID and set-group-ID
 * bits as a user's own write would, and without CAP_SYS_RESOURCE, so that
 * quotas hold. Reserved blocks are kept for a user, mostly 0, whatever his
 * capabilities: so nothing is written for anybody else as user 0.
 *
 * An ordinary user's daemon has no choice whom to act as: nothing happens.
 */
#ifndef FS_CREDS_H
#define FS_CREDS_H

#include <stdbool.h>

#include "fs/fuse.h"

/* Once per process, before any thread is made. */
void creds_init(void);

/* Before a thread makes any file of ours. */
void creds_prepare_thread(void);

/* Once per request: the calling thread may be a new one. */
void creds_enter(fuse_req_t req);
void creds_leave(void);

/* The same as who opened a handle, for what is written through it: only whose
 * blocks it takes is judged then, and his groups don't matter. */
void creds_enter_user(uid_t uid);

/* The same for a write by root itself, if `as_root`, which takes no
 * set-user-ID bits away. */
void creds_enter_writer(uid_t uid, bool as_root);

/* As somebody who is not there, to find out what he may; or as the caller,
 * where he is the file's owner, so that his groups don't matter. */
void creds_enter_groups(uid_t uid, gid_t gid, int n, const gid_t *groups);

/* As the above, for a scope. */
static inline void cleanup_creds(int *unused)
{
	(void)unused;
	creds_leave();
}

#define CREDS_SCOPE(req)                                                   \
	__attribute__((cleanup(cleanup_creds), unused)) int scope_creds_ = \
		(creds_enter(req), 0)
#define CREDS_USER_SCOPE(uid)                                              \
	__attribute__((cleanup(cleanup_creds), unused)) int scope_creds_ = \
		(creds_enter_user(uid), 0)
#define CREDS_WRITER_SCOPE(uid, as_root)                                   \
	__attribute__((cleanup(cleanup_creds), unused)) int scope_creds_ = \
		(creds_enter_writer(uid, as_root), 0)
#define CREDS_USER_GROUPS_SCOPE(uid, gid, n, groups)                       \
	__attribute__((cleanup(cleanup_creds), unused)) int scope_creds_ = \
		(creds_enter_groups(uid, gid, n, groups), 0)

#endif
