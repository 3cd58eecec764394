/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/watch.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/cleanup.h"
#include "core/wait.h"

#define LOOK_EVERY (100 * NSEC_PER_MSEC)
#define TELLING_MAX (1 * NSEC_PER_SEC)

struct watch {
	struct watcher *watcher;
	struct watch *next;	      /* in watcher.list */
	struct fuse_pollhandle *ph;   /* under mutex: to be told; or NULL */
	char stamp[WATCH_STAMP_SIZE]; /* under mutex: as last read */
};

/* A path where another file is now. */
struct replaced {
	struct replaced *next; /* in watcher.replaced */
	char path[];
};

struct watcher {
	struct camfs *fs;
	pthread_t thread;
	pthread_mutex_t mutex; /* a leaf, but for telling the kernel */
	pthread_cond_t wanted; /* somebody waits, or something is to be told */
	struct watch *list;    /* under mutex */
	struct replaced *replaced; /* under mutex */
	pthread_cond_t told;	   /* of all that was replaced */
	bool telling;		   /* under mutex: of that */
	bool closing;		   /* under mutex */
};

static int print_state(char *to, size_t size, const struct signature *s)
{
	return snprintf(to, size, "%ju.%ju.%jd.%ld", (uintmax_t)s->ino,
			(uintmax_t)s->size, (intmax_t)s->mtime.tv_sec,
			s->mtime.tv_nsec);
}

static struct signature sign_history(const struct camfs *fs)
{
	struct stat st;

	if (fstatat(fs->share.state_fd, HISTORY_NAME, &st,
		    AT_SYMLINK_NOFOLLOW) < 0)
		return (struct signature){};
	return signature_of(&st);
}

void watch_take_stamp(const struct camfs *fs, char stamp[WATCH_STAMP_SIZE])
{
	struct signature records = registry_state(fs->registry);
	int n = print_state(stamp, WATCH_STAMP_SIZE / 2, &records);

	struct signature history = sign_history(fs);

	stamp[n++] = '-';
	n += print_state(stamp + n, WATCH_STAMP_SIZE / 2 - 2, &history);
	strcpy(stamp + n, "\n");
}

/* ---- those who wait ---- */

int watch_new(struct watcher *w, struct watch **ret_watch)
{
	struct watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return -ENOMEM;
	watch->watcher = w;
	watch_take_stamp(w->fs, watch->stamp);
	LOCK_SCOPE(&w->mutex);
	watch->next = w->list;
	w->list = watch;
	*ret_watch = watch;
	return 0;
}

void watch_free(struct watch *watch)
{
	struct watch **p;

	if (!watch)
		return;
	pthread_mutex_lock(&watch->watcher->mutex);
	for (p = &watch->watcher->list; *p != watch; p = &(*p)->next)
		;
	*p = watch->next;
	pthread_mutex_unlock(&watch->watcher->mutex);
	if (watch->ph)
		fuse_pollhandle_destroy(watch->ph);
	free(watch);
}

void watch_read(struct watch *watch, char stamp[WATCH_STAMP_SIZE])
{
	watch_take_stamp(watch->watcher->fs, stamp);
	LOCK_SCOPE(&watch->watcher->mutex);
	strcpy(watch->stamp, stamp);
}

bool watch_poll(struct watch *watch, struct fuse_pollhandle *ph)
{
	struct watcher *w = watch->watcher;
	char stamp[WATCH_STAMP_SIZE];
	bool changed;

	watch_take_stamp(w->fs, stamp);
	LOCK_SCOPE(&w->mutex);
	changed = strcmp(stamp, watch->stamp) != 0;
	if (ph) {
		if (watch->ph)
			fuse_pollhandle_destroy(watch->ph);
		watch->ph = ph;
		pthread_cond_signal(&w->wanted);
	}
	return changed;
}

/* ---- the thread ---- */

/* Under the mutex: takes out the handle of one that has not heard of this state
 * yet. Whether there are others that wait on, is set. */
static struct fuse_pollhandle *next_to_tell(struct watcher *w,
					    const char *stamp, bool *ret_waits)
{
	struct fuse_pollhandle *ph;

	*ret_waits = false;
	for (struct watch *watch = w->list; watch; watch = watch->next) {
		if (watch->ph && strcmp(stamp, watch->stamp) != 0) {
			ph = watch->ph;
			watch->ph = NULL;
			return ph;
		}
		*ret_waits |= watch->ph != NULL;
	}
	return NULL;
}

