/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Requests over io_uring (Linux 6.14, module parameter fuse.enable_uring),
 * which cost half of those read from /dev/fuse.
 *
 * The kernel has a queue for each processor, and hands a request to whoever
 * waits at the queue of the processor it comes from. Here each who waits is a
 * thread with a ring of its own: one that is busy, because an open waits, stops
 * nobody else, and when the last that waits at a queue has got something to do,
 * another is made. (libfuse's own io_uring has one thread for a processor, and
 * an open that waits stops all others; so it is used for parsing only.)
 *
 *	ring_open()	before the session is served, after it is mounted
 *	ring_offer()	in the operation init
 *	ring_close()	after the session was served
 *
 * INIT, FORGET and INTERRUPT come from /dev/fuse as ever, which somebody must
 *go on serving; so does all, if the kernel refuses what it has offered. Not
 *every INTERRUPT comes: see fs/caller.c.
 *
 * An entry of the ring is fs/ringentry.h, how replies get there is
 * fs/ringreply.h.
 */
#ifndef FS_RING_H
#define FS_RING_H

#include "fs/fuse.h"

struct ring;

/* Why there can be none, as the end of a sentence, or NULL. */
const char *ring_why_not(void);

/* At most so many threads for a processor. Returns 0 or -errno: -ENOTSUP if
 * they can't run on each of them. */
int ring_open(struct ring **ret_ring, struct fuse_session *session,
	      unsigned max_threads);

/* The reply to INIT, which this thread sends next, shall ask for it, if the
 * kernel has it. NULL: no. */
void ring_offer(struct ring *r, const struct fuse_conn_info *conn);

/* Waits until what is being answered has been. NULL-safe. */
void ring_close(struct ring *r);

#endif
