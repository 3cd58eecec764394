/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/ringreply.h"

#include <errno.h>
#include <linux/fuse.h>
#include <unistd.h>

#define INIT_OVER_IO_URING (1U << (41 - 32)) /* in flags2; linux/fuse.h 7.42 */
#define MIN_PAYLOAD (32 * 4096) /* FUSE_DEFAULT_MAX_PAGES_PER_REQ */

#if HAVE_RING
ssize_t __real_writev(int fd, const struct iovec *iov, int n);
#else
#define __real_writev writev
#endif
ssize_t __wrap_writev(int fd, const struct iovec *iov, int n);

/* Whose request this thread answers. */
static _Thread_local struct ringentry *current;

/* What it does with the reply to INIT. */
static _Thread_local struct {
	int fd;
	void (*started)(void *arg, size_t payload); /* NULL: nothing */
	void *arg;
} init;

void ringreply_catch(struct ringentry *e)
{
	current = e;
}

void ringreply_catch_init(int fd, void (*started)(void *arg, size_t payload),
			  void *arg)
{
	init.fd = fd;
	init.started = started;
	init.arg = arg;
}

ssize_t ringreply_writev(int fd, const struct iovec *iov, int n)
{
	return __real_writev(fd, iov, n);
}

static size_t payload_of(const struct fuse_init_out *out)
{
	size_t pages = out->max_pages * (size_t)getpagesize();
	size_t size = MIN_PAYLOAD;

	if (out->max_write > size)
		size = out->max_write;
	return pages > size ? pages : size;
}

/* From now on until all queues have somebody who waits, or one of them failed,
 * the kernel holds all requests back. */
static ssize_t answer_init(int fd, const struct iovec *iov, int n)
{
	const struct fuse_out_header *header = iov[0].iov_base;
	struct fuse_init_out *out = n == 2 ? iov[1].iov_base : NULL;
	ssize_t size;

	if (header->error || !out || iov[1].iov_len < sizeof(*out) ||
	    !(out->flags & FUSE_INIT_EXT))
		return __real_writev(fd, iov, n);
	out->flags2 |= INIT_OVER_IO_URING;
	size = __real_writev(fd, iov, n);
	if (size >= 0)
		init.started(init.arg, payload_of(out));
	return size;
}

/* What libfuse writes: a reply to a request, maybe to that of the ring; or a
 * notification, or that an interrupt was for nobody. */
ssize_t __wrap_writev(int fd, const struct iovec *iov, int n)
{
	const struct fuse_out_header *out = iov[0].iov_base;
	ssize_t size;
	int r;

	if (init.started && fd == init.fd) {
		size = answer_init(fd, iov, n);
		init.started = NULL;
		return size;
	}
	if (!current || fd != current->fd || current->is_answered ||
	    out->unique != current->unique)
		return __real_writev(fd, iov, n);
	r = ringentry_answer(current, iov, n);
	if (r == 0)
		return out->len;
	errno = -r;
	return -1;
}
