/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where a daemon runs, so that others can tell whether it surely is gone.
 *
 * A process id means something only on one machine, in one boot of it and one
 * pid namespace; so all that is part of it. Of a daemon on another machine
 * nothing is ever sure.
 */
#ifndef CORE_STATION_H
#define CORE_STATION_H

#include <stdbool.h>

#include "core/buffer.h"

#define STATION_WORD_SIZE 80

struct station {
	char host[STATION_WORD_SIZE];	   /* the beginning of its name */
	char machine[STATION_WORD_SIZE];   /* machine-id(5) */
	char boot[STATION_WORD_SIZE];	   /* random(4): boot_id */
	char pid_space[STATION_WORD_SIZE]; /* namespaces(7) */
	char pid[STATION_WORD_SIZE];
	char start[STATION_WORD_SIZE]; /* process_start_time() */
	unsigned silence_ms;	       /* core/lease.h; 0: it does not beat */
};

/* That of the calling process, on a host of that name. */
void station_here(struct station *ret_station, const char *host);

/* As one JSON object. */
int station_format(const struct station *s, struct buffer *b);

/* What is missing, or no text, is empty. Returns 0 or -EBADMSG. */
int station_parse(struct station *ret_station, const char *text, size_t len);

/* Whether that process surely is gone: it was on this machine, and is not
 * there any more, or the machine has been started anew since. */
bool station_is_gone(const struct station *s);

#endif
