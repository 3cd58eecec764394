/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The inside of the registry: its events, noted under the file lock and told
 * after it.
 */
#ifndef CORE_EVENTS_H
#define CORE_EVENTS_H

#include "core/registry.h"

struct event_note;

void events_note(struct registry *r, int type, const char *path,
		 const struct record *record);

/* What was not written did not happen. */
void events_drop(struct registry *r, int type);

/* Takes the notes. */
void events_tell(struct registry *r, struct event_note *notes);

#endif
