/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The pulse: a mount on a network share shows that it lives, and notices when
 * it can't (core/lease.h, core/witness.h).
 *
 * A thread of its own beats ten times in `silence_ms`. When half that time has
 * gone by without success, for whatever reason, the mount is not sure of what
 * it has any more: it must not check anything out, for another host may give it
 * up before long. That is so by the clock alone: also when the beating thread
 * hangs in the share, or the whole daemon, or the machine, was asleep.
 *
 * What comes after that, or when the lease's file is gone, is up to `revive`:
 * it takes the lease again, and what is still rightfully the mount's, before
 * the mount is sure again.
 */
#ifndef CORE_PULSE_H
#define CORE_PULSE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/wait.h"
#include "core/witness.h"

struct pulse;

struct pulse_options {
	struct lease *lease; /* both borrowed; the lease is the pulse's but for
				`revive` */
	struct witness *witness;
	unsigned silence_ms;
	void *arg;
	int (*revive)(void *arg, const struct wait *w); /* 0 or -errno */
	/* It is not sure any more, `error` (0: the share doesn't answer) being
	 * the reason; or is again. -ENOLCK: locks are not seen by other hosts,
	 * and it will not be sure again. With no mutex held. */
	void (*on_unsure)(void *arg, int error);
	void (*on_sure)(void *arg);
};

/* Beats once, and starts. Returns 0 or -errno. */
int pulse_open(struct pulse **ret_pulse, const struct pulse_options *options);

/* NULL-safe. Returns false if its thread hangs in the share, and then all it
 * uses must stay. */
bool pulse_close(struct pulse *p);

/* Whether the mount may check anything out; and since when, without a gap, it
 * could (of clock_awake()). NULL: always. Any thread. */
bool pulse_is_sure(const struct pulse *p);
uint64_t pulse_sure_since(const struct pulse *p);

#endif
