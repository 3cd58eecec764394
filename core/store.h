/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * locks.json on the share: read whole, replaced whole.
 *
 * Everything here that reads or writes the file happens under the file lock,
 * which the caller holds. Within it:
 *
 *	store_load()            see what others did since
 *	store_put(), _remove()  edit the entries, in memory
 *	store_commit()          one replacement, or an error and no trace
 *
 * Whoever reads locks.json without the file lock sees the old or the new
 * content whole, because a file that can be opened under that name is never
 * written. We write a second file, the spare, and swap the two names in one
 * step (renameat2(2), RENAME_EXCHANGE). The spare is what was locks.json an
 * update ago, so only what changed since must be written into it: the cost
 * does not grow with the file. A reader may still have it open from then: a
 * write lease (fcntl(2), F_SETLEASE) can only be had on a file nobody else
 * has open, so when it is refused the spare is left to its reader and a new
 * one made. Without leases or RENAME_EXCHANGE (network shares) each commit
 * writes a new file and renames it over the old.
 *
 * Another program's change is noticed by the file's identity, size and times.
 * Kernels before 6.13 keep times in steps of some milliseconds, too coarse to
 * tell two writes apart, so we give our files a time with real nanoseconds,
 * which nobody else's write will hit.
 *
 * A damaged file (no JSON object, no regular file) is put aside as
 * `locks.json.damaged-TIME`, and the last good state put in its place: what
 * we had in memory, else the newest spare on disk and all entries that can
 * still be read of the file.
 *
 * A power cut must not cost a record that outlives the host: a kept checkout
 * of ours is on the disk when it is acknowledged (store_commit(), `durable`),
 * and while there is one, no step may undo that: what is patched must not be
 * what the disk still calls locks.json, and what becomes locks.json must be on
 * the disk before. Records of open checkouts alone need none of that.
 *
 * Beside others' records (a Python tool's) that care is taken only for a step
 * that writes, moves or removes one of them. From then on both files have them
 * at the same place, and a power cut can damage what lies around them only, so
 * that they are salvaged: opening a file costs no flush because of them.
 *
 * On a network share what was written may be elsewhere before its content is,
 * or a name before its file: so we flush before we rename, and who finds no
 * file, or an empty one, looks again for two seconds, and then doesn't decide
 * anything until that has lasted for longer than any lag. What is there, but
 * empty, holds nothing then.
 *
 * Owner, mode and ACL of locks.json pass on to each new file.
 */
#ifndef CORE_STORE_H
#define CORE_STORE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "core/entries.h"
#include "core/signature.h"
#include "core/stale.h"

#define STORE_SPARE ".spare-" /* locks.json.spare-TAG */

/* What store_load() found. */
#define STORE_CHANGED 1 /* another program wrote it */
#define STORE_MENDED 2	/* it was damaged; the last good state is back */

struct store {
	int dirfd; /* the folder of locks.json; borrowed */
	char *name;
	char *spare_name;
	char *tag;

	/* Of the one who holds the file lock. */
	bool lags;	   /* a network share: see read_settled() */
	bool can_exchange; /* until shown otherwise */
	bool can_lease;
	int live_fd;		  /* locks.json, if we wrote it; else -1 */
	int spare_fd;		  /* -1: there is none */
	struct stale spare_stale; /* what the spare lacks */
	struct signature spare_signature; /* how we left it */
	struct stale live_stale; /* what locks.json lacks: the next spare */
	bool swapped;		 /* since the folder was last flushed */
	uint64_t void_since;	 /* of clock_now(), if it lags: there is no
				    content, though there was; 0: there is */
	char damaged_name[300];	 /* where the last damaged file went */

	/* Readers take the mutex; the holder of the file lock takes it only
	 * to change what it guards. A leaf: nothing is called under it. */
	pthread_mutex_t mutex;
	struct entries entries;	    /* under mutex */
	struct signature signature; /* under mutex: of what entries say, if */
	bool loaded;		    /* under mutex: they say anything and */
	bool dirty;		    /* under mutex: no edit waits */
	uint64_t others;	    /* under mutex: see store_others() */
	bool others_dirty;	    /* under mutex: such an edit waits */
};

/* `tag` tells our spare from those of other mounts; it is our lease, if we have
 * one. Touches no file.
 * Returns 0 or -errno. */
int store_init(struct store *s, int dirfd, const char *name, const char *tag);

/* Removes the spare. */
void store_release(struct store *s);

/* Removes the spare another mount left behind. */
void store_remove_spare(const struct store *s, const char *tag);

/* Returns 0 (nothing changed), STORE_CHANGED, STORE_MENDED, or -errno, and
 * then there is no saying what is in the file. */
int store_load(struct store *s);

/* Edits in memory. store_put() returns 0 or -ENOMEM. */
int store_put(struct store *s, const char *key, const char *value, size_t len);
void store_remove(struct store *s, const char *key);

/* The text of an entry, valid until the next edit; NULL if there is none. */
const char *store_find(const struct store *s, const char *key, size_t *ret_len);

/* Writes the edits out; `durable` puts them on the disk before returning. On
 * -errno locks.json is what it was, and the edits are gone from memory, too. */
int store_commit(struct store *s, bool durable);

/* The edits are not to be: memory is what the file says again. */
void store_discard(struct store *s);

/* For readers, without the file lock: a consistent copy of the entries, and in
 * ret_signature the state it is a copy of. -EBADMSG: nothing whole to be had,
 * somebody is writing in place. */
int store_copy(struct store *s, struct entries *ret_entries,
	       struct signature *ret_signature);

/* The same as far as memory knows, without looking at the file. */
int store_copy_known(struct store *s, struct entries *ret_entries,
		     struct signature *ret_signature);

/* The text of one entry, as it is now. Returns 1, 0 if there is none, -EAGAIN
 * if memory and file differ just now, or another -errno. */
int store_peek(struct store *s, const char *key, struct buffer *ret_text);

/* Whether a copy of that state is still right. */
bool store_is_current(const struct store *s, const struct signature *signature);

/* A number that is the same as long as all records are but our own open ones;
 * 0 if that can't be told just now. Any thread. */
uint64_t store_others(struct store *s);

#endif
