/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/reply.h"

#include <stdio.h>
#include <string.h>

#include "cli/bare.h"
#include "cli/cli.h"
#include "cli/person.h"
#include "core/cleanup.h"
#include "core/escape.h"
#include "core/json.h"
#include "core/timestamp.h"

/* ---- for people ---- */

static void say_holder(const struct answer *a, const char *what)
{
	_cleanup_buffer_ struct buffer who = {};
	char now[TIMESTAMP_SIZE];

	timestamp_now(now);
	if (!a->holder.user || person_append_holder(&who, &a->holder, now) < 0)
		complain("'%s' is %s", a->path, what);
	else
		complain("'%s' is %s by %s", a->path, what, who.data);
}

/* He may be sitting at another host, or at a Windows machine. */
static void say_if_it_is_you(const struct answer *a, const struct place *place)
{
	const struct record *h = &a->holder;

	if (h->host && !record_is_open(h) &&
	    (h->client || strcmp(h->host, bare_host()) != 0))
		complain("if that is you, at %s: 'camlock checkout --here "
			 "%s/%s' moves it to you here",
			 record_machine(h), place->root, a->path);
}

static void say_held(const struct answer *a, const struct place *place)
{
	say_holder(a, "checked out");
	say_if_it_is_you(a, place);
	complain("'camlock wait %s/%s' waits until it is free", place->root,
		 a->path);
}

static void say_not_yours(const struct answer *a, const struct place *place)
{
	say_holder(a, "checked out");
	say_if_it_is_you(a, place);
	complain("only its owner can check it in, or an admin: 'camlock break "
		 "--reason WHY %s/%s'",
		 place->root, a->path);
}

static void say_open(const struct answer *a, const struct place *place)
{
	say_holder(a, "open for writing");
	complain("it is checked in when it is closed");
}

static void say_not_here(const struct answer *a, const struct place *place)
{
	say_holder(a, "open for writing");
	complain("its mount would not let it go: name it through that mount, "
		 "not '%s'",
		 place->root);
}

static void say_not_checked_out(const struct answer *a,
				const struct place *place)
{
	complain("'%s' is not checked out", a->path);
}

static void say_no_file(const struct answer *a, const struct place *place)
{
	complain("there is no file '%s' in '%s'", a->path, place->root);
}

static void say_no_permission(const struct answer *a, const struct place *place)
{
	complain("you may not write '%s'", a->path);
}

static void say_no_document(const struct answer *a, const struct place *place)
{
	complain("'%s' is no document: folders, devices and scratch files are "
		 "never checked out",
		 a->path);
}

static void say_not_admin(const struct answer *a, const struct place *place)
{
	complain("'%s' is not yours to take away: that is for root and the "
		 "mount's --admin-group",
		 a->path);
}

static void say_no_version(const struct answer *a, const struct place *place)
{
	complain("that version of '%s' is not kept any more: 'camlock versions "
		 "%s/%s' lists those that are",
		 a->path, place->root, a->path);
}

static void say_several(const struct answer *a, const struct place *place)
{
	complain("'%s' is one of several names of a file, and would be parted "
		 "from the others: 'camlock versions --json' says where its "
		 "versions are, to copy one into it",
		 a->path);
}

static void say_refused(const struct answer *a, const struct place *place)
{
	static const struct {
		const char *why;
		void (*say)(const struct answer *, const struct place *);
	} says[] = {
		{ WHY_HELD, say_held },
		{ WHY_OPEN, say_open },
		{ WHY_NOT_YOURS, say_not_yours },
		{ WHY_NOT_CHECKED_OUT, say_not_checked_out },
		{ WHY_NO_FILE, say_no_file },
		{ WHY_NO_PERMISSION, say_no_permission },
		{ WHY_NOT_A_DOCUMENT, say_no_document },
		{ WHY_NOT_ADMIN, say_not_admin },
		{ WHY_NOT_HERE, say_not_here },
		{ WHY_NO_VERSION, say_no_version },
		{ WHY_SEVERAL, say_several },
	};

	for (size_t i = 0; i < sizeof(says) / sizeof(*says); i++) {
		if (a->why && !strcmp(a->why, says[i].why)) {
			says[i].say(a, place);
			return;
		}
	}
	complain("'%s' was refused: %s", a->path ? a->path : "?",
		 a->why ? a->why : "?");
}

