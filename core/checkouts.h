/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The open checkouts of one mount: which paths are taken through it, by whom,
 * and with how many handles that can write.
 *
 * Several handles of one owner share one checkout and one record: the first
 * takes it from the registry, the last gives it back.
 *
 *	checkouts_take() ... checkouts_flushed() ... checkouts_give_back()
 *
 * A close is a checkin before the next open is judged. The kernel tells of the
 * last close (RELEASE) only after close() returned, but of each close (FLUSH)
 * before: so when all handles of the holder have been flushed, another owner
 * waits for CHECKOUTS_GRACE_MS before he is refused. FLUSH alone ends nothing:
 * a forked child or a dup() flushes too, and a mapping outlives it.
 */
#ifndef CORE_CHECKOUTS_H
#define CORE_CHECKOUTS_H

#include "core/record.h"
#include "core/registry.h"

#define CHECKOUTS_GRACE_MS 250

/* Another owner has the path. */
#define CHECKOUTS_REFUSED 1

struct checkouts;
struct checkout;

int checkouts_open(struct checkouts **ret_checkouts, struct registry *r);

/* All checkouts must have been given back. NULL-safe. */
void checkouts_free(struct checkouts *c);

/* Takes a path for one more handle of the owner that `want` describes (user,
 * host, seat; message, pid and app for the record). Returns 0 with a checkout;
 * CHECKOUTS_REFUSED with the holder, which the caller releases; or the -errno
 * of registry_checkout(). */
int checkouts_take(struct checkouts *c, const char *path,
		   const struct record *want, const struct wait *w,
		   struct checkout **ret_checkout, struct record *ret_holder);

/* A handle was flushed for the first time, or is known to be in use again. */
void checkouts_flushed(struct checkouts *c, struct checkout *co, bool flushed);

/* One handle less; `flushed`: it was counted as flushed; `written`: something
 * was written through it. With the last one the path is checked in. Returns
 * whether it was the last and any of them wrote; then ret_record is what the
 * record was, for the caller to release. */
bool checkouts_give_back(struct checkouts *c, struct checkout *co, bool flushed,
			 bool written, struct record *ret_record);

const char *checkout_path(const struct checkout *co);

#endif
