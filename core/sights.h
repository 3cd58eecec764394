/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The inside of core/seen.h: what is remembered, of which process and which
 * file. All of it under the mutex of struct seen.
 */
#ifndef CORE_SIGHTS_H
#define CORE_SIGHTS_H

#include <pthread.h>
#include <sys/queue.h>

#include "core/hash.h"
#include "core/seen.h"

/* Shared by the entries of all it concerns. */
struct change {
	size_t refs;
	char user[USER_NAME_SIZE];
	char app[PROCESS_NAME_SIZE];
	time_t when;
	struct seen_version after;
};

/* What one process has seen of one file. */
struct sight {
	struct hash_node node; /* in seen.entries, by path and reader */
	TAILQ_ENTRY(sight) of_reader;
	LIST_ENTRY(sight) of_path;
	struct reader *reader;
	struct path *path;
	struct seen_version version;
	time_t when;
	uint64_t turn;	       /* when, among all that was seen */
	bool racy;	       /* a later change might look the same */
	bool stale;	       /* and one did */
	struct change *change; /* the last one by a stranger, or NULL */
};

struct reader {
	struct hash_node node; /* in seen.readers */
	TAILQ_ENTRY(reader) of_all;
	struct family family;
	TAILQ_HEAD(sight_queue, sight) entries; /* oldest first */
	size_t count;
};

/* A file that was read, or is being written. */
struct path {
	struct hash_node node; /* in seen.paths; its hash is the name */
	LIST_HEAD(sight_list, sight) entries;
	LIST_HEAD(write_list, seen_write) writes;
};

struct seen_write {
	LIST_ENTRY(seen_write) of_path;
	struct path *path; /* NULL: it has no name */
	struct family family;
	struct seen_version before;
	uint64_t begin;	  /* a turn */
	uint64_t flushed; /* a turn, or 0 */
	bool touched;	  /* `before` is from the file's time being set */
	bool current;	  /* began on a version its family had seen */
	bool overtaken;	  /* a stranger's write ended meanwhile */
	struct change *change;
	struct seen_change *stale; /* set before others know of it; or NULL */
};

/* All under the mutex, which is a leaf. */
struct seen {
	bool (*exists)(pid_t pid);
	pthread_mutex_t mutex;
	struct hash readers;
	struct hash entries;
	struct hash paths;
	TAILQ_HEAD(reader_queue, reader) all; /* the one longest idle first */
	uint64_t turn;
	uint64_t swept; /* the turn of the last sweep */
};

/* With one reference; NULL: no memory. sights_drop_change() is NULL-safe. */
struct change *sights_new_change(const char *user, const char *app);
void sights_drop_change(struct change *c);
void sights_set_change(struct sight *e, struct change *c);

/* A file: NULL if it is not known; a new one, or NULL without memory; and no
 * longer, if nothing is known of it any more. */
struct path *sights_find_path(struct seen *s, uint64_t name);
struct path *sights_get_path(struct seen *s, uint64_t name);
void sights_put_path(struct seen *s, struct path *p);

/* A process: as above. The one that was asked for is the least idle. */
struct reader *sights_find_reader(struct seen *s, const struct family *f);
struct reader *sights_get_reader(struct seen *s, const struct family *f);

/* What a process has seen of a file: NULL if nothing; a new one, for which
 * others may be forgotten, or NULL without memory. */
struct sight *sights_find(struct seen *s, const struct path *p,
			  const struct reader *r);
struct sight *sights_get(struct seen *s, uint64_t name, struct reader *r);

/* Frees all, and writes that were never ended. */
void sights_clear(struct seen *s);

#endif
