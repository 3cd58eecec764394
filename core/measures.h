/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the checkouts of a mount are measured by: counted where it happens, by
 * any thread, and shown by whoever wants to (fs/metrics.h). Nothing is decided
 * by it.
 *
 * All calls take NULL for "nobody wants to know".
 */
#ifndef CORE_MEASURES_H
#define CORE_MEASURES_H

#include <stdatomic.h>
#include <stdint.h>

#define MEASURES_BOUNDS 8

/* How often something took how long. */
struct measures_times {
	atomic_uint_fast64_t counts[MEASURES_BOUNDS + 1]; /* up to each bound,
							     and beyond */
	atomic_uint_fast64_t sum;			  /* ns */
};

struct measures {
	atomic_uint_fast64_t checkouts; /* open ones, of files */
	struct measures_times waits;	/* for the turn to decide: mostly, for
					   the file lock */
	struct measures_times holds;	/* from an open checkout to its end */
	/* Told of each change; called with mutexes held. May be NULL. */
	void (*on_change)(void *arg);
	void *on_change_arg;
};

/* The upper bounds, in ns. */
extern const uint64_t measures_wait_bounds[MEASURES_BOUNDS];
extern const uint64_t measures_hold_bounds[MEASURES_BOUNDS];

void measures_took(struct measures *m);

/* Each since a time of clock_now(). */
void measures_waited(struct measures *m, uint64_t since);
void measures_held(struct measures *m, uint64_t since);

#endif
