/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/ring.h"

#include <errno.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "fs/log.h"
#include "fs/uring.h"

#ifndef HAVE_RING /* libfuse is linked statically, see the Makefile */
#define HAVE_RING 0
#endif

#define PARAMETER "/sys/module/fuse/parameters/enable_uring"
#define MAX_QUEUES 256
#define MIN_PAYLOAD (32 * 4096) /* FUSE_DEFAULT_MAX_PAGES_PER_REQ */

/* ---- what the kernel and we tell each other: linux/fuse.h 7.42 ---- */

#define INIT_OVER_IO_URING (1U << (41 - 32)) /* in flags2 */

enum {
	CMD_REGISTER = 1,
	CMD_COMMIT_AND_FETCH = 2
};

struct request_header {
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

/* ---- ours ---- */

/* Who waits for requests. All is its thread's own, but for what is said. */
struct entry {
	struct ring *ring;
	struct entry *next; /* in ring->entries */
	unsigned queue;
	bool is_first; /* of its queue; fixed */
	pthread_t thread;
	struct uring uring;
	struct request_header *header; /* the kernel writes and reads it */
	char *payload;
	struct iovec areas[2];
	char *request; /* as it would be read from /dev/fuse; stays until it is
			  done, when the kernel may have put the next one into
			  header and payload */
	size_t request_size;
	uint64_t unique;
	uint64_t commit_id;
	bool is_answered;
};

struct ring {
	struct fuse_session *session;
	int fd;	     /* /dev/fuse */
	int stop_fd; /* readable: end */
	unsigned n_queues;
	unsigned max_threads;
	size_t payload_size; /* set before is_started */

