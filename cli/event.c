/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/event.h"

#include <string.h>

#include "cli/person.h"
#include "cli/text.h"
#include "core/escape.h"
#include "core/history.h"

/* alice@cam-07 (vim) */
static int append_who(struct buffer *b, const struct record *who)
{
	int r = buffer_append_string(b, "  ");

	if (r == 0)
		r = person_append(b, who);
	if (r == 0 && who->app && *who->app)
		r = person_append_quoted(b, " (", who->app, ")");
	return r;
}

/* What the holder has to do with it. */
static const char *holder_word(const char *event)
{
	if (!strcmp(event, HISTORY_BROKEN) || !strcmp(event, HISTORY_STOLEN))
		return ": taken from ";
	return strcmp(event, HISTORY_STALE) ? ": held by " : ": changed by ";
}

/* : changed by bob (freecad) at 09:40 since this program read it at 08:55 */
static bool is_stale(const struct event *e)
{
	return e->holder.kind && !strcmp(e->holder.kind, "changed") &&
	       e->holder.message;
}

/* : held by alice@cam-07 since 15:52, "opened for writing by freecad" */
static int append_holder(struct buffer *b, const struct event *e)
{
	const struct record *holder = &e->holder;
	int r = buffer_append_string(b, holder_word(e->event));

	if (r == 0)
		r = person_append(b, holder);
	if (r == 0)
		r = person_append_since(b, holder->timestamp, e->time);
	if (r == 0 && holder->message && *holder->message)
		r = person_append_quoted(b, ", \"", holder->message, "\"");
	return r;
}

/* Of what was done on purpose, the purpose. What else has a message is open,
 * and the message says no more than the program. */
static int append_purpose(struct buffer *b, const struct event *e)
{
	if (!e->who.message || !*e->who.message)
		return 0;
	if (!strcmp(e->event, HISTORY_CHECKOUT) ||
	    !strcmp(e->event, HISTORY_CHECKIN))
		return person_append_quoted(b, ": \"", e->who.message, "\"");
	if (!strcmp(e->event, HISTORY_BROKEN) ||
	    !strcmp(e->event, HISTORY_STOLEN))
		return person_append_quoted(b, "; because \"", e->who.message,
					    "\"");
	if (!strcmp(e->event, HISTORY_REVERTED))
		return person_append_quoted(b, ": to version ", e->who.message,
					    "");
	if (!strcmp(e->event, HISTORY_RECOVERED))
		return person_append_quoted(b, "; put aside as ",
					    e->who.message, "");
	return 0;
}

/* Blanks to the column where paths begin; long names push it on. */
static int append_event(struct buffer *b, const char *event, bool coloured)
{
	bool red = coloured && !strcmp(event, HISTORY_REFUSED);
	size_t begin;
	int r = buffer_append_string(b, red ? COLOUR_RED : "");

	begin = b->len;
	if (r == 0)
		r = escape_append(b, event);
	while (r == 0 && b->len < begin + strlen("refused "))
		r = buffer_append(b, " ", 1);
	if (r == 0 && red)
		r = buffer_append_string(b, COLOUR_END);
	return r == 0 ? buffer_append_string(b, "  ") : r;
}

int event_format(struct buffer *b, const struct event *e, bool coloured)
{
	char time[LOCAL_SIZE];
	bool is_time = local_time(time, e->time);
	int r = escape_append(b, is_time ? time : e->time);

	if (r == 0)
		r = buffer_append_string(b, "  ");
	if (r == 0)
		r = append_event(b, e->event, coloured);
	if (r == 0)
		r = escape_append(b, e->path ? e->path : "-");
	if (r == 0 && e->who.user)
		r = append_who(b, &e->who);
	if (r == 0 && is_stale(e))
		r = person_append_quoted(b, ": ", e->holder.message, "");
	else if (r == 0 && e->holder.user)
		r = append_holder(b, e);
	if (r == 0)
		r = append_purpose(b, e);
	if (r == 0 && e->recovered)
		r = person_append_quoted(b, "; put aside as ", e->recovered,
					 "");
	return r;
}
