/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One place for a request in the ring (fs/ring.h): what the kernel and the
 * thread that waits there tell each other.
 *
 *	ringentry_open()	on any thread; the rest on one
 *	ringentry_register()	after INIT, once
 *	ringentry_wait()	for a request
 *	ringentry_take()	the request, and then one of
 *	ringentry_answer()	which the next ringentry_wait() hands over
 *
 * The kernel puts the next request into the entry when it gets the answer. So
 * that is handed over when all is done that the request asks for: who is still
 * at work would keep the next one waiting, while others have nothing to do.
 * That it did not arrive, which happens when the connection ends, is known only
 * by then: what was handed out with it ends with the mount.
 */
#ifndef FS_RINGENTRY_H
#define FS_RINGENTRY_H

#include <sys/uio.h>

#include "fs/fuse.h"
#include "fs/uring.h"

struct ringentry_header;

struct ringentry {
	int fd; /* /dev/fuse */
	unsigned queue;
	struct uring uring;
	struct ringentry_header *header; /* the kernel writes and reads it */
	char *payload;
	size_t payload_size;
	struct iovec areas[2];
	char *request; /* as it would be read from /dev/fuse */
	size_t request_size;
	uint64_t unique;
	uint64_t commit_id;
	bool is_answered;
};

/* Returns 0 or -errno. */
int ringentry_open(struct ringentry *e, int fd, unsigned queue, int stop_fd);

/* Offers it to the kernel, with room for so many bytes besides the headers. If
 * that fails before each queue has one, the kernel goes on without any. Returns
 * 0 or -errno. */
int ringentry_register(struct ringentry *e, size_t payload_size);

/* Hands over the answer, if there is one, and waits for a request. Returns 0,
 * or -errno: -ECANCELED because stop_fd is readable. */
int ringentry_wait(struct ringentry *e);

/* What it asks for, and about which inode. */
unsigned ringentry_opcode(const struct ringentry *e);
uint64_t ringentry_node(const struct ringentry *e);

/* The request as it would be read from /dev/fuse, valid until the next one is
 * taken. Returns 0 or -errno. */
int ringentry_take(struct ringentry *e, struct fuse_buf *ret_request);

/* The answer as it would be written to /dev/fuse. Returns 0, or -EINVAL if it
 * is too long. */
int ringentry_answer(struct ringentry *e, const struct iovec *iov, int n);

/* Unless it is answered. `error`: 0 or -errno. */
void ringentry_answer_error(struct ringentry *e, int error);

/* Also of one that is all zero. */
void ringentry_close(struct ringentry *e);

#endif
