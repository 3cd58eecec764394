/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/mapped.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
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
	struct stat st; /* which file it is */
	uint64_t pause;
	uint64_t look; /* when to look again */
};

/* Of one file system's mappings: another's, which hangs, is not waited for. */
struct watcher {
	struct watcher *next; /* in mapped.watchers; fixed */
	struct mapped *mapped;
	dev_t dev;
	pthread_t thread;
	pthread_cond_t changed;
	struct mapping *list; /* under mapped.mutex */
};

struct mapped {
	struct camfs *fs;
	pthread_mutex_t mutex;	  /* a leaf */
	struct watcher *watchers; /* under mutex */
	bool closing;		  /* under mutex */
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

	file->grant.after = stale_save_version(m->fs, map->fd);
	close(map->fd);
	file_free(m->fs, file, written);
	free(map);
}

/* Takes out one whose time to be looked at has come; else says when one's
 * will. */
static struct mapping *next_due(struct watcher *w, uint64_t *ret_when)
{
	*ret_when = UINT64_MAX;
	for (struct mapping **p = &w->list; *p; p = &(*p)->next) {
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

static void put_back(struct watcher *w, struct mapping *map)
{
	map->pause = map->pause < PAUSE_LONGEST / 2 ? map->pause * 2
						    : PAUSE_LONGEST;
	map->look = clock_now() + map->pause;
	map->next = w->list;
	w->list = map;
}

static void *watch(void *arg)
{
	struct watcher *w = arg;
	struct mapped *m = w->mapped;

	LOCK_SCOPE(&m->mutex);
	while (!m->closing) {
		uint64_t when;
		struct mapping *map = next_due(w, &when);
		bool over;

		if (!map) {
			wait_on(&w->changed, &w->mapped->mutex, when);
			continue;
		}
		pthread_mutex_unlock(&m->mutex);
		over = mapped_is_over(map->fd);
		if (over)
			finish(m, map);
		pthread_mutex_lock(&m->mutex);
		if (!over)
			put_back(w, map);
	}
	return NULL;
}

/* Under the mutex: the one for that file system, or NULL. */
static struct watcher *find_or_start(struct mapped *m, dev_t dev)
{
	struct watcher *w = m->watchers;

	while (w && w->dev != dev)
		w = w->next;
	if (w || m->closing)
		return w;
	w = calloc(1, sizeof(*w));
	if (!w)
		return NULL;
	*w = (struct watcher){ .mapped = m, .dev = dev, .next = m->watchers };
	pthread_cond_init(&w->changed, NULL);
	if (pthread_create(&w->thread, NULL, watch, w) != 0) {
		free(w);
		return NULL;
	}
	m->watchers = w;
	return w;
}

/* Without asking it. */
static dev_t file_system_of(int fd)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &st) < 0)
		return 0;
	return makedev(st.stx_dev_major, st.stx_dev_minor);
}

static bool hand_over(struct mapped *m, struct mapping *map)
{
	struct watcher *w;

	LOCK_SCOPE(&m->mutex);
	w = find_or_start(m, file_system_of(map->fd));
	if (!w)
		return false;
	map->next = w->list;
	w->list = map;
	pthread_cond_signal(&w->changed);
	return true;
}

void mapped_wait(struct mapped *m, int fd, struct open_file *file, bool written)
{
	struct mapping *map = calloc(1, sizeof(*map));

	file->grant.mapped = true;
	if (map)
		*map = (struct mapping){ .fd = fd,
					 .file = file,
					 .written = written,
					 .pause = PAUSE_FIRST,
					 .look = clock_now() + PAUSE_FIRST };
	if (map)
		fstat(fd, &map->st);
	if (map && hand_over(m, map))
		return;
	free(map); /* then it ends early */
	close(fd);
	file_free(m->fs, file, written);
}

bool mapped_has(struct mapped *m, const struct stat *st)
{
	LOCK_SCOPE(&m->mutex);
	for (struct watcher *w = m->watchers; w; w = w->next)
		for (struct mapping *map = w->list; map; map = map->next)
			if (map->st.st_dev == st->st_dev &&
			    map->st.st_ino == st->st_ino)
				return true;
	return false;
}

int mapped_open(struct mapped **ret_mapped, struct camfs *fs)
{
	struct mapped *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->fs = fs;
	pthread_mutex_init(&m->mutex, NULL);
	*ret_mapped = m;
	return 0;
}

/* Once it is closing, no watcher is added. */
void mapped_stop(struct mapped *m)
{
	bool stopped;

	pthread_mutex_lock(&m->mutex);
	stopped = m->closing;
	m->closing = true;
	for (struct watcher *w = m->watchers; w; w = w->next)
		pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&m->mutex);
	for (struct watcher *w = m->watchers; w && !stopped; w = w->next)
		pthread_join(w->thread, NULL);
}

static void free_watcher(struct watcher *w)
{
	while (w->list) {
		struct mapping *map = w->list;

		w->list = map->next;
		close(map->fd);
		seen_end(w->mapped->fs->seen, map->file->grant.write, NULL,
			 false);
		free(map->file->grant.folder);
		free(map->file);
		free(map);
	}
	pthread_cond_destroy(&w->changed);
	free(w);
}

void mapped_free(struct mapped *m)
{
	if (!m)
		return;
	mapped_stop(m);
	while (m->watchers) {
		struct watcher *w = m->watchers;

		m->watchers = w->next;
		free_watcher(w);
	}
	pthread_mutex_destroy(&m->mutex);
	free(m);
}
