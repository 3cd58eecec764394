/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What happened: `.camlock/history.jsonl`, one JSON object a line, appended.
 *
 *	{"time": "2026-11-23T15:58:35.123456+00:00", "event": "saved",
 *	 "path": "jobs/1042/part.mcam", "user": "alice", "host": "cam-07",
 *	 "app": "freecad", "pid": "4242", "since": "2026-11-23T15:52:11...."}
 *
 * A refusal names the holder as well, in an object `holder` with the fields
 * of his record. Past HISTORY_SIZE_MAX bytes the file is renamed to
 * `history.jsonl.old`, over the one before, and a new one begun.
 */
#ifndef CORE_HISTORY_H
#define CORE_HISTORY_H

#include <pthread.h>

#include "core/record.h"

#define HISTORY_NAME "history.jsonl"
#define HISTORY_SIZE_MAX (64L << 20)

/* The events, as the file names them */
#define HISTORY_SAVED "saved" /* a checkout in which P was written */
#define HISTORY_DELETED "deleted"
#define HISTORY_RENAMED "renamed"   /* path: the old name */
#define HISTORY_REFUSED "refused"   /* `who` did not get what `holder` has */
#define HISTORY_CHECKOUT "checkout" /* kept, on purpose */
#define HISTORY_CHECKIN "checkin"   /* of a kept checkout */
#define HISTORY_BROKEN "broken"	    /* `who` freed what `holder` had; why */
#define HISTORY_STOLEN "stolen"	    /* `who` took what `holder` had; why */
#define HISTORY_RECOVERED                                                  \
	"recovered"			/* message: where what `who` still \
					   writes goes (core/recovered.h) */
#define HISTORY_REVERTED "reverted"	/* message: to which version */
#define HISTORY_REAPED "reaped"		/* its mount was gone */
#define HISTORY_REASSERTED "reasserted" /* put back after a foreign rewrite */
#define HISTORY_LOST "lost"		/* `holder`'s record replaced ours */
/* written, though `holder` has changed it since it was read */
#define HISTORY_STALE "stale"
#define HISTORY_DAMAGED "damaged" /* locks.json was; path: its new name */

struct history {
	int dirfd; /* `.camlock`; borrowed */
	/* Told of each line, with its end; set before the first. No mutex is
	 * held, and it must not keep the caller waiting. May be NULL. */
	void (*on_line)(void *arg, const char *line, size_t len);
	void *on_line_arg;
	/* The same, told of what it is about; `holder` may be NULL. */
	void (*on_event)(void *arg, const char *event,
			 const struct record *holder);
	void *on_event_arg;
	bool shared; /* other hosts append as well */
	pthread_mutex_t mutex;
	int fd;		    /* under mutex; -1: to be opened */
	unsigned unchecked; /* under mutex: lines since it was looked at */
};

void history_init(struct history *h, int dirfd);
void history_release(struct history *h);

/* Appends a line. `who` may be NULL, and so may `holder`. Of `who` the user,
 * host, app, pid and, as `since`, the timestamp are written. Returns 0 or
 * -errno; a line is written whole or not at all. */
int history_append(struct history *h, const char *event, const char *path,
		   const struct record *who, const struct record *holder);

/* The last bytes of it, at most so many; nothing if there is no history.
 * Returns 0 or -errno. */
#define HISTORY_LOOK (1 << 20)
int history_read_end(int dirfd, struct buffer *ret_text);

/* Takes the last line off that text; the first one may not be whole. Returns
 * whether there was one; it is good until the text changes. */
bool history_take_line(struct buffer *text, const char **ret_line,
		       size_t *ret_len);

#endif
