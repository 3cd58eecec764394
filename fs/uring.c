/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/uring.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SQE_SIZE 128
#define ENTRIES 2

enum {
	THE_COMMAND = 1,
	THE_STOP = 2
}; /* user_data */

static unsigned *at(struct uring *u, unsigned offset)
{
	return (unsigned *)(u->rings + offset);
}

int uring_open(struct uring *u, int stop_fd)
{
	struct io_uring_params *p = &u->params;
	void *area;
	size_t sq, cq;
	int fd;

	*u = (struct uring){ .stop_fd = stop_fd };
	p->flags = IORING_SETUP_SQE128;
	fd = syscall(SYS_io_uring_setup, ENTRIES, p);
	if (fd < 0)
		return -errno;
	u->fd = fd;
	if (!(p->features & IORING_FEAT_SINGLE_MMAP))
		return -ENOTSUP;
	sq = p->sq_off.array + p->sq_entries * sizeof(unsigned);
	cq = p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);
	u->rings_size = sq > cq ? sq : cq;
	area = mmap(NULL, u->rings_size, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_POPULATE, fd, IORING_OFF_SQ_RING);
	if (area == MAP_FAILED)
		return -errno;
	u->rings = area;
	area = mmap(NULL, p->sq_entries * SQE_SIZE, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_POPULATE, fd, IORING_OFF_SQES);
	if (area == MAP_FAILED)
		return -errno;
	u->sqes = area;
	return 0;
}

static struct io_uring_sqe *next(struct uring *u, uint64_t what)
{
	unsigned tail = *at(u, u->params.sq_off.tail);
	unsigned index = tail & (u->params.sq_entries - 1);
	struct io_uring_sqe *sqe = (void *)(u->sqes + index * SQE_SIZE);

	memset(sqe, 0, SQE_SIZE);
	sqe->user_data = what;
	at(u, u->params.sq_off.array)[index] = index;
	__atomic_store_n(at(u, u->params.sq_off.tail), tail + 1,
			 __ATOMIC_RELEASE);
	return sqe;
}

struct io_uring_sqe *uring_next(struct uring *u)
{
	struct io_uring_sqe *stop;

	if (!u->is_watching) {
		u->is_watching = true;
		stop = next(u, THE_STOP);
		stop->opcode = IORING_OP_POLL_ADD;
		stop->fd = u->stop_fd;
		stop->poll32_events = POLLIN;
	}
	return next(u, THE_COMMAND);
}

static int enter(struct uring *u, unsigned wait)
{
	unsigned n =
		*at(u, u->params.sq_off.tail) -
		__atomic_load_n(at(u, u->params.sq_off.head), __ATOMIC_ACQUIRE);
	int r = syscall(SYS_io_uring_enter, u->fd, n, wait,
			wait ? IORING_ENTER_GETEVENTS : 0, NULL, 0);

	return r < 0 ? -errno : 0;
}

/* Returns whether something is done, and what: the first is left in place. */
static const struct io_uring_cqe *first_done(struct uring *u)
{
	const struct io_uring_cqe *cqes =
		(void *)(u->rings + u->params.cq_off.cqes);
	unsigned head = *at(u, u->params.cq_off.head);

	if (head ==
	    __atomic_load_n(at(u, u->params.cq_off.tail), __ATOMIC_ACQUIRE))
		return NULL;
	return &cqes[head & (u->params.cq_entries - 1)];
}

static void drop_first(struct uring *u)
{
	unsigned *head = at(u, u->params.cq_off.head);

	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
}

/* What has failed at once is also what the waiting ends with. */
int uring_submit(struct uring *u)
{
	const struct io_uring_cqe *done;
	int r;

	do
		r = enter(u, 0);
	while (r == -EINTR || r == -EAGAIN);
	if (r < 0)
		return r;
	done = first_done(u);
	if (done && done->user_data == THE_STOP) {
		u->has_ended = true;
		drop_first(u);
		done = first_done(u);
	}
	return done && done->res < 0 ? done->res : 0;
}

int uring_wait(struct uring *u)
{
	const struct io_uring_cqe *done;
	int r;

	for (;;) {
		r = enter(u, !u->has_ended);
		if (r < 0 && r != -EINTR && r != -EAGAIN)
			return r;
		while ((done = first_done(u))) {
			bool is_stop = done->user_data == THE_STOP;

			r = done->res;
			drop_first(u);
			if (!is_stop)
				return r < 0 ? r : 0;
			u->has_ended = true;
		}
		if (u->has_ended)
			return -ECANCELED;
	}
}

void uring_close(struct uring *u)
{
	if (u->sqes)
		munmap(u->sqes, u->params.sq_entries * SQE_SIZE);
	if (u->rings)
		munmap(u->rings, u->rings_size);
	if (u->fd)
		close(u->fd);
}
