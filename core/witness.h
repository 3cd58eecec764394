/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The witness: who among the mounts of other hosts has fallen silent.
 *
 * On a network share a free lock proves nothing (core/lease.h). A mount is
 * given up when its lock can be had *and* its beat has not changed for the time
 * its lease names, by this host's clock, during which this host's own access to
 * the share worked. By half that time the mount itself has stopped to check
 * anything out (core/pulse.h), if it still runs. What it has open it may still
 * write to, so whoever takes a path over from it sets the file aside.
 *
 * Two looks suffice, so nobody needs to keep looking; but who looks now and
 * then has nobody wait for the second.
 *
 * A mount that beats on and on though its lock can be had tells something else:
 * the share's locks are not seen by other hosts, and nothing may be decided by
 * them.
 */
#ifndef CORE_WITNESS_H
#define CORE_WITNESS_H

#include <pthread.h>
#include <stdint.h>

#include "core/lease.h"

struct testimony;

struct witness {
	int dirfd;	     /* .camlock/leases; borrowed */
	unsigned silence_ms; /* for a lease that doesn't say */
	pthread_mutex_t mutex;
	struct testimony *list; /* under mutex */
	_Atomic bool blind;	/* locks are not seen */
};

void witness_init(struct witness *w, int dirfd, unsigned silence_ms);
void witness_release(struct witness *w);

/* Judges a lease. `sure_since` (of clock_awake()): our own access to the share
 * has worked from then on, without a gap. Returns LEASE_STALE, LEASE_LIVE (or
 * not to be given up yet), LEASE_GIVEN_UP, or -errno: there is no telling. */
int witness_judge(struct witness *w, const char *id, uint64_t sure_since);

/* Looks at the beats of all leases but `own`, and whether they are locked. */
void witness_look(struct witness *w, const char *own);

/* The clock of all this, in ns: it goes on while the machine is suspended. */
uint64_t clock_awake(void);

#endif
