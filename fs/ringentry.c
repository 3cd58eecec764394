/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/ringentry.h"

#include <errno.h>
#include <linux/fuse.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* linux/fuse.h 7.42 */
enum {
	CMD_REGISTER = 1,
	CMD_COMMIT_AND_FETCH = 2
};

struct ringentry_header {
	union {
		struct fuse_in_header in;
		struct fuse_out_header out;
		char in_out[128];
	};
	char op_in[128];
	struct {
		uint64_t flags;
		uint64_t commit_id;
		uint32_t payload_size;
		uint32_t padding;
		uint64_t reserved;
	} entry;
};

struct command {
	uint64_t flags;
	uint64_t commit_id;
	uint16_t queue;
	uint8_t padding[6];
};

/* What a thread did before it answers is seen by whoever gets the request that
 * follows from the answer: the kernel takes care of that. The thread sanitizer
 * knows so of read(2) and write(2) only: it is shown some, of nothing. */
#ifdef __SANITIZE_THREAD__
#define SHOW_WRITE(fd) (void)!write(fd, "", 0)
#define SHOW_READ(fd) (void)!readv(fd, &(struct iovec){}, 0)
#else
#define SHOW_WRITE(fd)
#define SHOW_READ(fd)
#endif

int ringentry_open(struct ringentry *e, int fd, unsigned queue, int stop_fd)
{
	*e = (struct ringentry){ .fd = fd, .queue = queue };
	return uring_open(&e->uring, stop_fd);
}

static void prepare(struct ringentry *e, unsigned op, uint64_t commit_id)
{
	struct io_uring_sqe *sqe = uring_next(&e->uring);
	struct command *command = (void *)((char *)sqe + URING_COMMAND);

	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = e->fd;
	sqe->cmd_op = op;
	if (op == CMD_REGISTER) {
		sqe->addr = (uintptr_t)e->areas;
		sqe->len = 2;
	}
	command->queue = e->queue;
	command->commit_id = commit_id;
}

int ringentry_register(struct ringentry *e, size_t payload_size)
{
	size_t header = getpagesize();
	char *area = mmap(NULL, header + payload_size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (area != MAP_FAILED) {
		e->header = (void *)area;
		e->payload = area + header;
		e->payload_size = payload_size;
	}
	/* without memory the kernel is told so, and does not wait for us */
	e->areas[0] =
		(struct iovec){ e->header, e->header ? sizeof(*e->header) : 0 };
	e->areas[1] = (struct iovec){ e->payload, e->payload_size };
	prepare(e, CMD_REGISTER, 0);
	return uring_submit(&e->uring);
}

int ringentry_wait(struct ringentry *e)
{
	int r;

	SHOW_WRITE(e->fd);
	r = uring_wait(&e->uring);
	SHOW_READ(e->fd);
	if (r < 0)
		return r;
	e->unique = e->header->in.unique;
	e->commit_id = e->header->entry.commit_id;
	e->is_answered = false;
	return 0;
}

unsigned ringentry_opcode(const struct ringentry *e)
{
	return e->header->in.opcode;
}

uint64_t ringentry_node(const struct ringentry *e)
{
	return e->header->in.nodeid;
}

static int make_room(struct ringentry *e, size_t size)
{
	char *more;

	if (size <= e->request_size)
		return 0;
	more = realloc(e->request, size);
	if (!more)
		return -ENOMEM;
	e->request = more;
	e->request_size = size;
	return 0;
}

int ringentry_take(struct ringentry *e, struct fuse_buf *ret_request)
{
	const struct ringentry_header *h = e->header;
	size_t size = h->in.len, payload = h->entry.payload_size;
	size_t op = size - sizeof(h->in) - payload;
	int r;

	if (payload > e->payload_size || size < sizeof(h->in) + payload ||
	    op > sizeof(h->op_in))
		return -EIO;
	r = make_room(e, size);
	if (r < 0)
		return r;
	memcpy(e->request, &h->in, sizeof(h->in));
	memcpy(e->request + sizeof(h->in), h->op_in, op);
	memcpy(e->request + sizeof(h->in) + op, e->payload, payload);
	*ret_request = (struct fuse_buf){ .mem = e->request, .size = size };
	return 0;
}

int ringentry_answer(struct ringentry *e, const struct iovec *iov, int n)
{
	size_t size = 0;

	for (int i = 1; i < n; i++) {
		if (iov[i].iov_len > e->payload_size - size)
			return -EINVAL;
		memcpy(e->payload + size, iov[i].iov_base, iov[i].iov_len);
		size += iov[i].iov_len;
	}
	memcpy(&e->header->out, iov[0].iov_base, sizeof(e->header->out));
	e->header->entry.payload_size = size;
	e->is_answered = true;
	prepare(e, CMD_COMMIT_AND_FETCH, e->commit_id);
	return 0;
}

void ringentry_answer_error(struct ringentry *e, int error)
{
	struct fuse_out_header out = {
		.len = sizeof(out),
		.error = error,
		.unique = e->unique,
	};
	struct iovec iov = { &out, sizeof(out) };

	if (!e->is_answered)
		ringentry_answer(e, &iov, 1);
}

void ringentry_close(struct ringentry *e)
{
	uring_close(&e->uring);
	if (e->header)
		munmap(e->header, getpagesize() + e->payload_size);
	free(e->request);
}
