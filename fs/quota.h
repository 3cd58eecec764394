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
 *
 * A close can't be refused, and may wait, too. What one user, even root, closes
 * beyond a few at a time is queued for whoever of his is done first:
 *
 *	if (quota_begin(q, uid, waiter))
 *		do
 *			close it
 *		while ((waiter = quota_end(q, uid)))
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
	QUOTA_CONTROLS, /* of them, those with a request in memory */
	QUOTA_KINDS
};

/* The first part of what is queued. */
struct quota_waiter {
	struct quota_waiter *next;
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

/* Whether a close may begin; if not, it is queued. */
bool quota_begin(struct quota *q, uid_t uid, struct quota_waiter *waiter);

/* One is done. Returns the next one, which may begin, or NULL. */
struct quota_waiter *quota_end(struct quota *q, uid_t uid);

#endif
