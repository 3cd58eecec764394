/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What one user may have of the daemon at a time, so that nobody can take all
 * of it from the others: requests under way, each of which keeps a thread
 * while it waits (for the file lock, for a share that hangs), and open
 * handles, each of which keeps a descriptor.
 *
 *	if (!quota_take(q, QUOTA_REQUESTS, uid))
 *		that user is told to try again later
 *	...
 *	quota_give(q, QUOTA_REQUESTS, uid)
 *
 * Root may have all there is.
 */
#ifndef FS_QUOTA_H
#define FS_QUOTA_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

#include "core/hash.h"

enum quota_of {
	QUOTA_REQUESTS,
	QUOTA_HANDLES,
	QUOTA_KINDS
};

struct quota {
	size_t limit[QUOTA_KINDS]; /* fixed */
	pthread_mutex_t mutex;	   /* a leaf */
	struct hash users;	   /* under mutex, and all that is in it */
};

void quota_init(struct quota *q, size_t requests, size_t handles);
void quota_release(struct quota *q);

/* One more; false, with a line in the log now and then, if he has as many as
 * he may. */
bool quota_take(struct quota *q, enum quota_of kind, uid_t uid);
void quota_give(struct quota *q, enum quota_of kind, uid_t uid);

/* Whether quota_take() would do. */
bool quota_has_room(struct quota *q, enum quota_of kind, uid_t uid);

#endif
