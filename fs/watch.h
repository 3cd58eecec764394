/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the kernel is told unasked, by a thread of its own: a request that is
 * being served may hold what the kernel wants to lock for it.
 *
 * Mostly it is told of a change who waits for one: of the records, or of the
 * history, by whomever it was made, on this host or another.
 *
 * While anybody waits, a thread looks at the two files ten times a second
 * (nothing tells of what another host does); else it sleeps.
 */
#ifndef FS_WATCH_H
#define FS_WATCH_H

#include "fs/camfs.h"

#define WATCH_STAMP_SIZE 256

struct watcher;
struct watch;

int watcher_open(struct watcher **ret_watcher, struct camfs *fs);

/* Nothing is told any more, from when the session is about to end. */
void watcher_stop(struct watcher *w);
void watcher_free(struct watcher *w); /* NULL-safe; stopped, no watch is left */

/* Another file is at that path now: the kernel is to look again. */
void watcher_tell_replaced(struct watcher *w, const char *path);

/* The state of the records and of the history as a line, which differs from an
 * earlier one if there was a change. */
void watch_take_stamp(const struct camfs *fs, char stamp[WATCH_STAMP_SIZE]);
/* Waits until it has; not long, if somebody keeps it from looking. */
void watcher_await_told(struct watcher *w);

/* One that waits, from now on. watch_free() is NULL-safe. */
int watch_new(struct watcher *w, struct watch **ret_watch);
void watch_free(struct watch *watch);

/* The state of things; from now on, changes after this count. */
void watch_read(struct watch *watch, char stamp[WATCH_STAMP_SIZE]);

/* Whether there was a change. If not, `ph` (may be NULL) is told of the next;
 * it is taken over. */
bool watch_poll(struct watch *watch, struct fuse_pollhandle *ph);

#endif
