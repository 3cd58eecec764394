/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * camlock why: all that is to be known about who has a file.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/alive.h"
#include "cli/bare.h"
#include "cli/cli.h"
#include "cli/event.h"
#include "cli/person.h"
#include "cli/reader.h"
#include "cli/records.h"
#include "cli/targets.h"
#include "cli/text.h"
#include "core/cleanup.h"
#include "core/escape.h"
#include "core/history.h"
#include "core/json.h"

#define REFUSALS 10

static const char help[] =
	"usage: camlock why [--json] [--locks FILE] PATH...\n"
	"\n"
	"Who has a file, where, since when, what for and with which program; "
	"whether\n"
	"that is still there; who was refused lately; and what became of the "
	"file last.\n"
	"A folder stands for all that is checked out below it.\n"
	"\n"
	"  --locks FILE  where a bare share's locks.json is, if the mount was "
	"told\n"
	"  --json        an array of objects, for programs\n"
	"\n"
	"Fields of --json, strings unless it says otherwise, or null:\n"
	"  share, path\n"
	"  state      \"open\", \"kept\", \"stale\" (was open, holds nothing) "
	"or \"free\"\n"
	"  user, host, seat, client, since, app, pid, message\n"
	"             the record's, as in 'camlock status --json'\n"
	"  mount      of an open one: \"live\", \"stale\" or \"unknown\"\n"
	"  program    \"running\", \"gone\", \"other\" (the pid is another's "
	"now) or\n"
	"             \"elsewhere\" (another host's)\n"
	"  refused    an array: the last refusals, as in 'camlock log --json'\n"
	"  last       an object: what was last saved, deleted or renamed, the "
	"same way\n";

/* What the history says about one path: lines as they stand there. */
struct story {
	const char *path; /* borrowed */
	char *refused[REFUSALS];
	size_t n_refused; /* ever; the last are in refused, by n % REFUSALS */
	char *last;
};

struct stories {
	struct story *list;
	size_t n;
};

static void stories_release(struct stories *s)
{
	for (size_t i = 0; i < s->n; i++) {
		for (size_t j = 0; j < REFUSALS; j++)
			free(s->list[i].refused[j]);
		free(s->list[i].last);
	}
	free(s->list);
}

/* ---- reading ---- */

static int compare_path(const void *path, const void *story)
{
	return strcmp(path, ((const struct story *)story)->path);
}

static int replace(char **place, const char *line, size_t len)
{
	char *copy = strndup(line, len);

	if (!copy)
		return -ENOMEM;
	free(*place);
	*place = copy;
	return 0;
}

static int note(void *arg, const char *line, size_t len)
{
	const struct stories *s = arg;
	_cleanup_event_ struct event e = {};
	struct story *story;
	int r = event_parse(&e, line, len);

	if (r < 0 || !e.path)
		return r;
	story = bsearch(e.path, s->list, s->n, sizeof(*s->list), compare_path);
	if (!story)
		return 0;
	if (!strcmp(e.event, HISTORY_REFUSED))
		return replace(&story->refused[story->n_refused++ % REFUSALS],
			       line, len);
	if (!strcmp(e.event, HISTORY_SAVED) ||
	    !strcmp(e.event, HISTORY_DELETED) ||
	    !strcmp(e.event, HISTORY_RENAMED))
		return replace(&story->last, line, len);
	return 0;
}

static int read_stories(struct stories *s, const struct targets *t)
{
	_cleanup_reader_ struct reader reader = { .place = &t->place,
						  .show = note,
						  .arg = s };
	int r;

	s->list = calloc(t->n, sizeof(*s->list));
	if (!s->list)
		return fail(TROUBLE, "out of memory");
	s->n = t->n;
	for (size_t i = 0; i < t->n; i++)
		s->list[i].path = t->list[i].path;
	r = reader_all(&reader);
	if (r == 0)
		r = reader_end(&reader);
	return r == 0 ? DONE : reader_failed(&reader, r);
}

/* The i-th oldest of the refusals that are remembered, or NULL. */
static const char *refusal(const struct story *s, size_t i)
{
	size_t n = s->n_refused < REFUSALS ? s->n_refused : REFUSALS;

	return i < n ? s->refused[(s->n_refused - n + i) % REFUSALS] : NULL;
}

