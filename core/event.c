/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/event.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"

void event_release(struct event *e)
{
	free(e->time);
	free(e->event);
	free(e->path);
	free(e->recovered);
	record_release(&e->who);
	record_release(&e->holder);
}

static char **field_of(struct event *e, const struct json_member *m)
{
	const struct {
		const char *name;
		char **field;
	} fields[] = {
		{ "time", &e->time },		{ "event", &e->event },
		{ "path", &e->path },		{ "user", &e->who.user },
		{ "host", &e->who.host },	{ "seat", &e->who.seat },
		{ "client", &e->who.client },	{ "app", &e->who.app },
		{ "pid", &e->who.pid },		{ "kind", &e->who.kind },
		{ "message", &e->who.message }, { "since", &e->who.timestamp },
		{ "recovered", &e->recovered },
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		if (m->key_len == strlen(fields[i].name) &&
		    !memcmp(m->key, fields[i].name, m->key_len))
			return fields[i].field;
	return NULL;
}

static int take_member(struct event *e, const struct json_member *m)
{
	struct record holder;
	char **field = field_of(e, m);
	int r;

	if (field) {
		free(*field);
		*field = json_value_string(m->value, m->value_len);
		return 0;
	}
	if (m->key_len != strlen("holder") || memcmp(m->key, "holder", 6) != 0)
		return 0;
	r = record_parse(&holder, m->value, m->value_len);
	if (r < 0)
		return r;
	record_release(&e->holder);
	e->holder = holder;
	return 0;
}

int event_parse(struct event *ret_event, const char *line, size_t len)
{
	_cleanup_event_ struct event e = {};
	struct json_member m;
	struct json_cursor c;
	int r = json_object_begin(&c, line, len);

	while (r >= 0 && (r = json_object_next(&c, &m)) > 0)
		r = take_member(&e, &m);
	if (r == -ENOMEM)
		return r;
	if (r < 0 || !e.time || !e.event)
		return -EINVAL;
	*ret_event = e;
	e = (struct event){};
	return 0;
}
