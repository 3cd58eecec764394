/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The inside of the open checkouts: the table of them, and who may touch what.
 */
#ifndef CORE_TAKEN_H
#define CORE_TAKEN_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/checkouts.h"
#include "core/hash.h"

#define TAKEN_RECENT 64

struct checkout {
	struct hash_node node;	    /* in checkouts.by_path */
	struct checkout *next_file; /* in checkouts.files, if file_link is set */
	struct checkout **file_link;
	char *path;	      /* changes with a folder above it */
	struct record record; /* what others are told; fixed */
	bool tree;
	bool busy;    /* the registry is being asked, or told */
	bool written; /* by a use that is over */
	bool gone;    /* the name does not exist */
	bool kept; /* its version, since it was last without uses, or tried */
	bool keeping;  /* somebody is about to */
	char *version; /* that; not needed if nothing is written */
	bool brief;    /* ends with its last use, whatever it might stay for */
	bool fenced;   /* taken over: not in the table, its record another's */
	struct checkout *next, *previous; /* then: in checkouts.fenced */
	size_t uses;
	size_t flushed;	   /* of them */
	size_t operations; /* of them: on the name, under way */
	uint64_t since;	   /* when it was taken, by clock_now() */
	uint64_t until;	   /* without uses: stays till then; 0: no time */
	pid_t scratch;	   /* without uses: stays while this process has one */
};

struct recent {
	uint64_t until;
	uint64_t path; /* hash */
	uint64_t user; /* hash */
};

/* Nothing is called under the mutex. A busy checkout belongs to the thread
 * that made it so; all others wait for `changed`. */
struct checkouts {
	struct registry *registry;
	unsigned linger_ms;
	pthread_t sweeper;

	pthread_mutex_t mutex;
	pthread_cond_t changed;
	pthread_cond_t timed;	 /* something is to expire, or closing */
	struct hash by_path;	 /* under mutex, and all that is in it */
	struct checkout *files;	 /* under mutex: all but names that only wait to
				    exist again, of which there may be many */
	struct hash scratch;	 /* under mutex */
	struct checkout *fenced; /* under mutex */
	size_t n_trees;		 /* under mutex */
	uint64_t next_sweep;	 /* under mutex: when the sweeper wakes */
	bool closing;		 /* under mutex */
	struct recent recent[TAKEN_RECENT]; /* under mutex */
	unsigned next_recent;		    /* under mutex */
};

/* All under the mutex. NULL if there is none. */
struct checkout *taken_find(struct checkouts *c, const char *path);

/* A folder above the path that is being moved just now, by anybody. */
struct checkout *taken_find_above(struct checkouts *c, const char *path);

/* Something below a folder that is another's, or busy; or is the owner's. */
struct checkout *taken_find_below(struct checkouts *c, const char *folder,
				  const struct record *want);
struct checkout *taken_find_owned_below(struct checkouts *c, const char *folder,
					const struct record *owner);

/* A new one, busy, with one use; its record is `want`. NULL: no memory. */
struct checkout *taken_add(struct checkouts *c,
			   const struct checkout_claim *claim,
			   const struct record *want);
void taken_remove(struct checkouts *c, struct checkout *co);

/* Takes it out, but keeps it for the uses it has; and puts it back in. */
void taken_fence(struct checkouts *c, struct checkout *co);
void taken_unfence(struct checkouts *c, struct checkout *co);
void taken_free_fenced(struct checkouts *c, struct checkout *co);

/* It goes by another path now; takes the path over. */
void taken_rename(struct checkouts *c, struct checkout *co, char *path);

/* Its name is used, or exists; or only waits to exist again. */
void taken_add_file(struct checkouts *c, struct checkout *co);
void taken_remove_file(struct checkout *co);

/* Frees all. */
void taken_clear(struct checkouts *c);

/* Who gave a path back a moment ago. */
void taken_remember(struct checkouts *c, const struct checkout *co);
bool taken_was_recently(struct checkouts *c, const char *path,
			const struct record *want);

/* Waits for a change of any of them, at most for a moment. Returns 0, -EINTR or
 * -ETIMEDOUT. */
int taken_await_change(struct checkouts *c, const struct wait *w);

#endif
