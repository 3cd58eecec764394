/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/wait.h"

#include <errno.h>

int wait_check(const struct wait *w)
{
	if (w->interrupted && w->interrupted(w->interrupted_arg))
		return -EINTR;
	if (clock_now() >= w->deadline)
		return -ETIMEDOUT;
	return 0;
}

int wait_sleep(const struct wait *w, uint64_t ns)
{
	uint64_t now = clock_now();
	uint64_t left = w->deadline > now ? w->deadline - now : 0;
	struct timespec ts;

	if (ns > left)
		ns = left;
	ts.tv_sec = (time_t)(ns / NSEC_PER_SEC);
	ts.tv_nsec = (long)(ns % NSEC_PER_SEC);
	clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
	return wait_check(w);
}
