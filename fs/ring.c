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
#include <unistd.h>

#include "core/cleanup.h"
#include "core/deadmount.h"
#include "fs/log.h"
#include "fs/ringentry.h"
#include "fs/ringreply.h"

#define PARAMETER "/sys/module/fuse/parameters/enable_uring"
#define MAX_QUEUES 256
#define MAX_KICKS 16

/* Who waits for requests, with an entry of his own. */
struct waiter {
	struct ring *ring;
	struct waiter *next; /* in ring->waiters */
	bool is_first;	     /* at his queue */
	pthread_t thread;
	struct ringentry entry;

	/* guarded by the ring's mutex */
	bool is_busy;
	uint64_t node; /* what he was asked about last; 0: nothing yet */
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
	unsigned n_kicks;
	struct waiter *waiters;
	struct queue {
		unsigned n_threads;
		unsigned n_idle; /* who wait, or soon will */
	} queues[MAX_QUEUES];
};

static int start_waiter(struct ring *r, unsigned queue, bool is_first);

/* ---- starting ---- */

static void start(void *arg, size_t payload_size)
{
	struct ring *r = arg;

	LOCK_SCOPE(&r->mutex);
	r->payload_size = payload_size;
	r->is_started = true;
	pthread_cond_broadcast(&r->changed);
}

void ring_offer(struct ring *r, const struct fuse_conn_info *conn)
{
#ifdef FUSE_CAP_OVER_IO_URING
	if (r && conn->capable_ext & FUSE_CAP_OVER_IO_URING)
		ringreply_catch_init(r->fd, start, r);
#endif
}

static bool await_start(struct ring *r)
{
	LOCK_SCOPE(&r->mutex);
	while (!r->is_started && !r->is_stopping)
		pthread_cond_wait(&r->changed, &r->mutex);
	return !r->is_stopping;
}

/* ---- threads ---- */

/* The inodes that those at the queue were asked about last, first those who are
 * still at it: these the kernel knows for sure. Returns how many. */
static size_t nodes_of(struct ring *r, unsigned queue, uint64_t *nodes)
{
	size_t n = 0;

	LOCK_SCOPE(&r->mutex);
	for (int busy = 1; busy >= 0; busy--)
		for (struct waiter *w = r->waiters; w && n < MAX_KICKS;
		     w = w->next)
			if (w->entry.queue == queue && w->is_busy == busy &&
			    w->node)
				nodes[n++] = w->node;
	return n;
}

static uint64_t kick_number(struct ring *r)
{
	LOCK_SCOPE(&r->mutex);
	/* no request of the kernel's own has that number, which is even */
	return 1ULL << 62 | (uint64_t)++r->n_kicks << 1;
}

/* Requests that came when nobody waited at the queue the kernel does not hand
 * to who comes to it later, only to who answers. So we let it send us something
 * to answer, nothing of a file: this thread runs on the processor of the queue.
 * Of a folder Linux 6.18 sends nothing; but who waits long opens something. */
static void kick(struct ring *r, unsigned queue)
{
	struct {
		struct fuse_out_header out;
		struct fuse_notify_retrieve_out retrieve;
	} notice = {
		.out = { .len = sizeof(notice), .error = FUSE_NOTIFY_RETRIEVE },
	};
	struct iovec iov = { &notice, sizeof(notice) };
	uint64_t nodes[MAX_KICKS];
	size_t n = nodes_of(r, queue, nodes);

	for (size_t i = 0; i < n; i++) {
		notice.retrieve.nodeid = nodes[i];
		notice.retrieve.notify_unique = kick_number(r);
		if (ringreply_writev(r->fd, &iov, 1) >= 0)
			return;
	}
}

static void begin(struct waiter *w)
{
	struct ring *r = w->ring;
	bool was_last;

	pthread_mutex_lock(&r->mutex);
	w->node = ringentry_node(&w->entry);
	w->is_busy = true;
	was_last = --r->queues[w->entry.queue].n_idle == 0;
	pthread_mutex_unlock(&r->mutex);
	if (was_last)
		start_waiter(r, w->entry.queue, false);
}

static void end(struct waiter *w)
{
	LOCK_SCOPE(&w->ring->mutex);
	w->is_busy = false;
	w->ring->queues[w->entry.queue].n_idle++;
}

