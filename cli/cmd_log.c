/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * camlock log: what happened.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/event.h"
#include "cli/moment.h"
#include "cli/place.h"
#include "cli/reader.h"
#include "cli/text.h"
#include "core/cleanup.h"
#include "core/timestamp.h"

#define POLL_NS 500000000L

static const char help[] =
	"usage: camlock log [OPTION...] [PATH...]\n"
	"\n"
	"What happened: who saved what, who was refused and why, what was kept "
	"and taken\n"
	"away, what was put right. Only what is at or below a PATH, if there "
	"are any; all\n"
	"PATHs must be of one share. A PATH is a mountpoint, a share, or a "
	"folder or file\n"
	"below one; without any, it is the current folder.\n"
	"\n"
	"  --user NAME    only what that user did, or was in the way of\n"
	"  --since TIME   only what happened then or later\n"
	"  --until TIME   only what happened before\n"
	"  --event NAME   only such events, as they are named in the second "
	"column\n"
	"  -f, --follow   go on with what happens from now on, until stopped\n"
	"  --json         the lines as they are in history.jsonl, for "
	"programs\n"
	"\n" MOMENT_HELP "\n"
	"Fields of --json: time, event, path; of who did it user, host, seat, "
	"client,\n"
	"app, pid, since, kind, message; and holder, an object, with the "
	"fields of the\n"
	"record that was in the way. All are strings, and may be missing.\n";

struct log {
	struct places places;
	struct reader reader;
	bool json;
	bool follow;
	bool coloured;
	const char *user; /* NULL: anybody */
	const char *event;
	struct timespec since; /* zero: always */
	struct timespec until;
};

static void log_release(struct log *l)
{
	reader_release(&l->reader);
	places_release(&l->places);
}

static bool is_person(const struct record *r, const char *user)
{
	return r->user && !strcmp(r->user, user);
}

/* A time that can't be read is no reason to leave a line out. */
static bool is_in_time(const struct log *l, const char *time)
{
	struct timespec when;

	if (timestamp_parse(time, &when) < 0)
		return true;
	return !(l->since.tv_sec && moment_is_before(&when, &l->since)) &&
	       !(l->until.tv_sec && !moment_is_before(&when, &l->until));
}

static bool is_wanted(const struct log *l, const struct event *e)
{
	return places_cover(&l->places, &l->places.list[0],
			    e->path ? e->path : "") &&
	       (!l->event || !strcmp(e->event, l->event)) &&
	       (!l->user || is_person(&e->who, l->user) ||
		is_person(&e->holder, l->user)) &&
	       is_in_time(l, e->time);
}

static int show_line(void *arg, const char *line, size_t len)
{
	const struct log *l = arg;
	_cleanup_event_ struct event e = {};
	_cleanup_buffer_ struct buffer text = {};
	int r = event_parse(&e, line, len);

	if (r < 0 || !is_wanted(l, &e))
		return r;
	r = l->json ? buffer_append(&text, line, len)
		    : event_format(&text, &e, l->coloured);
	if (r == 0)
		puts(text.data);
	return r;
}

static int follow(struct log *l)
{
	const struct timespec pause = { .tv_nsec = POLL_NS };
	int r = 0;

	while (r == 0 && fflush(stdout) == 0) {
		clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
		r = reader_more(&l->reader);
	}
	return r;
}

static int show(struct log *l)
{
	int r;

	l->coloured = text_is_coloured();
	l->reader.place = &l->places.list[0];
	l->reader.show = show_line;
	l->reader.arg = l;
	r = reader_all(&l->reader);
	if (r == 0)
		r = l->follow ? follow(l) : reader_end(&l->reader);
	return r == 0 ? DONE : reader_failed(&l->reader, r);
}

static int read_moment(const char *option, const char *text,
		       struct timespec *ret_when)
{
	if (moment_parse(text, ret_when) == 0)
		return DONE;
	return fail(USAGE,
		    "log: '%s' behind %s is no time: see 'camlock log --help'",
		    text, option);
}

static int take_option(struct log *l, int c, char **argv)
{
	switch (c) {
	case 'j':
		l->json = true;
		return DONE;
	case 'f':
		l->follow = true;
		return DONE;
	case 'u':
		l->user = optarg;
		return DONE;
	case 'e':
		l->event = optarg;
		return DONE;
	case 's':
		return read_moment("--since", optarg, &l->since);
	case 't':
		return read_moment("--until", optarg, &l->until);
	default:
		return bad_option(&cmd_log, c, argv);
	}
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "follow", no_argument, NULL, 'f' },
		{ "user", required_argument, NULL, 'u' },
		{ "event", required_argument, NULL, 'e' },
		{ "since", required_argument, NULL, 's' },
		{ "until", required_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	_cleanup_(log_release) struct log l = {};
	int c, status = DONE;

	while (status == DONE &&
	       (c = getopt_long(argc, argv, ":fh", options, NULL)) != -1) {
		if (c == 'h')
			return print_help(&cmd_log);
		status = take_option(&l, c, argv);
	}
	if (status == DONE)
		status = places_find(&l.places, argc - optind, argv + optind);
	if (status != DONE)
		return status;
	if (!places_are_one(&l.places))
		return bad_arguments(&cmd_log, "PATHs of one share");
	return show(&l);
}

const struct command cmd_log = {
	.name = "log",
	.summary = "what happened: saves, refusals, repairs",
	.help = help,
	.run = run,
};
