/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/ask.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "core/cleanup.h"
#include "core/json.h"

#define CONTROL_NAME "control"
#define REQUEST_SIZE_MAX ((size_t)16 << 20)

void answer_release(struct answer *a)
{
	free(a->path);
	free(a->why);
	free(a->error);
	record_release(&a->holder);
	for (size_t i = 0; i < a->n_recovered; i++) {
		free(a->recovered[i].path);
		free(a->recovered[i].name);
	}
	free(a->recovered);
	*a = (struct answer){};
}

int answer_add_recovered(struct answer *a, const char *path, const char *name)
{
	struct set_aside *list =
		reallocarray(a->recovered, a->n_recovered + 1, sizeof(*list));
	struct set_aside *last;

	if (!list)
		return -ENOMEM;
	a->recovered = list;
	last = &list[a->n_recovered++];
	last->path = strdup(path);
	last->name = strdup(name);
	return last->path && last->name ? 0 : -ENOMEM;
}

/* ---- the answer ---- */

static bool key_is(const struct json_member *m, const char *name)
{
	return m->key_len == strlen(name) && !memcmp(m->key, name, m->key_len);
}

static int read_recovered(struct answer *a, const char *text, size_t len)
{
	struct json_member m;
	struct json_cursor c;
	int r = json_object_begin(&c, text, len);

	while (r >= 0 && (r = json_object_next(&c, &m)) > 0) {
		_cleanup_free_ char *path =
			json_string_decode(m.key, m.key_len);
		_cleanup_free_ char *name =
			json_value_string(m.value, m.value_len);

		if (!path || !name)
			return -EBADMSG;
		r = answer_add_recovered(a, path, name);
	}
	return r;
}

static int read_result(struct answer *a, const char *result)
{
	static const struct {
		const char *name;
		int result;
	} results[] = {
		{ "done", ANSWER_DONE },
		{ "refused", ANSWER_REFUSED },
		{ "trouble", ANSWER_TROUBLE },
		{ "usage", ANSWER_TROUBLE }, /* ours, not the caller's */
	};

	for (size_t i = 0; i < sizeof(results) / sizeof(*results); i++) {
		if (strcmp(result, results[i].name) != 0)
			continue;
		a->result = results[i].result;
		return 0;
	}
	return -EBADMSG;
}

static int read_member(struct answer *a, const struct json_member *m,
		       bool *is_answer)
{
	const struct {
		const char *name;
		char **field;
	} fields[] = {
		{ "path", &a->path },
		{ "why", &a->why },
		{ "error", &a->error },
	};
	_cleanup_free_ char *result = NULL;

	if (key_is(m, "holder"))
		return record_parse(&a->holder, m->value, m->value_len);
	if (key_is(m, "recovered"))
		return read_recovered(a, m->value, m->value_len);
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		if (key_is(m, fields[i].name) && !*fields[i].field)
			*fields[i].field =
				json_value_string(m->value, m->value_len);
	if (!key_is(m, "result"))
		return 0;
	result = json_value_string(m->value, m->value_len);
	*is_answer = true;
	return result ? read_result(a, result) : -EBADMSG;
}

static int answer_parse(struct answer *ret_answer, const struct buffer *text)
{
	_cleanup_answer_ struct answer a = {};
	struct json_member m;
	struct json_cursor c;
	bool is_answer = false;
	int r = json_object_begin(&c, text->data, text->len);

	while (r >= 0 && (r = json_object_next(&c, &m)) > 0)
		r = read_member(&a, &m, &is_answer);
	if (r < 0 || !is_answer)
		return r == -ENOMEM ? r : -EBADMSG;
	*ret_answer = a;
	a = (struct answer){};
	return 0;
}

/* ---- the request ---- */

static int format(struct buffer *b, const struct ask *a)
{
	static const char *const verbs[] = { "checkout", "checkin", "break",
					     "revert" };
	static const char *const modes[] = { "", "steal", "here" };
	const char *head[] = { verbs[a->verb], modes[a->mode], a->message };
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(head) / sizeof(*head); i++)
		r = buffer_append(b, head[i], strlen(head[i]) + 1);
	for (size_t i = 0; r == 0 && i < a->n; i++)
		r = buffer_append(b, a->paths[i], strlen(a->paths[i]) + 1);
	return r;
}

static int write_all(int fd, const struct buffer *b)
{
	size_t done = 0;

	while (done < b->len) {
		ssize_t n = write(fd, b->data + done, b->len - done);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			done += (size_t)n;
	}
	return 0;
}

static int cannot_ask(const struct place *place, int error)
{
	if (error == -ENOENT)
		return fail(TROUBLE,
			    "the mount '%s' is an older camlock's: unmount it "
			    "and mount it again",
			    place->root);
	return fail(TROUBLE, "cannot ask the mount '%s': %s", place->root,
		    reason(error));
}

static int ask_mount(struct answer *ret_answer, const struct place *place,
		     const struct ask *a)
{
	_cleanup_buffer_ struct buffer request = {}, text = {};
	_cleanup_close_ int fd = -1;
	int r = format(&request, a);

	if (r == 0 && request.len > REQUEST_SIZE_MAX)
		return fail(REFUSED,
			    "%zu files are too many at once: name a smaller "
			    "folder",
			    a->n);
	if (r == 0) {
		fd = openat(place->files, CONTROL_NAME, O_RDWR | O_CLOEXEC);
		r = fd < 0 ? -errno : 0;
	}
	if (r == 0)
		r = write_all(fd, &request);
	if (r == 0)
		r = buffer_read_file(&text, fd);
	if (r == 0)
		r = answer_parse(ret_answer, &text);
	return r < 0 ? cannot_ask(place, r) : DONE;
}

int ask(struct answer *ret_answer, const struct place *place,
	const struct ask *a)
{
	if (strlen(a->message) > ASK_MESSAGE_MAX)
		return fail(USAGE,
			    "what you say it is for is too long: at most %d "
			    "bytes",
			    ASK_MESSAGE_MAX);
	if (a->locks && place->is_mount)
		return fail(USAGE,
			    "'%s' is a mount, and knows its locks.json: leave "
			    "--locks away",
			    place->root);
	return place->is_mount ? ask_mount(ret_answer, place, a)
			       : ask_bare(ret_answer, place, a);
}
