/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The shop's own program, run for each event (--on-event COMMAND).
 *
 * The command is run by sh(1), as the daemon's user, with the event's line of
 * the history (core/history.h) as its standard input, and a umask of 022. It
 * never keeps anybody waiting: events queue up, at most HOOK_QUEUE of them, for
 * HOOK_WORKERS commands at a time, each for at most HOOK_SECONDS. What is
 * dropped, fails or takes too long is logged.
 */
#ifndef FS_HOOK_H
#define FS_HOOK_H

#include <stddef.h>

#define HOOK_QUEUE 1000
#define HOOK_WORKERS 4
#define HOOK_SECONDS 60

struct hook;

/* Returns 0 or -errno. */
int hook_open(struct hook **ret_hook, const char *command);

/* A line of the history, for history.on_line; `hook` is a struct hook. */
void hook_tell(void *hook, const char *line, size_t len);

/* Lets what is queued be done, but not for longer than some seconds. NULL-safe.
 */
void hook_free(struct hook *h);

#endif
