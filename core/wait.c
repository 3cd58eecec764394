/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/wait.h"

#include <errno.h>

int wait_check(const struct wait *w)
{
	uint64_t now = clock_now();

	if (w->interrupted && now >= w->firm_until &&
	    w->interrupted(w->interrupted_arg))
		return -EINTR;
	if (now >= w->deadline)
		return -ETIMEDOUT;
	return 0;
}

static struct timespec timespec_of(uint64_t ns)
{
	return (struct timespec){ .tv_sec = (time_t)(ns / NSEC_PER_SEC),
				  .tv_nsec = (long)(ns % NSEC_PER_SEC) };
}

int wait_sleep(const struct wait *w, uint64_t ns)
{
	uint64_t now = clock_now();
	uint64_t left = w->deadline > now ? w->deadline - now : 0;
	struct timespec ts = timespec_of(ns < left ? ns : left);

	clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
	return wait_check(w);
}

void wait_on(pthread_cond_t *cond, pthread_mutex_t *mutex, uint64_t until)
{
	struct timespec ts = timespec_of(until);

	if (until == UINT64_MAX)
		pthread_cond_wait(cond, mutex);
	else
		pthread_cond_clockwait(cond, mutex, CLOCK_MONOTONIC, &ts);
}
