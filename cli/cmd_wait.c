/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * camlock wait: until nobody else has it.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/changes.h"
#include "cli/cli.h"
#include "cli/mounts.h"
#include "cli/moment.h"
#include "cli/person.h"
#include "cli/records.h"
#include "cli/targets.h"
#include "core/cleanup.h"
#include "core/json.h"
#include "core/timestamp.h"

static const char help[] = "usage: camlock wait [--timeout=SECONDS] [--json] "
			   "[--locks FILE] PATH...\n"
			   "\n"
			   "Waits until nobody else has any of the files "
			   "checked out; a folder stands for\n"
			   "all that is below it. Takes nothing: somebody else "
			   "may be quicker. To have it\n"
			   "then, use 'camlock checkout --wait'.\n"
			   "\n"
			   "  --timeout=SECONDS  give up after that; 0 only "
			   "looks\n"
			   "  --locks FILE       where a bare share's "
			   "locks.json is, if the mount was told\n"
			   "  --json             the outcome, for programs\n"
			   "\n"
			   "Fields of --json, an object; those that say "
			   "nothing are null:\n"
			   "  share   the mountpoint or share\n"
			   "  result  \"done\" or \"timeout\"\n"
			   "  path    one that somebody has, after a timeout\n"
			   "  holder  an object: its record, as in "
			   "locks.json\n";

struct options {
	bool json;
	uint64_t timeout_ms; /* UINT64_MAX: for ever */
	const char *locks;
};

static const struct record_at *find_held(const struct records *records,
					 const struct targets *t)
{
	for (size_t i = 0; i < records->n; i++) {
		const struct record_at *at = &records->list[i];

		if (records_is_ours(at) || at->is_stale)
			continue;
		for (size_t j = 0; j < t->n; j++)
			if (path_is_below(at->path, t->list[j].path))
				return at;
	}
	return NULL;
}

static int append_outcome(struct buffer *b, const struct targets *t,
			  const struct record_at *held)
{
	const struct json_field fields[] = {
		{ "share", t->place.root },
		{ "result", held ? "timeout" : "done" },
		{ "path", held ? held->path : NULL },
	};
	int r = buffer_append(b, "{", 1);

	if (r == 0)
		r = json_append_fields(b, fields,
				       sizeof(fields) / sizeof(*fields));
	if (r == 0 && !held)
		r = json_append_field(b, "holder", NULL);
	else if (r == 0)
		r = buffer_append_string(b, ", \"holder\": ");
	if (r == 0 && held)
		r = record_format(&held->record, b);
	return r == 0 ? buffer_append_string(b, "}") : r;
}

static void say_held(const char *format_tail, const struct record_at *held)
{
	_cleanup_buffer_ struct buffer who = {};
	char now[TIMESTAMP_SIZE];

	timestamp_now(now);
	if (person_append_holder(&who, &held->record, now) == 0)
		complain("%s'%s', which is checked out by %s", format_tail,
			 held->path, who.data);
}

/* held: NULL, all are free; or it took too long. */
static int end(const struct targets *t, const struct options *o,
	       const struct record_at *held)
{
	_cleanup_buffer_ struct buffer b = {};

	if (o->json && append_outcome(&b, t, held) < 0)
		return fail(TROUBLE, "out of memory");
	if (o->json)
		puts(b.data);
	if (held)
		say_held("waited in vain for ", held);
	return held ? REFUSED : DONE;
}

/* One look, and then, if one is held, a wait for changes. Returns -1 to look
 * again, or the exit status. */
static int look(const struct targets *t, const struct options *o,
		struct changes *changes, uint64_t deadline, char **told)
{
	_cleanup_records_ struct records records = {};
	int status = records_load(&records, &t->place, o->locks);
	const struct record_at *held;
	int r;

	if (status != DONE)
		return status;
	held = find_held(&records, t);
	if (!held || clock_now() >= deadline)
		return end(t, o, held);
	if (isatty(STDERR_FILENO) &&
	    (!*told || strcmp(*told, held->path) != 0)) {
		say_held("waiting for ", held);
		free(*told);
		*told = strdup(held->path);
	}
	r = changes_wait(changes, deadline, NULL);
	if (r < 0 && r != -EINTR)
		return changes_failed(changes, r);
	return -1;
}

static int wait_for(const struct targets *t, const struct options *o)
{
	_cleanup_changes_ struct changes changes = { .fd = -1 };
	_cleanup_free_ char *told = NULL;
	uint64_t deadline =
		o->timeout_ms == UINT64_MAX
			? UINT64_MAX
			: clock_now() + o->timeout_ms * NSEC_PER_MSEC;
	int status = changes_open(&changes, &t->place, o->locks);

	if (status != DONE)
		return status;
	do
		status = look(t, o, &changes, deadline, &told);
	while (status < 0);
	return status;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "timeout", required_argument, NULL, 't' },
		{ "json", no_argument, NULL, 'j' },
		{ "locks", required_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	_cleanup_targets_ struct targets t = TARGETS_NONE;
	struct options o = { .timeout_ms = UINT64_MAX };
	int c, status;

	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (c == 'j')
			o.json = true;
		else if (c == 'l')
			o.locks = optarg;
		else if (c == 'h')
			return print_help(&cmd_wait);
		else if (c != 't')
			return bad_option(&cmd_wait, c, argv);
		else if (moment_parse_seconds(optarg, &o.timeout_ms) < 0)
			return fail(USAGE, "wait: '%s' is no number of seconds",
				    optarg);
	}
	if (optind == argc)
		return bad_arguments(&cmd_wait, "at least one PATH");
	status = targets_find(&t, argc - optind, argv + optind);
	return status == DONE ? wait_for(&t, &o) : status;
}

const struct command cmd_wait = {
	.name = "wait",
	.summary = "wait until nobody else has a file",
	.help = help,
	.run = run,
};
