/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/json.h"

/* The order in which they are written. */
static const struct field {
	const char *name;
	size_t offset;
} fields[] = {
	{ "user", offsetof(struct record, user) },
	{ "timestamp", offsetof(struct record, timestamp) },
	{ "message", offsetof(struct record, message) },
	{ "kind", offsetof(struct record, kind) },
	{ "host", offsetof(struct record, host) },
	{ "seat", offsetof(struct record, seat) },
	{ "client", offsetof(struct record, client) },
	{ "lease", offsetof(struct record, lease) },
	{ "pid", offsetof(struct record, pid) },
	{ "app", offsetof(struct record, app) },
};

#define N_FIELDS (sizeof(fields) / sizeof(*fields))

static char **field_of(struct record *r, const struct field *f)
{
	return (char **)((char *)r + f->offset);
}

static const char *field_get(const struct record *r, const struct field *f)
{
	return *(char *const *)((const char *)r + f->offset);
}

static bool key_is(const struct json_member *m, const char *name)
{
	return m->key_len == strlen(name) && !memcmp(m->key, name, m->key_len);
}

/* A field that can't be read is as good as missing; but nobody gets in because
 * the holder's name is one of those. */
static int read_field(const struct json_member *m, bool is_user,
		      char **ret_value)
{
	char *value = json_value_string(m->value, m->value_len);

	if (!value && errno == EINVAL && is_user)
		value = strdup(RECORD_USER_UNKNOWN);
	if (!value && errno == ENOMEM)
		return -ENOMEM;
	*ret_value = value;
	return 0;
}

/* Of two members with one name the later counts, as for Python. */
static int take_member(struct record *r, const struct json_member *m)
{
	for (size_t i = 0; i < N_FIELDS; i++) {
		char **field = field_of(r, &fields[i]);
		char *value;

		if (!key_is(m, fields[i].name))
			continue;
		if (read_field(m, field == &r->user, &value) < 0)
			return -ENOMEM;
		free(*field);
		*field = value;
		return 0;
	}
	return 0;
}

int record_parse(struct record *ret_record, const char *text, size_t len)
{
	_cleanup_record_ struct record rec = {};
	struct json_member m;
	struct json_cursor c;

	if (json_object_begin(&c, text, len) < 0)
		return -EINVAL;
	for (;;) {
		int r = json_object_next(&c, &m);

		if (r < 0)
			return -EINVAL;
		if (r == 0)
			break;
		if (take_member(&rec, &m) < 0)
			return -ENOMEM;
	}
	if (!rec.user)
		return -EINVAL;
	*ret_record = rec;
	rec = (struct record){};
	return 0;
}

int record_copy(struct record *ret_record, const struct record *from)
{
	_cleanup_record_ struct record copy = {};

	for (size_t i = 0; i < N_FIELDS; i++) {
		const char *value = field_get(from, &fields[i]);

		if (value && !(*field_of(&copy, &fields[i]) = strdup(value)))
			return -ENOMEM;
	}
	*ret_record = copy;
	copy = (struct record){};
	return 0;
}

void record_release(struct record *r)
{
	for (size_t i = 0; i < N_FIELDS; i++)
		free(*field_of(r, &fields[i]));
	*r = (struct record){};
}

int record_format(const struct record *r, struct buffer *b)
{
	const char *comma = "";
	int err = buffer_append_string(b, "{\n");

	for (size_t i = 0; err == 0 && i < N_FIELDS; i++) {
		const char *value = field_get(r, &fields[i]);

		if (!value)
			continue;
		err = buffer_printf(b, "%s        \"%s\": ", comma,
				    fields[i].name);
		if (err == 0)
			err = json_append_string(b, value);
		comma = ",\n";
	}
	return err == 0 ? buffer_append_string(b, "\n    }") : err;
}

/* Where the value of the last member `message` is; NULL if there is none. */
static int find_message(const char *text, size_t len,
			struct json_member *ret_message)
{
	struct json_member m, found = {};
	struct json_cursor c;
	int r = json_object_begin(&c, text, len);

	while (r == 0) {
		r = json_object_next(&c, &m);
		if (r <= 0)
			break;
		if (key_is(&m, "message"))
			found = m;
		r = 0;
	}
	*ret_message = found;
	return r < 0 ? -EINVAL : 0;
}

int record_set_message(const char *text, size_t len, const char *message,
		       struct buffer *b)
{
	struct json_member m;
	const char *from, *to;
	int r = find_message(text, len, &m);

	if (r < 0)
		return r;
	/* without one it goes behind the opening brace */
	from = m.value ? m.value : text + 1;
	to = m.value ? m.value + m.value_len : from;
	r = buffer_append(b, text, (size_t)(from - text));
	if (r == 0 && !m.value)
		r = buffer_append_string(b, "\n        \"message\": ");
	if (r == 0)
		r = json_append_string(b, message);
	if (r == 0 && !m.value)
		r = buffer_append_string(b, ",");
	return r == 0 ? buffer_append(b, to, (size_t)(text + len - to)) : r;
}

bool record_is_open(const struct record *r)
{
	return r->kind && !strcmp(r->kind, RECORD_KIND_OPEN) && r->lease;
}

bool record_text_has_lease(const char *text, size_t len, const char *lease)
{
	_cleanup_record_ struct record rec = {};

	return *lease && memmem(text, len, lease, strlen(lease)) &&
	       record_parse(&rec, text, len) == 0 && record_is_open(&rec) &&
	       !strcmp(rec.lease, lease);
}

const char *record_machine(const struct record *r)
{
	return r->client && *r->client ? r->client : r->host;
}

static bool same(const char *a, const char *b)
{
	return !strcmp(a ? a : "", b ? b : "");
}

bool record_same_person(const struct record *a, const struct record *b)
{
	return same(a->user, b->user) && same(a->seat, b->seat);
}

struct owner record_owner(const struct record *r, const char *lease)
{
	return (struct owner){ .user = r->user,
			       .host = r->host,
			       .seat = r->seat,
			       .lease = lease,
			       .client = r->client };
}

static bool same_client(const struct record *r, const struct owner *o)
{
	return r->client && o->client && !strcmp(r->client, o->client);
}

bool record_owned_by(const struct record *r, const struct owner *o)
{
	if (!same(r->user, o->user))
		return false;
	if (record_is_open(r))
		return o->lease && same(r->lease, o->lease) &&
		       same(r->seat, o->seat);
	return !r->host || (same(r->host, o->host) &&
			    (same(r->seat, o->seat) || same_client(r, o)));
}