static void handle(struct waiter *w)
{
	struct ringentry *e = &w->entry;
	struct fuse_buf request;
	int error;

	if (ringentry_opcode(e) == FUSE_NOTIFY_REPLY) { /* to kick() */
		ringentry_answer_error(e, 0);
		return;
	}
	begin(w);
	error = ringentry_take(e, &request);
	if (error == 0) {
		ringreply_catch(e);
		fuse_session_process_buf(w->ring->session, &request);
		ringreply_catch(NULL);
		error = -EIO;
	}
	ringentry_answer_error(e, error);
	end(w);
}

/* That the connection ended is no failure. */
static void tell_once(struct ring *r, const char *what, int error)
{
	bool was_told;

	if (error == -ECANCELED || deadmount_says(-error))
		return;
	pthread_mutex_lock(&r->mutex);
	was_told = r->was_told || r->is_stopping;
	r->was_told = true;
	pthread_mutex_unlock(&r->mutex);
	if (!was_told)
		log_warning("%s over io_uring: %s", what, strerror(-error));
}

/* Fails for a processor that is not there: no request comes from it, either. */
static void run_on(unsigned processor)
{
	cpu_set_t cpu;

	CPU_ZERO(&cpu);
	CPU_SET(processor, &cpu);
	sched_setaffinity(0, sizeof(cpu), &cpu);
}

static void *serve(void *arg)
{
	struct waiter *w = arg;
	struct ring *r = w->ring;
	int error;

	run_on(w->entry.queue);
	if (!await_start(r))
		return NULL;
	error = ringentry_register(&w->entry, r->payload_size);
	if (error < 0) {
		tell_once(r, "cannot get requests", error);
		return NULL;
	}
	if (!w->is_first)
		kick(r, w->entry.queue);
	while ((error = ringentry_wait(&w->entry)) == 0)
		handle(w);
	tell_once(r, "cannot answer a request", error);
	return NULL;
}

static void waiter_free(struct waiter *w)
{
	ringentry_close(&w->entry);
	free(w);
}

static int start_thread(struct waiter *w)
{
	struct ring *r = w->ring;
	struct queue *q = &r->queues[w->entry.queue];
	int error;

	LOCK_SCOPE(&r->mutex);
	if (r->is_stopping || q->n_threads >= r->max_threads)
		return -EAGAIN;
	error = pthread_create(&w->thread, NULL, serve, w);
	if (error)
		return -error;
	q->n_threads++;
	q->n_idle++;
	w->next = r->waiters;
	r->waiters = w;
	return 0;
}

static int start_waiter(struct ring *r, unsigned queue, bool is_first)
{
	struct waiter *w = calloc(1, sizeof(*w));
	int error;

	if (!w)
		return -ENOMEM;
	w->ring = r;
	w->is_first = is_first;
	error = ringentry_open(&w->entry, r->fd, queue, r->stop_fd);
	if (error == 0)
		error = start_thread(w);
	if (error < 0)
		waiter_free(w);
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

/* Or kick() could not be where it has to be. */
static bool may_run_everywhere(void)
{
	cpu_set_t before, all;
	bool may;

	if (sched_getaffinity(0, sizeof(before), &before) < 0)
		return false;
	memset(&all, 0xff, sizeof(all));
	may = sched_setaffinity(0, sizeof(all), &all) == 0 &&
	      sched_getaffinity(0, sizeof(all), &all) == 0 &&
	      CPU_COUNT(&all) >= sysconf(_SC_NPROCESSORS_ONLN);
	sched_setaffinity(0, sizeof(before), &before);
	return may;
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
	else if (r->n_queues == 0 || r->n_queues > MAX_QUEUES ||
		 !may_run_everywhere())
		error = -ENOTSUP;
	for (unsigned i = 0; i < r->n_queues && error == 0; i++)
		error = start_waiter(r, i, true);
	if (error == 0)
		*ret_ring = r;
	else
		ring_close(r);
	return error;
}

static struct waiter *take_waiter(struct ring *r)
{
	struct waiter *w;

	LOCK_SCOPE(&r->mutex);
	w = r->waiters;
	if (w)
		r->waiters = w->next;
	return w;
}

void ring_close(struct ring *r)
{
	struct waiter *w;

	if (!r)
		return;
	pthread_mutex_lock(&r->mutex);
	r->is_stopping = true;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->mutex);
	if (r->stop_fd >= 0)
		eventfd_write(r->stop_fd, 1);
	while ((w = take_waiter(r))) {
		pthread_join(w->thread, NULL);
		waiter_free(w);
	}
	if (r->stop_fd >= 0)
		close(r->stop_fd);
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->mutex);
	free(r);
}