/* ---- for people ---- */

static const char *state_of(const struct record_at *at, enum alive_mount mount)
{
	if (!at)
		return "free";
	if (!record_is_open(&at->record))
		return RECORD_KIND_KEPT;
	return mount == MOUNT_GONE ? "stale" : RECORD_KIND_OPEN;
}

static void print(const char *label, const char *text)
{
	_cleanup_buffer_ struct buffer safe = {};

	if (text && *text && escape_append(&safe, text) == 0)
		printf("  %-9s %s\n", label, safe.data);
}

static void print_mount(enum alive_mount mount)
{
	static const char *const says[] = {
		[MOUNT_NONE] = "kept: needs no program, stays until it is "
			       "checked in",
		[MOUNT_UNKNOWN] = "open: ends when it is closed; whether its "
				  "mount lives can't be seen from here",
		[MOUNT_LIVES] = "open: ends when it is closed; its mount lives",
		[MOUNT_GONE] = "stale: its mount is gone, it holds nothing",
	};
	bool yellow = mount == MOUNT_GONE && text_is_coloured();

	printf("  %-9s %s%s%s\n", "kind", yellow ? COLOUR_YELLOW : "",
	       says[mount], yellow ? COLOUR_END : "");
}

static void print_program(const struct record *r)
{
	static const char *const says[] = {
		[PROGRAM_NONE] = "",
		[PROGRAM_ELSEWHERE] = ", on that host",
		[PROGRAM_RUNS] = ": runs",
		[PROGRAM_GONE] = ": is gone",
		[PROGRAM_OTHER] = ": is gone, the number is another program's "
				  "now",
	};
	_cleanup_buffer_ struct buffer text = {};
	const char *pid = r->pid ? r->pid : "";

	if (r->app &&
	    buffer_printf(&text, "%s%s%s%s", r->app, *pid ? ", pid " : "", pid,
			  *pid ? says[alive_program(r, bare_host())] : "") == 0)
		print("program", text.data);
}

static void print_record(const struct record_at *at, enum alive_mount mount)
{
	const struct record *r = &at->record;
	char since[LOCAL_SIZE];

	print("held by", r->user);
	print("on host", r->host);
	print("seat", r->seat);
	print("client", r->client);
	print("since", local_time(since, r->timestamp) ? since : r->timestamp);
	print("what for", r->message);
	print_program(r);
	print_mount(mount);
}

/* Why somebody was refused what nobody had checked out. */
static bool is_no_checkout(const struct record *holder)
{
	return holder->kind && holder->message &&
	       (!strcmp(holder->kind, "changed") || !strcmp(holder->kind, "runn"
									  "in"
									  "g"));
}

/* A line of the history, behind its label. */
static void print_line(const char *label, const char *line)
{
	_cleanup_event_ struct event e = {};
	_cleanup_buffer_ struct buffer who = {};
	char time[LOCAL_SIZE];

	if (event_parse(&e, line, strlen(line)) < 0 || !e.who.user ||
	    person_append(&who, &e.who) < 0)
		return;
	if (e.who.app && person_append_quoted(&who, " (", e.who.app, ")") < 0)
		return;
	if (is_no_checkout(&e.holder) &&
	    person_append_quoted(&who, ": ", e.holder.message, "") < 0)
		return;
	printf("  %-9s %s  %s\n", label, local_time(time, e.time) ? time : "-",
	       who.data);
}

static void print_last(const char *line)
{
	_cleanup_event_ struct event e = {};

	if (event_parse(&e, line, strlen(line)) == 0)
		print_line(!strcmp(e.event, HISTORY_SAVED)     ? "saved"
			   : !strcmp(e.event, HISTORY_DELETED) ? "deleted"
							       : "renamed",
			   line);
}

static void print_story(const char *path, const struct record_at *at,
			enum alive_mount mount, const struct story *story)
{
	_cleanup_buffer_ struct buffer safe = {};

	if (escape_append(&safe, *path ? path : ".") == 0)
		puts(safe.data);
	if (at)
		print_record(at, mount);
	else
		puts("  free: nobody has it");
	for (size_t i = 0; refusal(story, i); i++)
		print_line("refused", refusal(story, i));
	if (story->last)
		print_last(story->last);
}

