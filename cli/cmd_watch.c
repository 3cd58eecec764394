/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * camlock watch: what happens, as it happens.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/changes.h"
#include "cli/cli.h"
#include "cli/event.h"
#include "cli/place.h"
#include "cli/reader.h"
#include "cli/records.h"
#include "cli/text.h"
#include "core/cleanup.h"
#include "core/json.h"
#include "core/timestamp.h"

/* Events of our own: records that came and went. */
#define OPENED "opened"
#define CLOSED "closed"
#define KEPT "kept"   /* by another program, which writes no history */
#define ENDED "ended" /* the same */

static const char help[] = "usage: camlock watch [--json] [--locks FILE] "
			   "[PATH...]\n"
			   "\n"
			   "What happens from now on, a line each, until "
			   "stopped: what comes into the\n"
			   "history (see 'camlock log'), and which files are "
			   "opened for writing and closed.\n"
			   "Only what is at or below a PATH, if there are any; "
			   "all PATHs must be of one\n"
			   "share. Without any, it is the current folder.\n"
			   "\n"
			   "  --locks FILE  where a bare share's locks.json "
			   "is, if the mount was told\n"
			   "  --json        an object a line, for programs\n"
			   "\n"
			   "Fields of --json: those of 'camlock log --json'. "
			   "The events that are in no\n"
			   "history are \"opened\" and \"closed\", and "
			   "\"kept\" and \"ended\" for the kept\n"
			   "checkouts of other programs than camlock.\n";

struct watch {
	struct places places;
	const char *locks;
	bool json;
	bool coloured;
	struct reader reader;
	struct records records; /* at the last look */
};

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
	stopped = 1;
}

static void watch_release(struct watch *w)
{
	reader_release(&w->reader);
	records_release(&w->records);
	places_release(&w->places);
}

static bool is_watched(const struct watch *w, const char *path)
{
	return places_cover(&w->places, &w->places.list[0], path);
}

/* ---- lines ---- */

static int show_history(void *arg, const char *line, size_t len)
{
	const struct watch *w = arg;
	_cleanup_event_ struct event e = {};
	_cleanup_buffer_ struct buffer text = {};
	int r = event_parse(&e, line, len);

	if (r < 0 || !is_watched(w, e.path ? e.path : ""))
		return r;
	r = w->json ? buffer_append(&text, line, len)
		    : event_format(&text, &e, w->coloured);
	if (r == 0)
		puts(text.data);
	return r;
}

/* As history_append() would spell it. */
static int append_object(struct buffer *b, const struct event *e)
{
	const struct json_field fields[] = {
		{ "event", e->event },	       { "path", e->path },
		{ "user", e->who.user },       { "host", e->who.host },
		{ "seat", e->who.seat },       { "client", e->who.client },
		{ "app", e->who.app },	       { "pid", e->who.pid },
		{ "since", e->who.timestamp }, { "kind", e->who.kind },
		{ "message", e->who.message },
	};
	int r = buffer_append(b, "{", 1);

	if (r == 0)
		r = json_append_field(b, "time", e->time);
	for (size_t i = 0; r == 0 && i < sizeof(fields) / sizeof(*fields); i++)
		if (fields[i].value)
			r = json_append_field(b, fields[i].name,
					      fields[i].value);
	return r == 0 ? buffer_append(b, "}", 1) : r;
}

static int show_record(const struct watch *w, const char *event,
		       const struct record_at *at)
{
	_cleanup_buffer_ struct buffer text = {};
	char now[TIMESTAMP_SIZE];
	/* all borrowed */
	struct event e = { .time = now,
			   .event = (char *)(uintptr_t)event,
			   .path = at->path,
			   .who = at->record };
	int r;

	if (!is_watched(w, at->path))
		return 0;
	timestamp_now(now);
	r = w->json ? append_object(&text, &e) : event_format(&text, &e, false);
	if (r == 0)
		puts(text.data);
	return r;
}

/* ---- looking ---- */

/* What comes and goes without a line in the history; else NULL. */
static const char *event_of(const struct record_at *at, bool came)
{
	if (record_is_open(&at->record))
		return came ? OPENED : CLOSED;
	if (!at->record.kind)
		return came ? KEPT : ENDED;
	return NULL;
}

