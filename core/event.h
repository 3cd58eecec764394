/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A line of history.jsonl (core/history.h), read. Those who look into it are
 * the command line, the page (fs/page.h) and who explains a stale save
 * (fs/stale_save.h).
 */
#ifndef CORE_EVENT_H
#define CORE_EVENT_H

#include "core/record.h"

/* What the line does not say is NULL. */
struct event {
	char *time;
	char *event;
	char *path;
	struct record who;    /* timestamp: since when he had it */
	struct record holder; /* user is NULL without one */
	char *recovered;      /* where content was put aside */
};

/* Returns 0, -ENOMEM, or -EINVAL if the line is none. */
int event_parse(struct event *ret_event, const char *line, size_t len);
void event_release(struct event *e);

#define _cleanup_event_ __attribute__((cleanup(event_release)))

#endif
