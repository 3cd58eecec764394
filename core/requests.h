/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The inside of the registry: what is done in one critical section.
 *
 * A batch of requests is applied to the records in memory, in order, and then
 * written out once. Either all of it is in the file, and then each request
 * has its own result; or nothing is, and every request that would have changed
 * something gets the error.
 */
#ifndef CORE_REQUESTS_H
#define CORE_REQUESTS_H

#include <pthread.h>

#include "core/engine.h"
#include "core/hash.h"
#include "core/registry.h"
#include "core/snapshot.h"

struct held;
/* One thing to do in a critical section. It lives on its caller's stack while
 * the caller waits; a checkin lives on the heap, and nobody waits for it. */
struct request {
	struct request *next; /* in registry.queue, or in a batch */
	int (*apply)(struct registry *r, struct request *q);
	const char *path; /* all but request_checkout() */
	const char *to;	  /* request_move() */
	bool exchange;	  /* request_move(): and the other way round */
	struct registry_claim *claims;
	size_t n_claims;
	const struct record *want;
	const struct owner *owner;
	struct registry_conflict *conflict;
	struct record *ret_record; /* request_break(); request_seize(): n */
	const char *only_user;	   /* request_seize() */
	const char *only_lease;	   /* the same */
	const struct snapshot *snapshot; /* request_copy(): of it these */
	size_t from, until;
	size_t at_most; /* request_move(), request_reap(): no more records than
			   that; 0: all */
	size_t n_done;	/* the same: set by it */
	bool left;	/* the same: there are more */
	const char *after; /* request_move(): only names after that; or NULL */
	char *last; /* the same: the last it moved, for its caller to free */
	const char *over; /* whose kept records give way; NULL: nobody's */
	size_t n_new;	  /* request_keep(): set by it */
	bool durable;	  /* what it changes is on the disk when it is done */

	bool on_heap;
	bool taken;  /* under registry.mutex: in a batch, can't be withdrawn */
	bool done;   /* under registry.mutex */
	bool edited; /* apply changed the records */
	struct held *gained; /* for registry.held, if all goes well */
	int result;
};

struct event_note;

/*
 * Who may touch what: `busy` is a baton. Whoever sets it, under the mutex,
 * begins a decision of the engine's (core/engine.h) with no mutex held, and
 * until he clears it he alone uses the members marked so. Lock order: baton,
 * the engine's locks, then the mutexes, which are all leaves.
 */
struct registry {
	struct registry_options options;
	struct engine *engine; /* decisions are of the baton's holder */
	struct snapshot_cache snapshots;

	pthread_mutex_t mutex;
	pthread_cond_t changed; /* busy was cleared, requests are done */
	pthread_cond_t wanted;	/* there is something for the keeper */
	struct request *queue;	/* under mutex, oldest first */
	bool busy;		/* under mutex */
	bool closing;		/* under mutex */
	bool to_watch;		/* under mutex: something is held, or owed */
	enum {
		KEEPER_AWAKE,	/* it looks for itself, every moment */
		KEEPER_WATCHES, /* wants to be told of checkins */
		KEEPER_SLEEPS,	/* and of anything to watch */
	} keeper;		/* under mutex */
	unsigned quiet;		/* under mutex: looks without a checkin */
	uint64_t company_until; /* under mutex: see leader_checkin() */
	pthread_t keeper_thread;

	struct hash held; /* of the baton's holder */
	bool owes;	  /* of the baton's holder: the last decision failed;
			     held may be more than what the records say, or
			     less */
	bool changed_by_others; /* of the baton's holder: since it was unset */
	struct event_note *events; /* of the baton's holder */
};

/* Applies a batch, between the engine's begin and end. */
void requests_run(struct registry *r, struct request *batch);

/* What a request can do. Each returns its result. */
int request_checkout(struct registry *r, struct request *q);
int request_check(struct registry *r, struct request *q);
int request_checkin(struct registry *r, struct request *q);
int request_move(struct registry *r, struct request *q);
int request_break(struct registry *r, struct request *q);
int request_reap(struct registry *r, struct request *q);

/* One of these two was too much for the engine (-E2BIG): to do less of it.
 * Returns 0, or -E2BIG if it was one record. */
int request_less(struct request *q);

int request_nothing(struct registry *r, struct request *q);
int request_mark(struct registry *r, struct request *q);

/* What is to be thought of who has a record: LEASE_LIVE if it is ours, or a
 * kept one; else as engine_judge(). */
int requests_judge_holder(struct registry *r, const char *path,
			  const struct record *rec);

/* Kept checkouts, and taking over: core/kept.c. */
int request_keep(struct registry *r, struct request *q);
int request_unkeep(struct registry *r, struct request *q);
int request_seize(struct registry *r, struct request *q);
int request_unseize(struct registry *r, struct request *q);
int request_copy(struct registry *r, struct request *q);

/* Sets the claim's outcome. Returns 0, REGISTRY_HELD with the conflict, or
 * -errno. */
int requests_judge(struct registry *r, struct request *q,
		   struct registry_claim *claim, const struct owner *owner);

/* Puts an open record of ours made from q->want at all claims whose outcome
 * is REGISTRY_RECORDED, and gains what is to be watched over. */
int requests_put_open(struct registry *r, struct request *q);

/* Fills q->conflict; takes the holder over. Returns REGISTRY_HELD, or -ENOMEM.
 */
int requests_conflict(struct request *q, const char *path,
		      struct record *holder);

/* Whether it is an open record that we wrote. */
bool requests_is_ours(struct registry *r, const struct record *rec);

/* Judges a record somebody else may hold, for a reader without the file lock.
 * Returns 0, or REGISTRY_HELD with the conflict. */
int requests_judge_text(struct registry *r, const char *path, const char *text,
			size_t len, const struct owner *owner,
			struct registry_conflict *ret_conflict);

/* The record at a path. Returns 1, 0 if there is none, or -ENOMEM. */
int requests_find(struct registry *r, const char *path,
		  struct record *ret_record);

#endif
