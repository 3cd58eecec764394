/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/measures.h"

#include "core/wait.h"

#define USEC 1000ULL
#define MINUTE (60 * NSEC_PER_SEC)
#define HOUR (60 * MINUTE)

const uint64_t measures_wait_bounds[MEASURES_BOUNDS] = {
	100 * USEC,	    NSEC_PER_MSEC,	 10 * NSEC_PER_MSEC,
	50 * NSEC_PER_MSEC, 250 * NSEC_PER_MSEC, NSEC_PER_SEC,
	5 * NSEC_PER_SEC,   30 * NSEC_PER_SEC,
};

const uint64_t measures_hold_bounds[MEASURES_BOUNDS] = {
	100 * NSEC_PER_MSEC, NSEC_PER_SEC, 10 * NSEC_PER_SEC, MINUTE,
	10 * MINUTE,	     HOUR,	   8 * HOUR,	      24 * HOUR,
};

static void changed(struct measures *m)
{
	if (m->on_change)
		m->on_change(m->on_change_arg);
}

static void add(struct measures_times *t, const uint64_t *bounds,
		uint64_t since)
{
	uint64_t took = clock_now() - since;
	int i = 0;

	while (i < MEASURES_BOUNDS && took > bounds[i])
		i++;
	atomic_fetch_add_explicit(&t->counts[i], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&t->sum, took, memory_order_relaxed);
}

void measures_took(struct measures *m)
{
	if (!m)
		return;
	atomic_fetch_add_explicit(&m->checkouts, 1, memory_order_relaxed);
	changed(m);
}

void measures_waited(struct measures *m, uint64_t since)
{
	if (m)
		add(&m->waits, measures_wait_bounds, since);
}

void measures_held(struct measures *m, uint64_t since)
{
	if (!m)
		return;
	add(&m->holds, measures_hold_bounds, since);
	changed(m);
}