/* The kernel is told with no mutex held. Returns whether anybody waits on. */
static bool tell(struct watcher *w, const char *stamp)
{
	bool waits;
	struct fuse_pollhandle *ph;

	while ((ph = next_to_tell(w, stamp, &waits))) {
		pthread_mutex_unlock(&w->mutex);
		fuse_lowlevel_notify_poll(ph);
		fuse_pollhandle_destroy(ph);
		pthread_mutex_lock(&w->mutex);
	}
	return waits;
}

void watcher_tell_replaced(struct watcher *w, const char *path)
{
	size_t size = strlen(path) + 1;
	struct replaced *r = NULL;

	/* Not for nothing: the kernel takes the folder's lock for it, and who
	 * is killed while it waits for one whose holder waits for us leaves a
	 * mount that hangs until umount -f. */
	if (w->fs->options->cache_seconds > 0)
		r = malloc(sizeof(*r) + size);
	if (!r)
		return; /* it believes what it knows for --cache-seconds */
	memcpy(r->path, path, size);
	LOCK_SCOPE(&w->mutex);
	r->next = w->replaced;
	w->replaced = r;
	pthread_cond_signal(&w->wanted);
}

static void take_id(void *id, struct inode *inode)
{
	*(uint64_t *)id = inode->id;
}

static void tell_replaced(struct camfs *fs, const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	_cleanup_free_ char *folder =
		slash ? strndup(path, (size_t)(slash - path)) : NULL;
	uint64_t id = slash ? 0 : fs->inodes.root.id;

	if (folder)
		inodes_with_path(&fs->inodes, folder, take_id, &id);
	if (id)
		fuse_lowlevel_notify_inval_entry(fs->session, id, name,
						 strlen(name));
}

/* Under the mutex, which is let go in between. */
static void tell_all_replaced(struct watcher *w)
{
	w->telling = true;
	while (w->replaced) {
		struct replaced *r = w->replaced;

		w->replaced = r->next;
		pthread_mutex_unlock(&w->mutex);
		tell_replaced(w->fs, r->path);
		free(r);
		pthread_mutex_lock(&w->mutex);
	}
	w->telling = false;
	pthread_cond_broadcast(&w->told);
}

void watcher_await_told(struct watcher *w)
{
	uint64_t until = clock_now() + TELLING_MAX;

	LOCK_SCOPE(&w->mutex);
	while ((w->replaced || w->telling) && !w->closing &&
	       clock_now() < until)
		wait_on(&w->told, &w->mutex, until);
}

static void sleep_a_while(struct watcher *w, bool waits)
{
	if (!w->replaced)
		wait_on(&w->wanted, &w->mutex,
			waits ? clock_now() + LOOK_EVERY : UINT64_MAX);
}

static void *look(void *arg)
{
	struct watcher *w = arg;
	char stamp[WATCH_STAMP_SIZE];
	bool waits = false;

	LOCK_SCOPE(&w->mutex);
	while (!w->closing) {
		sleep_a_while(w, waits);
		tell_all_replaced(w);
		pthread_mutex_unlock(&w->mutex);
		watch_take_stamp(w->fs, stamp);
		pthread_mutex_lock(&w->mutex);
		waits = tell(w, stamp);
	}
	return NULL;
}

int watcher_open(struct watcher **ret_watcher, struct camfs *fs)
{
	struct watcher *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->fs = fs;
	pthread_mutex_init(&w->mutex, NULL);
	pthread_cond_init(&w->wanted, NULL);
	pthread_cond_init(&w->told, NULL);
	r = -pthread_create(&w->thread, NULL, look, w);
	if (r < 0) {
		free(w);
		return r;
	}
	*ret_watcher = w;
	return 0;
}

void watcher_stop(struct watcher *w)
{
	pthread_mutex_lock(&w->mutex);
	w->closing = true;
	pthread_cond_signal(&w->wanted);
	pthread_mutex_unlock(&w->mutex);
	if (w->thread)
		pthread_join(w->thread, NULL);
	w->thread = 0;
}

void watcher_free(struct watcher *w)
{
	if (!w)
		return;
	watcher_stop(w);
	while (w->replaced) {
		struct replaced *r = w->replaced;

		w->replaced = r->next;
		free(r);
	}
	pthread_cond_destroy(&w->wanted);
	pthread_cond_destroy(&w->told);
	pthread_mutex_destroy(&w->mutex);
	free(w);
}
