/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The replies of libfuse to requests that came over the ring (fs/ring.h).
 *
 * libfuse writes them with writev(2), which the linker's --wrap makes ours: for
 * a libfuse that is linked statically.
 */
#ifndef FS_RINGREPLY_H
#define FS_RINGREPLY_H

#include "fs/ringentry.h"

#ifndef HAVE_RING /* see the Makefile */
#define HAVE_RING 0
#endif

/* What this thread replies to the request in the entry becomes its answer;
 * NULL: no longer. */
void ringreply_catch(struct ringentry *e);

/* The reply to INIT, which this thread writes to that descriptor next, shall
 * ask for requests over io_uring. Once that is written, `started` is told how
 * much room a request needs. */
void ringreply_catch_init(int fd, void (*started)(void *arg, size_t payload),
			  void *arg);

/* Writes past all that. */
ssize_t ringreply_writev(int fd, const struct iovec *iov, int n);

#endif