static bool is_same(const char *a, const char *b)
{
	return !strcmp(a ? a : "", b ? b : "");
}

static bool is_in(const struct records *records, const struct record_at *at)
{
	const struct record_at *other = records_find(records, at->path);
	const struct record *a = &at->record,
			    *b = other ? &other->record : NULL;

	return b && is_same(a->user, b->user) && is_same(a->kind, b->kind) &&
	       is_same(a->host, b->host) && is_same(a->lease, b->lease) &&
	       is_same(a->pid, b->pid) && is_same(a->timestamp, b->timestamp);
}

/* Shows what is in one and not in the other. */
static int show_difference(const struct watch *w, const struct records *in,
			   const struct records *not_in, bool came)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < in->n; i++) {
		const char *event = event_of(&in->list[i], came);

		if (event && !is_in(not_in, &in->list[i]))
			r = show_record(w, event, &in->list[i]);
	}
	return r;
}

/* What came, what was done with it, what went. */
static int look(struct watch *w)
{
	_cleanup_records_ struct records now = {};
	struct records swap;
	int status = records_load(&now, &w->places.list[0], w->locks);
	int r;

	if (status != DONE)
		return status;
	r = show_difference(w, &now, &w->records, true);
	if (r == 0)
		r = reader_more(&w->reader);
	if (r == 0)
		r = show_difference(w, &w->records, &now, false);
	swap = w->records;
	w->records = now;
	now = swap;
	return r == 0 ? DONE : reader_failed(&w->reader, r);
}

/* ---- the command ---- */

/* Nobody reads on: what was not written yet is for nobody. */
static int end_unread(void)
{
	if (!freopen("/dev/null", "w", stdout))
		return fail(TROUBLE, "cannot open '/dev/null': %s",
			    reason(errno));
	return DONE;
}

static int flush(void)
{
	if (fflush(stdout) == 0)
		return 0;
	return errno == EPIPE ? -EPIPE : -EIO;
}

/* Signals are let in only while it waits. */
static int watch(struct watch *w, struct changes *changes, const sigset_t *mask)
{
	int status = DONE, r = 0;

	while (status == DONE && !stopped && (r = flush()) == 0) {
		r = changes_wait(changes, UINT64_MAX, mask);
		if (r == -EPIPE)
			break;
		if (r < 0 && r != -EINTR)
			return changes_failed(changes, r);
		if (!stopped)
			status = look(w);
	}
	return r == -EPIPE ? end_unread() : status;
}

static void catch_signals(sigset_t *ret_mask)
{
	struct sigaction action = { .sa_handler = stop };
	sigset_t ends;

	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigprocmask(SIG_BLOCK, &ends, ret_mask);
	sigdelset(ret_mask, SIGINT);
	sigdelset(ret_mask, SIGTERM);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* The changes are opened before the first look, so that none is missed. */
static int start(struct watch *w)
{
	const struct place *place = &w->places.list[0];
	_cleanup_changes_ struct changes changes = { .fd = -1 };
	sigset_t mask;
	int status, r;

	catch_signals(&mask);
	w->coloured = text_is_coloured();
	w->reader.place = place;
	w->reader.show = show_history;
	w->reader.arg = w;
	status = changes_open(&changes, place, w->locks);
	if (status != DONE)
		return status;
	changes.for_reader = true;
	r = reader_skip(&w->reader);
	if (r < 0)
		return reader_failed(&w->reader, r);
	status = records_load(&w->records, place, w->locks);
	return status == DONE ? watch(w, &changes, &mask) : status;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "locks", required_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	_cleanup_(watch_release) struct watch w = {};
	int c, status;

	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (c == 'j')
			w.json = true;
		else if (c == 'l')
			w.locks = optarg;
		else if (c == 'h')
			return print_help(&cmd_watch);
		else
			return bad_option(&cmd_watch, c, argv);
	}
	status = places_find(&w.places, argc - optind, argv + optind);
	if (status != DONE)
		return status;
	if (!places_are_one(&w.places))
		return bad_arguments(&cmd_watch, "PATHs of one share");
	return start(&w);
}

const struct command cmd_watch = {
	.name = "watch",
	.summary = "what happens, as it happens",
	.help = help,
	.run = run,
};