	pthread_mutex_t mutex; /* guards the rest */
	pthread_cond_t changed;
	bool is_started; /* INIT is answered */
	bool is_stopping;
	bool was_told; /* that it doesn't work */
	unsigned n_threads;
	unsigned n_kicks;
	struct entry *entries;
	unsigned idle[MAX_QUEUES]; /* who waits at a queue, or soon will */
};

/* Whose request this thread answers. */
static _Thread_local struct entry *current;
/* Whose INIT it answers. */
static _Thread_local struct ring *initialising;

/* ---- replies ---- */

#if HAVE_RING
ssize_t __real_writev(int fd, const struct iovec *iov, int n);
#else
#define __real_writev writev
#endif
ssize_t __wrap_writev(int fd, const struct iovec *iov, int n);

static void prepare(struct entry *e, unsigned op, uint64_t commit_id)
{
	struct io_uring_sqe *sqe = uring_next(&e->uring);
	struct command *command = (void *)((char *)sqe + URING_COMMAND);

	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = e->ring->fd;
	sqe->cmd_op = op;
	if (op == CMD_REGISTER) {
		sqe->addr = (uintptr_t)e->areas;
		sqe->len = 2;
	}
	command->queue = e->queue;
	command->commit_id = commit_id;
}

/* Answers, and lets the kernel put the next request into the entry: at once, if
 * one waits. */
static int commit(struct entry *e)
{
	e->is_answered = true;
	prepare(e, CMD_COMMIT_AND_FETCH, e->commit_id);
	return uring_submit(&e->uring);
}

static int answer(struct entry *e, const struct iovec *iov, int n)
{
	size_t size = 0;

	for (int i = 1; i < n; i++) {
		if (iov[i].iov_len > e->ring->payload_size - size)
			return -EINVAL;
		memcpy(e->payload + size, iov[i].iov_base, iov[i].iov_len);
		size += iov[i].iov_len;
	}
	memcpy(&e->header->out, iov[0].iov_base, sizeof(e->header->out));
	e->header->entry.payload_size = size;
	return commit(e);
}

static void answer_error(struct entry *e, int error)
{
	struct fuse_out_header out = {
		.len = sizeof(out),
		.error = error,
		.unique = e->unique,
	};
	struct iovec iov = { &out, sizeof(out) };

	answer(e, &iov, 1);
}

static void start(struct ring *r, const struct fuse_init_out *init)
{
	LOCK_SCOPE(&r->mutex);
	r->payload_size = MIN_PAYLOAD;
	if (init->max_write > r->payload_size)
		r->payload_size = init->max_write;
	if (init->max_pages * (size_t)getpagesize() > r->payload_size)
		r->payload_size = init->max_pages * (size_t)getpagesize();
	r->is_started = true;
	pthread_cond_broadcast(&r->changed);
}

/* From now on until all queues have somebody who waits, or one of them failed,
 * the kernel holds all requests back. */
static ssize_t answer_init(struct ring *r, const struct iovec *iov, int n)
{
	const struct fuse_out_header *out = iov[0].iov_base;
	struct fuse_init_out *init = n == 2 ? iov[1].iov_base : NULL;
	ssize_t size;

	if (out->error || !init || iov[1].iov_len < sizeof(*init) ||
	    !(init->flags & FUSE_INIT_EXT))
		return __real_writev(r->fd, iov, n);
	init->flags2 |= INIT_OVER_IO_URING;
	size = __real_writev(r->fd, iov, n);
	if (size >= 0)
		start(r, init);
	return size;
}

/* What libfuse writes: a reply to a request, maybe to that of the ring; or a
 * notification, or that an interrupt was for nobody. */
ssize_t __wrap_writev(int fd, const struct iovec *iov, int n)
{
	const struct fuse_out_header *out = iov[0].iov_base;
	struct entry *e = current;
	struct ring *r = initialising;
	int error;

	if (r && fd == r->fd) {
		initialising = NULL;
		return answer_init(r, iov, n);
	}
	if (!e || fd != e->ring->fd || e->is_answered ||
	    out->unique != e->unique)
		return __real_writev(fd, iov, n);
	error = answer(e, iov, n);
	if (error == 0)
		return out->len;
	errno = -error;
	return -1;
}

void ring_offer(struct ring *r, const struct fuse_conn_info *conn)
{
#ifdef FUSE_CAP_OVER_IO_URING
	if (r && conn->capable_ext & FUSE_CAP_OVER_IO_URING)
		initialising = r;
#endif
}

/* ---- threads ---- */

static int start_entry(struct ring *r, unsigned queue, bool is_first);

/* Requests that came when nobody waited at the queue the kernel does not hand
 * to who comes to it later, only to who answers. So we let it send us something
 * to answer: this thread runs on the processor of the queue. */
static void kick(struct entry *e)
{
	struct {
		struct fuse_out_header out;
		struct fuse_notify_retrieve_out retrieve;
	} notice = {
		.out = { .len = sizeof(notice), .error = FUSE_NOTIFY_RETRIEVE },
		.retrieve = { .nodeid = FUSE_ROOT_ID },
	};
	struct iovec iov = { &notice, sizeof(notice) };
	uint64_t number;

	pthread_mutex_lock(&e->ring->mutex);
	number = ++e->ring->n_kicks;
	pthread_mutex_unlock(&e->ring->mutex);
	/* no request of the kernel's own has that number, which is even */
	notice.retrieve.notify_unique = 1ULL << 62 | number << 1;
	__real_writev(e->ring->fd, &iov, 1);
}

static void keep_one_waiting(struct entry *e)
{
	struct ring *r = e->ring;
	bool is_needed;

	pthread_mutex_lock(&r->mutex);
	is_needed = --r->idle[e->queue] == 0;
	pthread_mutex_unlock(&r->mutex);
	if (is_needed)
		start_entry(r, e->queue, false);
}

static void wait_again(struct entry *e)
{
	LOCK_SCOPE(&e->ring->mutex);
	e->ring->idle[e->queue]++;
}

/* Puts the request together as it would be read from /dev/fuse. */
static int assemble(struct entry *e)
{
	const struct request_header *h = e->header;
	size_t size = h->in.len, payload = h->entry.payload_size;
	size_t op;

	if (payload > e->ring->payload_size || size < sizeof(h->in) + payload ||
	    size > sizeof(h->in) + sizeof(h->op_in) + payload)
		return -EIO;
	if (size > e->request_size) {
		char *more = realloc(e->request, size);

		if (!more)
			return -ENOMEM;
		e->request = more;
		e->request_size = size;
	}
	op = size - sizeof(h->in) - payload;
	memcpy(e->request, &h->in, sizeof(h->in));
	memcpy(e->request + sizeof(h->in), h->op_in, op);
	memcpy(e->request + sizeof(h->in) + op, e->payload, payload);
	return 0;
}

static void handle(struct entry *e)
{
	struct fuse_buf buf = {};
	int r;

	e->unique = e->header->in.unique;
	e->commit_id = e->header->entry.commit_id;
	e->is_answered = false;
	if (e->header->in.opcode == FUSE_NOTIFY_REPLY) { /* to kick() */
		answer_error(e, 0);
		return;
	}
	keep_one_waiting(e);
	r = assemble(e);
	if (r == 0) {
		buf.mem = e->request;
		buf.size = ((struct fuse_in_header *)e->request)->len;
		current = e;
		fuse_session_process_buf(e->ring->session, &buf);
		current = NULL;
		r = -EIO;
	}
	/* before the next request can be seen */
	wait_again(e);
	if (!e->is_answered)
		answer_error(e, r);
}

static bool await_start(struct ring *r)
{
	LOCK_SCOPE(&r->mutex);
	while (!r->is_started && !r->is_stopping)
		pthread_cond_wait(&r->changed, &r->mutex);
	return !r->is_stopping;
}

/* If it is the first one of a queue that fails, the kernel goes on without. */
static int enroll(struct entry *e)
{
	size_t header = getpagesize();
	char *area = mmap(NULL, header + e->ring->payload_size,
			  PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (area == MAP_FAILED)
		area = NULL;
	else
		e->payload = area + header;
	e->header = (void *)area;
	/* without memory the kernel is told so, and does not wait for us */
	e->areas[0] = (struct iovec){ area, area ? sizeof(*e->header) : 0 };
	e->areas[1] =
		(struct iovec){ e->payload, area ? e->ring->payload_size : 0 };
	prepare(e, CMD_REGISTER, 0);
	return uring_submit(&e->uring);
}

static void tell_once(struct ring *r, int error)
{
	bool was_told;

	pthread_mutex_lock(&r->mutex);
	was_told = r->was_told || r->is_stopping;
	r->was_told = true;
	pthread_mutex_unlock(&r->mutex);
	if (!was_told)
		log_warning("cannot get requests over io_uring: %s",
			    strerror(-error));
}

static void *serve(void *arg)
{
	struct entry *e = arg;
	cpu_set_t cpu;
	int r;

	/* fails for one that is not there: no request comes from it, either */
	CPU_ZERO(&cpu);
	CPU_SET(e->queue, &cpu);
	sched_setaffinity(0, sizeof(cpu), &cpu);
	if (!await_start(e->ring))
		return NULL;
	r = enroll(e);
	if (r < 0) {
		if (r != -ENOTCONN && r != -ECONNABORTED)
			tell_once(e->ring, r);
		return NULL;
	}
	if (!e->is_first)
		kick(e);
	while (uring_wait(&e->uring) == 0)
		handle(e);
	return NULL;
}

static void entry_free(struct entry *e)
{
	uring_close(&e->uring);
	if (e->header)
		munmap(e->header, getpagesize() + e->ring->payload_size);
	free(e->request);
	free(e);
}

static int start_entry(struct ring *r, unsigned queue, bool is_first)
{
	struct entry *e = calloc(1, sizeof(*e));
	int error;

	if (!e)
		return -ENOMEM;
	e->ring = r;
	e->queue = queue;
	e->is_first = is_first;
	error = uring_open(&e->uring, r->stop_fd);
	if (error == 0) {
		LOCK_SCOPE(&r->mutex);
		if (r->is_stopping ||
		    (!is_first && r->n_threads >= r->max_threads))
			error = -EAGAIN;
		else
			error = -pthread_create(&e->thread, NULL, serve, e);
		if (error == 0) {
			r->n_threads++;
			r->idle[queue]++;
			e->next = r->entries;
			r->entries = e;
		}
	}
	if (error < 0)
		entry_free(e);
	return error;
}

/* ---- all of it ---- */

static bool is_enabled(void)
{
	FILE *f = fopen(PARAMETER, "re");
	int c = f ? getc(f) : 'N';

	if (f)
		fclose(f);
	return c == 'Y';
}

const char *ring_why_not(void)
{
	if (!HAVE_RING)
		return "this camlock was built with the system's libfuse";
	if (access(PARAMETER, F_OK) < 0)
		return "it takes Linux 6.14 or later";
	if (!is_enabled())
		return "it is off in the kernel; root can turn it on: echo Y "
		       ">" PARAMETER;
	return NULL;
}

/* "0-1,4": how many processors there may ever be; the kernel has a queue for
 * each. 0: nobody knows. */
static unsigned count_queues(void)
{
	FILE *f = fopen("/sys/devices/system/cpu/possible", "re");
	unsigned from, to, n = 0;
	int got;

	while (f && (got = fscanf(f, "%u-%u,", &from, &to)) > 0) {
		n += got == 2 ? to - from + 1 : 1;
		if (got == 1 && getc(f) != ',')
			break;
	}
	if (f)
		fclose(f);
	return n;
}

int ring_open(struct ring **ret_ring, struct fuse_session *session,
	      unsigned max_threads)
{
	struct ring *r = calloc(1, sizeof(*r));
	int error = 0;

	if (!r)
		return -ENOMEM;
	pthread_mutex_init(&r->mutex, NULL);
	pthread_cond_init(&r->changed, NULL);
	r->session = session;
	r->fd = fuse_session_fd(session);
	r->max_threads = max_threads;
	r->n_queues = count_queues();
	r->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (r->stop_fd < 0)
		error = -errno;
	else if (r->n_queues == 0 || r->n_queues > MAX_QUEUES)
		error = -ENOTSUP;
	for (unsigned i = 0; i < r->n_queues && error == 0; i++)
		error = start_entry(r, i, true);
	if (error == 0)
		*ret_ring = r;
	else
		ring_close(r);
	return error;
}

static struct entry *take_entry(struct ring *r)
{
	struct entry *e;

	LOCK_SCOPE(&r->mutex);
	e = r->entries;
	if (e)
		r->entries = e->next;
	return e;
}

void ring_close(struct ring *r)
{
	struct entry *e;

	if (!r)
		return;
	pthread_mutex_lock(&r->mutex);
	r->is_stopping = true;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->mutex);
	if (r->stop_fd >= 0)
		eventfd_write(r->stop_fd, 1);
	while ((e = take_entry(r))) {
		pthread_join(e->thread, NULL);
		entry_free(e);
	}
	if (r->stop_fd >= 0)
		close(r->stop_fd);
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->mutex);
	free(r);
}
