/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is left of a locks.json that is no JSON any more, since somebody or a
 * power cut stopped in the middle of writing it.
 */
#ifndef CORE_SALVAGE_H
#define CORE_SALVAGE_H

#include "core/entries.h"

/* Adds the entries that can still be read: all before the first place that is
 * wrong, and of those behind it the ones that begin a line as ours do. What
 * stands behind the object's end was there before it, and is left out. Returns
 * 0 or -ENOMEM. */
int salvage_entries(struct entries *e, const struct buffer *text);

#endif
