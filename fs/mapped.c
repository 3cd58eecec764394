/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/mapped.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/wait.h"
#include "core/writers.h"
#include "fs/file.h"

#define PAUSE_FIRST (1 * NSEC_PER_MSEC)
#define PAUSE_LONGEST (200 * NSEC_PER_MSEC)

#define NOT_YET UINT64_MAX

/* All under mapped.mutex, but for what is fixed. */
struct mapping {
	struct mapping *next;
	struct watcher *watcher; /* fixed */
	struct open_file *file;	 /* fixed: released; what it was granted is
				    under the mutex, no more under the stripe */
	dev_t dev;		 /* fixed: which file it is */
	ino_t ino;
	int fd; /* fixed, from mapped_wait() on */
	bool written;
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
	pthread_mutex_t mutex;	  /* after an inode's stripe, before those
				     of checkouts and seen */
	struct watcher *watchers; /* under mutex */
	bool closing;		  /* under mutex */
};

static void finish(struct mapped *m, struct mapping *map)
{
	struct open_file *file = map->file;
	bool written = map->written || file_has_changed(map->fd, &file->start);

	file->grant.after = stale_save_version(m->fs, map->fd);
	close(map->fd);
	file_free(m->fs, file, written);
	free(map);
}

/* One whose time to be looked at has come; else says when one's will. */
static struct mapping *next_due(struct watcher *w, uint64_t *ret_when)
{
	*ret_when = UINT64_MAX;
	for (struct mapping *map = w->list; map; map = map->next) {
		if (map->look <= clock_now())
			return map;
		if (map->look < *ret_when)
			*ret_when = map->look;
	}
	return NULL;
}

static void take_out(struct watcher *w, struct mapping *map)
{
	struct mapping **p = &w->list;

	while (*p != map)
		p = &(*p)->next;
	*p = map->next;
}