/* ---- for programs ---- */

static int append_record(struct buffer *b, const struct record *rec)
{
	const struct json_field fields[] = {
		{ "user", rec->user },	     { "host", rec->host },
		{ "seat", rec->seat },	     { "client", rec->client },
		{ "since", rec->timestamp }, { "app", rec->app },
		{ "pid", rec->pid },	     { "message", rec->message },
	};

	return json_append_fields(b, fields, sizeof(fields) / sizeof(*fields));
}

static int append_story(struct buffer *b, const struct story *story)
{
	int r = buffer_append_string(b, ", \"refused\": [");

	for (size_t i = 0; r == 0 && refusal(story, i); i++) {
		r = buffer_append_string(b, i ? ", " : "");
		if (r == 0)
			r = buffer_append_string(b, refusal(story, i));
	}
	if (r == 0)
		r = buffer_append_string(b, "], \"last\": ");
	if (r == 0)
		r = buffer_append_string(b, story->last ? story->last : "null");
	return r == 0 ? buffer_append(b, "}", 1) : r;
}

static int append_object(struct buffer *b, const struct place *place,
			 const char *path, const struct record_at *at,
			 enum alive_mount mount, const struct story *story)
{
	static const struct record nobody;
	const struct record *rec = at ? &at->record : &nobody;
	int r = buffer_append(b, "{", 1);

	if (r == 0)
		r = json_append_field(b, "share", place->root);
	if (r == 0)
		r = json_append_field(b, "path", path);
	if (r == 0)
		r = json_append_field(b, "state", state_of(at, mount));
	if (r == 0)
		r = append_record(b, rec);
	if (r == 0)
		r = json_append_field(b, "mount", alive_mount_name(mount));
	if (r == 0)
		r = json_append_field(
			b, "program",
			alive_program_name(alive_program(rec, bare_host())));
	return r == 0 ? append_story(b, story) : r;
}

/* ---- the command ---- */

static bool is_any(const struct record_at *at, void *arg)
{
	return true;
}

static int show(const struct targets *t, const struct records *records,
		const struct stories *stories, bool json)
{
	_cleanup_buffer_ struct buffer b = {};
	int r = 0;

	for (size_t i = 0; r == 0 && i < t->n; i++) {
		const char *path = t->list[i].path;
		const struct record_at *at = records_find(records, path);
		enum alive_mount mount = at ? alive_mount(at) : MOUNT_NONE;

		if (!json) {
			print_story(path, at, mount, &stories->list[i]);
			continue;
		}
		r = buffer_append_string(&b, i ? ",\n  " : "[\n  ");
		if (r == 0)
			r = append_object(&b, &t->place, path, at, mount,
					  &stories->list[i]);
	}
	if (r < 0)
		return fail(TROUBLE, "out of memory");
	if (json)
		printf("%s\n]\n", b.data ? b.data : "[");
	return DONE;
}

static int why(struct targets *t, const char *locks, bool json)
{
	_cleanup_records_ struct records records = {};
	_cleanup_(stories_release) struct stories stories = {};
	int status = records_load(&records, &t->place, locks);

	if (status == DONE)
		status = targets_pick_records(t, &records, is_any, NULL);
	if (status == DONE && t->n == 0 && !json) {
		puts("nothing is checked out in there");
		return DONE;
	}
	if (status == DONE && t->n > 0)
		status = read_stories(&stories, t);
	return status == DONE ? show(t, &records, &stories, json) : status;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "locks", required_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	_cleanup_targets_ struct targets t = TARGETS_NONE;
	const char *locks = NULL;
	bool json = false;
	int c, status;

	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (c == 'j')
			json = true;
		else if (c == 'l')
			locks = optarg;
		else if (c == 'h')
			return print_help(&cmd_why);
		else
			return bad_option(&cmd_why, c, argv);
	}
	if (optind == argc)
		return bad_arguments(&cmd_why, "at least one PATH");
	status = targets_find(&t, argc - optind, argv + optind);
	return status == DONE ? why(&t, locks, json) : status;
}

const struct command cmd_why = {
	.name = "why",
	.summary = "all about who has a file, and who wanted it",
	.help = help,
	.run = run,
};