static void say(const struct answer *a, const struct place *place)
{
	if (a->result == ANSWER_REFUSED)
		say_refused(a, place);
	else if (a->result == ANSWER_TROUBLE)
		complain("'%s': %s", a->path ? a->path : place->root,
			 a->error ? a->error : "unknown trouble");
}

/* What is printed, harmless. */
static void print_safe(const char *before, const char *text, const char *after)
{
	_cleanup_buffer_ struct buffer safe = {};

	if (escape_append(&safe, text) == 0)
		printf("%s%s%s", before, safe.data, after);
}

void reply_done(const char *what, const struct targets *targets)
{
	if (targets->n == 1)
		print_safe(what, targets->list[0].path, "\n");
	else
		printf("%s%zu files\n", what, targets->n);
}

void reply_recovered(const struct answer *answer)
{
	for (size_t i = 0; i < answer->n_recovered; i++) {
		print_safe("what is still written to ",
			   answer->recovered[i].path, "");
		print_safe(" goes to ", answer->recovered[i].name,
			   ": see 'camlock recovered'\n");
	}
}

/* ---- for programs ---- */

static int append_paths(struct buffer *b, const struct targets *t)
{
	int r = buffer_append_string(b, ", \"paths\": [");

	for (size_t i = 0; r == 0 && i < t->n; i++) {
		r = buffer_append_string(b, i ? ", " : "");
		if (r == 0)
			r = json_append_string(b, t->list[i].path);
	}
	return r == 0 ? buffer_append(b, "]", 1) : r;
}

static int append_holder(struct buffer *b, const struct record *holder)
{
	int r = buffer_append_string(b, ", \"holder\": ");

	if (r < 0)
		return r;
	return holder->user ? record_format(holder, b)
			    : buffer_append_string(b, "null");
}

static int append_recovered(struct buffer *b, const struct answer *a)
{
	int r = buffer_append_string(b, ", \"recovered\": {");

	for (size_t i = 0; r == 0 && i < a->n_recovered; i++) {
		r = buffer_append_string(b, i ? ", " : "");
		if (r == 0)
			r = json_append_string(b, a->recovered[i].path);
		if (r == 0)
			r = buffer_append_string(b, ": ");
		if (r == 0)
			r = json_append_string(b, a->recovered[i].name);
	}
	return r == 0 ? buffer_append(b, "}", 1) : r;
}

static int append_answer(struct buffer *b, const struct answer *a,
			 const struct targets *t, const char *result)
{
	static const char *const results[] = {
		[ANSWER_DONE] = "done",
		[ANSWER_REFUSED] = "refused",
		[ANSWER_TROUBLE] = "trouble",
	};
	int r = buffer_append(b, "{", 1);

	if (r == 0)
		r = json_append_field(b, "share", t->place.root);
	if (r == 0)
		r = json_append_field(b, "result",
				      result ? result : results[a->result]);
	if (r == 0)
		r = append_paths(b, t);
	if (r == 0)
		r = json_append_field(b, "path", a->path);
	if (r == 0)
		r = json_append_field(b, "why", a->why);
	if (r == 0)
		r = append_holder(b, &a->holder);
	if (r == 0)
		r = json_append_field(b, "error", a->error);
	if (r == 0)
		r = append_recovered(b, a);
	return r == 0 ? buffer_append_string(b, "}") : r;
}

int reply(const struct answer *answer, const struct targets *targets, bool json,
	  const char *result)
{
	_cleanup_buffer_ struct buffer b = {};

	say(answer, &targets->place);
	if (json && append_answer(&b, answer, targets, result) < 0)
		return fail(TROUBLE, "out of memory");
	if (json)
		puts(b.data);
	if (answer->result == ANSWER_TROUBLE)
		return TROUBLE;
	return answer->result == ANSWER_DONE ? DONE : REFUSED;
}
