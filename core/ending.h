/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The inside of the open checkouts: how one ends, and what it stays for when
 * it has no use left (core/checkouts.h).
 */
#ifndef CORE_ENDING_H
#define CORE_ENDING_H

#include "core/taken.h"

/* All under the mutex. */

/* Whether it stays without any use, and until when: `pid` used it last. */
bool ending_is_put_off(struct checkouts *c, struct checkout *co, pid_t pid);

/* It ends at that time, if it has no use then; 0: it has one, or never. */
void ending_set(struct checkouts *c, struct checkout *co, uint64_t until);

/* Ends it. Lets the mutex go in between. */
void ending_now(struct checkouts *c, struct checkout *co);

/* The thread that ends what has stayed for long enough; its argument is the
 * struct checkouts. */
void *ending_sweep(void *checkouts);

/* Frees what is known of scratch files. */
void ending_clear(struct checkouts *c);

#endif
