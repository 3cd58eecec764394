/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How long a caller is prepared to wait, and whether he still is.
 *
 * Everything in core that can wait for somebody else takes one of these. The
 * deadline is on CLOCK_MONOTONIC, so that setting the clock changes nothing.
 */
#ifndef CORE_WAIT_H
#define CORE_WAIT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define NSEC_PER_MSEC 1000000ULL
#define NSEC_PER_SEC 1000000000ULL

struct wait {
	uint64_t deadline;	     /* ns of CLOCK_MONOTONIC */
	bool (*interrupted)(void *); /* may be NULL: cannot be interrupted */
	void *interrupted_arg;
	uint64_t firm_until; /* the same: an interruption before that is put
				off until then */
};

static inline uint64_t clock_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

static inline struct wait wait_for_ms(uint64_t ms)
{
	return (struct wait){ .deadline = clock_now() + ms * NSEC_PER_MSEC };
}

/* Returns 0 while waiting is still right, -EINTR or -ETIMEDOUT otherwise. */
int wait_check(const struct wait *w);

/* Sleeps for at most ns, not beyond the deadline; returns as wait_check(). */
int wait_sleep(const struct wait *w, uint64_t ns);

/* Waits for a condition until a time of clock_now(); UINT64_MAX: for good. */
void wait_on(pthread_cond_t *cond, pthread_mutex_t *mutex, uint64_t until);

#endif
