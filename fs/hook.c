/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/hook.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/wait.h"
#include "fs/command.h"
#include "fs/log.h"

#define LAST_MS 5000 /* for what is left at the end */
#define SAID_SIZE 300

struct event {
	struct event *next; /* in hook.queue, oldest first */
	size_t len;
	char line[];
};

struct hook {
	const char *command; /* borrowed */
	pthread_t workers[HOOK_WORKERS];
	int n_workers;

	pthread_mutex_t mutex; /* a leaf */
	pthread_cond_t wanted; /* there is an event, or closing */
	struct event *queue;   /* under mutex */
	struct event **last;   /* under mutex */
	size_t n_queued;       /* under mutex */
	size_t n_dropped;      /* under mutex: since it was last said */
	uint64_t closing;      /* under mutex: until when; 0: no */
};

/* ---- one command ---- */

/* A file without a name, to be read from its beginning. */
static int make_input(const struct event *e)
{
	int fd = memfd_create("event", MFD_CLOEXEC);

	if (fd < 0)
		return -1;
	if (write(fd, e->line, e->len) != (ssize_t)e->len ||
	    lseek(fd, 0, SEEK_SET) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

struct event_job {
	struct hook *hook;
	uint64_t until;
};

static uint64_t deadline(void *arg)
{
	const struct event_job *job = arg;
	struct hook *h = job->hook;

	LOCK_SCOPE(&h->mutex);
	return h->closing && h->closing < job->until ? h->closing : job->until;
}

/* The first line of what the command had to say. */
static void read_said(int fd, char said[SAID_SIZE])
{
	ssize_t n = pread(fd, said, SAID_SIZE - 1, 0);

	said[n > 0 ? n : 0] = '\0';
	said[strcspn(said, "\n")] = '\0';
}

static void tell_failure(const struct hook *h, int status, int said_fd)
{
	char said[SAID_SIZE];

	read_said(said_fd, said);
	if (status == -ETIMEDOUT)
		log_warning("the command for events '%s' was killed: it took "
			    "too long",
			    h->command);
	else if (status < 0)
		log_warning("cannot run the command for events '%s': %s",
			    h->command, strerror(-status));
	else if (WIFSIGNALED(status))
		log_warning("the command for events '%s' was killed by signal "
			    "%d: %s",
			    h->command, WTERMSIG(status), said);
	else if (WEXITSTATUS(status) != 0)
		log_warning("the command for events '%s' ended with status "
			    "%d: %s",
			    h->command, WEXITSTATUS(status), said);
}

static void run(struct event_job *job, const struct event *e)
{
	const char *argv[] = { "/bin/sh", "-c", job->hook->command, NULL };
	_cleanup_close_ int in = make_input(e);
	_cleanup_close_ int said = memfd_create("said", MFD_CLOEXEC);
	struct command c = { .argv = argv,
			     .in = in,
			     .out = -1,
			     .err = said,
			     .deadline = deadline,
			     .arg = job };

	job->until = clock_now() + HOOK_SECONDS * NSEC_PER_SEC;
	tell_failure(job->hook, in < 0 || said < 0 ? -ENOMEM : command_run(&c),
		     said);
}

/* ---- the queue ---- */

/* Waits for an event; NULL: it is over. */
static struct event *next_event(struct hook *h)
{
	struct event *e;

	LOCK_SCOPE(&h->mutex);
	while (!h->queue && !h->closing)
		pthread_cond_wait(&h->wanted, &h->mutex);
	e = h->queue;
	if (!e)
		return NULL;
	h->queue = e->next;
	if (!h->queue)
		h->last = &h->queue;
	h->n_queued--;
	return e;
}

static void tell_dropped(struct hook *h)
{
	size_t n;

	pthread_mutex_lock(&h->mutex);
	n = h->n_queued < HOOK_QUEUE / 2 || h->closing ? h->n_dropped : 0;
	h->n_dropped -= n;
	pthread_mutex_unlock(&h->mutex);
	if (n)
		log_warning("%zu events were not given to the command '%s': "
			    "it is too slow",
			    n, h->command);
}

static bool is_late(struct hook *h)
{
	LOCK_SCOPE(&h->mutex);
	return h->closing && clock_now() >= h->closing;
}

static void drop(struct hook *h)
{
	LOCK_SCOPE(&h->mutex);
	h->n_dropped++;
}

static void *work(void *arg)
{
	struct hook *h = arg;
	struct event_job job = { .hook = h };
	struct event *e;

	while ((e = next_event(h))) {
		if (is_late(h))
			drop(h);
		else
			run(&job, e);
		free(e);
		tell_dropped(h);
	}
	return NULL;
}

void hook_tell(void *hook, const char *line, size_t len)
{
	struct hook *h = hook;
	struct event *e = malloc(sizeof(*e) + len);

	LOCK_SCOPE(&h->mutex);
	if (!e || h->n_queued >= HOOK_QUEUE) {
		h->n_dropped++;
		free(e);
		return;
	}
	e->next = NULL;
	e->len = len;
	memcpy(e->line, line, len);
	*h->last = e;
	h->last = &e->next;
	h->n_queued++;
	pthread_cond_signal(&h->wanted);
}

int hook_open(struct hook **ret_hook, const char *command)
{
	struct hook *h = calloc(1, sizeof(*h));
	int r = 0;

	if (!h)
		return -ENOMEM;
	h->command = command;
	h->last = &h->queue;
	pthread_mutex_init(&h->mutex, NULL);
	pthread_cond_init(&h->wanted, NULL);
	while (r == 0 && h->n_workers < HOOK_WORKERS) {
		r = -pthread_create(&h->workers[h->n_workers], NULL, work, h);
		h->n_workers += r == 0;
	}
	if (r < 0) {
		hook_free(h);
		return r;
	}
	*ret_hook = h;
	return 0;
}

void hook_free(struct hook *h)
{
	if (!h)
		return;
	pthread_mutex_lock(&h->mutex);
	h->closing = clock_now() + LAST_MS * NSEC_PER_MSEC;
	pthread_cond_broadcast(&h->wanted);
	pthread_mutex_unlock(&h->mutex);
	for (int i = 0; i < h->n_workers; i++)
		pthread_join(h->workers[i], NULL);
	pthread_cond_destroy(&h->wanted);
	pthread_mutex_destroy(&h->mutex);
	free(h);
}