static void put_off(struct mapping *map)
{
	map->pause = map->pause < PAUSE_LONGEST / 2 ? map->pause * 2
						    : PAUSE_LONGEST;
	map->look = clock_now() + map->pause;
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
		over = !writers_exist(map->fd);
		pthread_mutex_lock(&m->mutex);
		if (!over) {
			put_off(map);
			continue;
		}
		take_out(w, map);
		pthread_mutex_unlock(&m->mutex);
		finish(m, map);
		pthread_mutex_lock(&m->mutex);
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

struct mapping *mapped_begin(struct mapped *m, struct open_file *file)
{
	struct mapping *map;
	struct watcher *w;

	if (!file->passthrough || (file->flags & O_ACCMODE) != O_RDWR)
		return NULL;
	pthread_mutex_lock(&m->mutex);
	w = find_or_start(m, file->inode->dev);
	pthread_mutex_unlock(&m->mutex);
	map = w ? calloc(1, sizeof(*map)) : NULL;
	if (map)
		*map = (struct mapping){ .watcher = w,
					 .file = file,
					 .dev = file->inode->dev,
					 .ino = file->inode->ino,
					 .fd = -1,
					 .look = NOT_YET };
	return map;
}

void mapped_enter(struct mapping *map)
{
	LOCK_SCOPE(&map->watcher->mapped->mutex);
	map->next = map->watcher->list;
	map->watcher->list = map;
}

void mapped_wait(struct mapping *map, int fd, bool written)
{
	struct watcher *w = map->watcher;

	LOCK_SCOPE(&w->mapped->mutex);
	map->fd = fd;
	map->written |= written;
	map->file->grant.mapped = true;
	map->pause = PAUSE_FIRST;
	map->look = clock_now() + PAUSE_FIRST;
	pthread_cond_signal(&w->changed);
}

void mapped_leave(struct mapping *map)
{
	struct watcher *w = map->watcher;

	pthread_mutex_lock(&w->mapped->mutex);
	take_out(w, map);
	pthread_mutex_unlock(&w->mapped->mutex);
	free(map);
}

/* Under the mutex: the next one of that file, after `map` of `*w`. */
static struct mapping *next_of(const struct stat *st, struct watcher **w,
			       struct mapping *map)
{
	for (map = map ? map->next : (*w ? (*w)->list : NULL); *w;
	     *w = (*w)->next, map = *w ? (*w)->list : NULL)
		for (; map; map = map->next)
			if (map->dev == st->st_dev && map->ino == st->st_ino)
				return map;
	return NULL;
}

bool mapped_has(struct mapped *m, const struct stat *st)
{
	LOCK_SCOPE(&m->mutex);
	struct watcher *w = m->watchers;

	return next_of(st, &w, NULL);
}

bool mapped_by_other(struct mapped *m, const struct stat *st, uid_t uid,
		     uid_t *ret_uid, pid_t *ret_pid)
{
	LOCK_SCOPE(&m->mutex);
	struct watcher *w = m->watchers;
	struct mapping *map = next_of(st, &w, NULL);

	while (map && map->file->grant.uid == uid)
		map = next_of(st, &w, map);
	if (!map)
		return false;
	*ret_uid = map->file->grant.uid;
	*ret_pid = map->file->grant.pid;
	return true;
}

static bool has(const struct grant *grant, const struct checkout *checkout,
		const char *folder)
{
	if (grant->checkout != checkout || !grant->folder != !folder)
		return false;
	return !folder || !strcmp(grant->folder, folder);
}

/* Under the mutex. What it had is the caller's to give back. */
static void exchange(struct mapped *m, struct mapping *map, uint64_t name,
		     struct checkout *checkout, char *folder,
		     struct grant *ret_old)
{
	struct grant *grant = &map->file->grant;

	*ret_old = (struct grant){ .checkout = grant->checkout,
				   .folder = grant->folder,
				   .pid = grant->pid };
	map->written |= !grant->checkout; /* new to the document */
	seen_moved(m->fs->seen, grant->write, name);
	grant->checkout = checkout;
	grant->folder = folder;
	if (checkout)
		checkouts_add_use(m->fs->checkouts, checkout, false);
	if (folder)
		checkouts_scratch(m->fs->checkouts, grant->pid, folder, 1);
}

/* One of them. Returns whether there was one to be changed. */
static bool retarget_one(struct mapped *m, const struct stat *st, uint64_t name,
			 struct checkout *checkout, const char *folder,
			 struct grant *ret_old)
{
	LOCK_SCOPE(&m->mutex);
	struct watcher *w = m->watchers;
	struct mapping *map = next_of(st, &w, NULL);
	char *copy;

	while (map && has(&map->file->grant, checkout, folder))
		map = next_of(st, &w, map);
	copy = map && folder ? strdup(folder) : NULL;
	if (!map || (folder && !copy))
		return false;
	exchange(m, map, name, checkout, copy, ret_old);
	return true;
}

void mapped_retarget(struct mapped *m, const struct inode *inode, uint64_t name,
		     struct checkout *checkout, const char *folder)
{
	struct stat st = { .st_dev = inode->dev, .st_ino = inode->ino };
	struct grant old;

	while (retarget_one(m, &st, name, checkout, folder, &old))
		gate_close(m->fs, &old, false, false);
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

/* Nobody waits for these mappings any more. */
static void end_all(struct watcher *w)
{
	while (w->list) {
		struct mapping *map = w->list;

		w->list = map->next;
		if (!writers_exist(map->fd)) {
			finish(w->mapped, map);
			continue;
		}
		close(map->fd);
		file_leave(w->mapped->fs, map->file);
		free(map);
	}
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
	for (struct watcher *w = m->watchers; w && !stopped; w = w->next) {
		pthread_join(w->thread, NULL);
		end_all(w);
	}
}

void mapped_free(struct mapped *m)
{
	if (!m)
		return;
	mapped_stop(m);
	while (m->watchers) {
		struct watcher *w = m->watchers;

		m->watchers = w->next;
		pthread_cond_destroy(&w->changed);
		free(w);
	}
	pthread_mutex_destroy(&m->mutex);
	free(m);
}
