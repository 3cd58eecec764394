/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The inside of the registry: who takes the file lock, and for whom.
 *
 * Requests queue up. Whoever finds nobody leading leads: takes the file lock,
 * has all that is queued applied, written once, and answered. The others wait
 * for him. A thread of its own, the keeper, leads for what nobody waits for:
 * checkins, and putting back what another program's rewrite has lost.
 */
#ifndef CORE_LEADER_H
#define CORE_LEADER_H

#include "core/requests.h"

/* Starts the keeper. Returns 0 or -errno. */
int leader_start(struct registry *r);

/* Ends it, and checks in whatever is still held. */
void leader_stop(struct registry *r);

/* Has a request done, by ourselves or by whoever leads just now. Returns its
 * result, or -ETIMEDOUT, -EINTR or what else kept the file lock from us. */
int leader_submit(struct registry *r, struct request *q, const struct wait *w);

/* As registry_checkin(). */
void leader_checkin(struct registry *r, const char *const *paths, size_t n);

/* Writes what was checked in, if the file lock can be had at once. */
void leader_write_checkins(struct registry *r);

#endif
