/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/mapped.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/wait.h"
#include "fs/file.h"

#define PAUSE_FIRST (1 * NSEC_PER_MSEC)
#define PAUSE_LONGEST (200 * NSEC_PER_MSEC)

struct mapping {
	struct mapping *next;
	int fd;
	struct open_file *file; /* released; not what is open */
	bool written;
	uint64_t pause;
	uint64_t look; /* when to look again */
};

struct mapped {
	struct camfs *fs;
	pthread_t watcher;
	pthread_mutex_t mutex; /* a leaf */
	pthread_cond_t changed;
	struct mapping *list; /* under mutex */
	bool closing;	      /* under mutex */
};

bool mapped_is_over(int fd)
{
	/* told by a signal that is ignored by default, if it is broken */
	fcntl(fd, F_SETSIG, SIGURG);
	if (fcntl(fd, F_SETLEASE, F_RDLCK) < 0)
		return errno != EAGAIN;
	fcntl(fd, F_SETLEASE, F_UNLCK);
	return true;
}

static void finish(struct mapped *m, struct mapping *map)
{
	struct open_file *file = map->file;
	bool written = map->written || file_has_changed(map->fd, &file->start);

	close(map->fd);
	file_free(m->fs, file, written);
	free(map);
}

/* Takes out one whose time to be looked at has come; else says when one's
 * will. */
static struct mapping *next_due(struct mapped *m, uint64_t *ret_when)
{
	*ret_when = UINT64_MAX;
	for (struct mapping **p = &m->list; *p; p = &(*p)->next) {
		struct mapping *map = *p;

		if (map->look <= clock_now()) {
			*p = map->next;
			return map;
		}
		if (map->look < *ret_when)
			*ret_when = map->look;
	}
	return NULL;
}

static void put_back(struct mapped *m, struct mapping *map)
{
	map->pause = map->pause < PAUSE_LONGEST / 2 ? map->pause * 2
						    : PAUSE_LONGEST;
	map->look = clock_now() + map->pause;
	map->next = m->list;
	m->list = map;
}

static void sleep_until(struct mapped *m, uint64_t when)
{
	struct timespec ts = { .tv_sec = (time_t)(when / NSEC_PER_SEC),
			       .tv_nsec = (long)(when % NSEC_PER_SEC) };

	if (when == UINT64_MAX)
		pthread_cond_wait(&m->changed, &m->mutex);
	else
		pthread_cond_clockwait(&m->changed, &m->mutex, CLOCK_MONOTONIC,
				       &ts);
}

static void *watch(void *arg)
{
	struct mapped *m = arg;

	LOCK_SCOPE(&m->mutex);
	while (!m->closing) {
		uint64_t when;
		struct mapping *map = next_due(m, &when);
		bool over;

		if (!map) {
			sleep_until(m, when);
			continue;
		}
		pthread_mutex_unlock(&m->mutex);
		over = mapped_is_over(map->fd);
		if (over)
			finish(m, map);
		pthread_mutex_lock(&m->mutex);
		if (!over)
			put_back(m, map);
	}
	return NULL;
}

void mapped_wait(struct mapped *m, int fd, struct open_file *file, bool written)
{
	struct mapping *map = calloc(1, sizeof(*map));

	if (!map) { /* then it ends early */
		close(fd);
		file_free(m->fs, file, written);
		return;
	}
	*map = (struct mapping){ .fd = fd,
				 .file = file,
				 .written = written,
				 .pause = PAUSE_FIRST,
				 .look = clock_now() + PAUSE_FIRST };
	LOCK_SCOPE(&m->mutex);
	map->next = m->list;
	m->list = map;
	pthread_cond_signal(&m->changed);
}

int mapped_open(struct mapped **ret_mapped, struct camfs *fs)
{
	struct mapped *m = calloc(1, sizeof(*m));
	int r;

	if (!m)
		return -ENOMEM;
	m->fs = fs;
	pthread_mutex_init(&m->mutex, NULL);
	pthread_cond_init(&m->changed, NULL);
	r = -pthread_create(&m->watcher, NULL, watch, m);
	if (r < 0) {
		free(m);
		return r;
	}
	*ret_mapped = m;
	return 0;
}

void mapped_stop(struct mapped *m)
{
	bool stopped;

	pthread_mutex_lock(&m->mutex);
	stopped = m->closing;
	m->closing = true;
	pthread_cond_signal(&m->changed);
	pthread_mutex_unlock(&m->mutex);
	if (!stopped)
		pthread_join(m->watcher, NULL);
}

void mapped_free(struct mapped *m)
{
	if (!m)
		return;
	mapped_stop(m);
	while (m->list) {
		struct mapping *map = m->list;

		m->list = map->next;
		close(map->fd);
		free(map->file->grant.folder);
		free(map->file);
		free(map);
	}
	pthread_cond_destroy(&m->changed);
	pthread_mutex_destroy(&m->mutex);
	free(m);
}
