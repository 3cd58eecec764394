/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/json.h"
#include "fs/kept.h"
#include "fs/revert.h"

struct request {
	const char *verb;
	const char *mode;
	const char *message; /* NULL: none */
	const char **paths;
	size_t n;
};

static size_t count_strings(const struct buffer *text)
{
	size_t n = 0;

	for (size_t i = 0; i < text->len; i++)
		n += !text->data[i];
	return n;
}

/* The string behind another. */
static const char *next(const char *string)
{
	return string + strlen(string) + 1;
}

/* Its strings point into the text. Returns 0, -EINVAL or -ENOMEM. */
static int parse(struct request *ret_request, const struct buffer *text)
{
	size_t n = count_strings(text);
	struct request r = {};
	const char *at;

	if (n < 4 || text->data[text->len - 1])
		return -EINVAL;
	r.verb = text->data;
	r.mode = next(r.verb);
	r.message = next(r.mode);
	at = next(r.message);
	if (strlen(r.message) > KEPT_MESSAGE_MAX)
		return -EINVAL;
	if (!*r.message)
		r.message = NULL;
	r.paths = calloc(n - 3, sizeof(*r.paths));
	if (!r.paths)
		return -ENOMEM;
	for (r.n = 0; r.n < n - 3; at = next(at))
		r.paths[r.n++] = at;
	*ret_request = r;
	return 0;
}

/* Returns whether there is such a thing to do. */
static bool run(const struct caller *who, const struct request *r,
		struct kept_answer *a)
{
	bool checkout = !strcmp(r->verb, "checkout");

	if (checkout && !*r->mode)
		kept_checkout(who, r->paths, r->n, r->message, a);
	else if (checkout &&
		 (!strcmp(r->mode, "steal") || !strcmp(r->mode, "here")))
		kept_steal(who, r->paths, r->n, r->message, *r->mode == 'h', a);
	else if (!strcmp(r->verb, "checkin") && !*r->mode)
		kept_checkin(who, r->paths, r->n, a);
	else if (!strcmp(r->verb, "break") && !*r->mode)
		kept_break(who, r->paths, r->n, r->message, a);
	else if (!strcmp(r->verb, "revert") && !*r->mode && r->message &&
		 r->n == 1)
		revert_run(who, r->paths[0], r->message, a);
	else
		return false;
	return true;
}

/* ---- the answer ---- */

static int print_recovered(struct buffer *b, const struct buffer *recovered)
{
	int r = recovered->len ? buffer_append_string(b, ", \"recovered\": {")
			       : 0;

	for (size_t at = 0; r == 0 && at < recovered->len;) {
		const char *path = recovered->data + at;
		const char *name = path + strlen(path) + 1;

		if (at)
			r = buffer_append_string(b, ", ");
		if (r == 0)
			r = json_append_string(b, path);
		if (r == 0)
			r = buffer_append_string(b, ": ");
		if (r == 0)
			r = json_append_string(b, name);
		at += strlen(path) + strlen(name) + 2;
	}
	return r == 0 && recovered->len ? buffer_append_string(b, "}") : r;
}

static const char *name_of(enum kept_why why)
{
	static const char *const names[] = {
		[KEPT_HELD] = "held",
		[KEPT_OPEN] = "open",
		[KEPT_NOT_YOURS] = "not-yours",
		[KEPT_NOT_OUT] = "not-checked-out",
		[KEPT_NO_FILE] = "no-such-file",
		[KEPT_NO_PERMISSION] = "no-permission",
		[KEPT_NO_DOCUMENT] = "not-a-document",
		[KEPT_NOT_ADMIN] = "not-admin",
		[KEPT_NO_VERSION] = "no-such-version",
		[KEPT_SEVERAL] = "several-names",
	};

	return names[why];
}

/* A record's text is indented to stand in locks.json: here it is one line. */
static int print_holder(struct buffer *b, const struct record *holder)
{
	size_t at = b->len;
	int r = buffer_append_string(b, ", \"holder\": ");

	if (r == 0)
		r = record_format(holder, b);
	for (; r == 0 && at < b->len; at++)
		if (b->data[at] == '\n')
			b->data[at] = ' ';
	return r;
}

static int print_refusal(struct buffer *b, const struct kept_answer *a)
{
	int r = buffer_append_string(b, "{\"result\": \"refused\"");

	if (r == 0)
		r = json_append_field(b, "path",
				      a->conflict.path ? a->conflict.path : "");
	if (r == 0)
		r = json_append_field(b, "why", name_of(a->why));
	if (r == 0 && a->conflict.holder.user)
		r = print_holder(b, &a->conflict.holder);
	return r;
}

static const char *text_of(int error)
{
	return error == -E2BIG ? "that is more than the records' keeper takes "
				 "at once: name fewer files"
			       : strerror(-error);
}

static int print_trouble(struct buffer *b, const struct kept_answer *a)
{
	int r = buffer_append_string(b, "{\"result\": \"trouble\"");

	if (r == 0)
		r = json_append_field(b, "path",
				      a->conflict.path ? a->conflict.path : "");
	if (r == 0)
		r = json_append_field(b, "error", text_of(a->error));
	return r == 0 ? buffer_printf(b, ", \"errno\": %d", -a->error) : r;
}

static int print(struct buffer *b, const struct kept_answer *a)
{
	int r;

	if (a->why == KEPT_DONE)
		r = buffer_append_string(b, "{\"result\": \"done\"");
	else if (a->why == KEPT_TROUBLE)
		r = print_trouble(b, a);
	else
		r = print_refusal(b, a);
	if (r == 0)
		r = print_recovered(b, &a->recovered);
	return r == 0 ? buffer_append_string(b, "}\n") : r;
}

int control_run(fuse_req_t req, struct buffer *text)
{
	_cleanup_answer_ struct kept_answer answer = {};
	_cleanup_buffer_ struct buffer said = {};
	struct request request = {};
	struct caller who;
	int r = parse(&request, text);

	if (r == -ENOMEM)
		return r;
	caller_get(req, "asked for", &who);
	if (r == 0 && run(&who, &request, &answer))
		r = print(&said, &answer);
	else
		r = buffer_append_string(&said, "{\"result\": \"usage\", "
						"\"error\": "
						"\"not a request\"}\n");
	free(request.paths);
	if (r < 0)
		return r;
	buffer_release(text);
	*text = said;
	said = (struct buffer){};
	return 0;
}
