/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What each process has seen of which file: so that a save can be stopped that
 * would overwrite what its program has never read (SEMANTICS: the stale save).
 *
 *	a read		seen_read()
 *	a write		seen_judge(), seen_begin() ... seen_end()
 *
 * A version is stale for a process when it has read the file, the file is not
 * any more what it read, and the change was not its own or its family's
 * (core/family.h). A process that has not read the file has nothing to be
 * stale, unless a parent of its family has. Reading again makes it current,
 * and so does the end of a write of its own.
 *
 *  - A read counts for the process and for the parents in its family. A write
 *    is judged by the nearest of them that has read the file.
 *  - The end of a write makes current who was current before, or has read
 *    since, of the process, its parents and its children. Two children of one
 *    parent that have both read the file are strangers.
 *  - Where there is no file, a write overwrites nothing: never stale.
 *
 * A file goes by a number for its name (inode_name_hash() in fs/inode.h), which
 * must stay when a folder above it is renamed. Whatever is at that name is the
 * file; two files with one number would only be a wrong refusal.
 *
 * Inode, size and time of the last change say whether a file is what it was.
 * Where that time was so near to the reading that another change could have
 * the same (SEEN_RACY_NS), the end of any stranger's write makes it stale, too.
 *
 * Bounded: SEEN_PATHS_MAX files of a process, the oldest go; SEEN_READERS_MAX
 * processes and SEEN_ENTRIES_MAX entries in all: those of processes that are
 * gone go first. What was forgotten is never stale. Thread-safe.
 */
#ifndef CORE_SEEN_H
#define CORE_SEEN_H

#include <stdbool.h>
#include <sys/stat.h>
#include <time.h>

#include "core/family.h"
#include "core/process.h"
#include "core/users.h"
#include "core/wait.h"

#define SEEN_RACY_NS (2 * NSEC_PER_SEC)
#define SEEN_PATHS_MAX 4096
#define SEEN_READERS_MAX 4096
#define SEEN_ENTRIES_MAX 131072 /* some 20 MB */

/* Outcome of seen_judge() */
#define SEEN_STALE 1

struct seen;
struct seen_write;

struct seen_version {
	bool exists;
	ino_t ino;
	off_t size;
	struct timespec mtime;
	uint64_t moment; /* before it was looked at */
};

/* Requests overtake each other: what was looked at earlier never replaces what
 * was looked at later. So ask for the moment, then look. */
uint64_t seen_moment(struct seen *s);

/* Of a file; NULL, or one without a name: there is none. */
struct seen_version seen_version(const struct stat *st, uint64_t moment);

/* Who changed what a process has read. */
struct seen_change {
	time_t read;   /* when the process read it, or wrote it last */
	bool is_known; /* and if so: */
	time_t when;
	char user[USER_NAME_SIZE];
	char app[PROCESS_NAME_SIZE];
};

/* `exists` says whether a process is there: process_exists(). */
int seen_open(struct seen **ret_seen, bool (*exists)(pid_t pid));

/* All writes must have ended. NULL-safe. */
void seen_free(struct seen *s);

void seen_read(struct seen *s, const struct family *f, uint64_t name,
	       const struct seen_version *now);

/* Whether a write would overwrite what the process has not seen. Returns 0 or
 * SEEN_STALE. */
int seen_judge(struct seen *s, const struct family *f, uint64_t name,
	       const struct seen_version *now, struct seen_change *ret_change);

/* It is to be written all the same: as if it had been read. */
void seen_accept(struct seen *s, const struct family *f, uint64_t name,
		 const struct seen_version *now);

/* A write is under way, from that version on. NULL when memory is short, which
 * all that follows takes for no write. */
struct seen_write *seen_begin(struct seen *s, const struct family *f,
			      uint64_t name, const struct seen_version *now,
			      const char *user, const char *app);

/* A write that began on what its process had not read, and yet may read first.
 * seen_stale(): that change, if it was set, else NULL. */
void seen_set_stale(struct seen_write *w, const struct seen_change *change);
const struct seen_change *seen_stale(const struct seen_write *w);

/* Whether whoever reads from now on reads all of it, as far as is known. */
void seen_flushed(struct seen *s, struct seen_write *w, bool flushed);

/* The file being written gets this name, by a write of the name that is under
 * way; 0: it loses the one it had. */
void seen_moved(struct seen *s, struct seen_write *w, uint64_t name);

/* It ends. `now`: what became of it; NULL: nothing was written. `mapped`: it
 * could be written without a trace in its time until now. */
void seen_end(struct seen *s, struct seen_write *w,
	      const struct seen_version *now, bool mapped);

/* Its time was set, and its content left alone. */
void seen_touched(struct seen *s, uint64_t name,
		  const struct seen_version *before,
		  const struct seen_version *after);

#endif
