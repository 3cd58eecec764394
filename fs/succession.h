/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Taking over from who is gone, but may write yet: a host that was given up
 * (core/witness.h) and may only be cut off from the share; or a program on this
 * host whose mount's daemon died. What it has open is set aside first, as with
 * a break.
 */
#ifndef FS_SUCCESSION_H
#define FS_SUCCESSION_H

#include "fs/caller.h"

/* What refused the caller may be such a one's. Returns whether it is worth
 * asking again, with the conflict released. */
bool succession_take(const struct caller *who,
		     struct registry_conflict *conflict);

#endif
