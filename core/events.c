/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/events.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/requests.h"

struct event_note {
	struct event_note *next;
	int type;
	char *path;
	struct record record;
	bool has_record;
};

void events_note(struct registry *r, int type, const char *path,
		 const struct record *record)
{
	struct event_note *note = calloc(1, sizeof(*note));
	struct event_note **last = &r->events;

	if (!note)
		return;
	note->type = type;
	note->path = strdup(path);
	note->has_record = record && record_copy(&note->record, record) == 0;
	while (*last)
		last = &(*last)->next;
	*last = note;
}

static void free_event(struct event_note *note)
{
	free(note->path);
	record_release(&note->record);
	free(note);
}

void events_tell(struct registry *r, struct event_note *notes)
{
	while (notes) {
		struct event_note *note = notes;
		struct registry_event event = {
			.type = note->type,
			.path = note->path,
			.record = note->has_record ? &note->record : NULL,
		};

		notes = note->next;
		if (r->options.on_event && note->path)
			r->options.on_event(r->options.on_event_arg, &event);
		free_event(note);
	}
}

/* What was not written did not happen. */
void events_drop(struct registry *r, int type)
{
	struct event_note **p = &r->events;

	while (*p) {
		struct event_note *note = *p;

		if (note->type != type) {
			p = &note->next;
			continue;
		}
		*p = note->next;
		free_event(note);
	}
}
