/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/person.h"

#include <stdbool.h>
#include <string.h>

#include "cli/text.h"
#include "core/escape.h"

int person_append(struct buffer *b, const struct record *r)
{
	const char *machine = record_machine(r);
	int err = escape_append(b, r->user);

	if (err == 0 && machine && *machine)
		err = buffer_append(b, "@", 1);
	if (err == 0 && machine)
		err = escape_append(b, machine);
	return err;
}

/* The time of day is enough on the day of the event itself. */
int person_append_since(struct buffer *b, const char *since, const char *now)
{
	char text[LOCAL_SIZE], today[LOCAL_SIZE];
	bool is_today;

	if (!local_time(text, since))
		return 0;
	is_today = local_time(today, now) && !strncmp(text, today, LOCAL_DAY);
	text[LOCAL_MINUTES] = '\0';
	return buffer_printf(b, " since %s",
			     is_today ? text + LOCAL_DAY + 1 : text);
}

int person_append_quoted(struct buffer *b, const char *before, const char *text,
			 const char *after)
{
	int r = buffer_append_string(b, before);

	if (r == 0)
		r = escape_append(b, text);
	return r == 0 ? buffer_append_string(b, after) : r;
}

int person_append_holder(struct buffer *b, const struct record *r,
			 const char *now)
{
	bool by_itself = record_is_open(r); /* then it names the program */
	int err = person_append(b, r);

	if (err == 0)
		err = person_append_since(b, r->timestamp, now);
	if (err == 0 && by_itself && r->app && *r->app)
		err = person_append_quoted(b, " with ", r->app, "");
	if (err == 0 && !by_itself && r->message && *r->message)
		err = person_append_quoted(b, ", \"", r->message, "\"");
	return err;
}
