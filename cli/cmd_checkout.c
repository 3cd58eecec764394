/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * camlock checkout: keep files checked out until they are checked in.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/ask.h"
#include "cli/changes.h"
#include "cli/cli.h"
#include "cli/moment.h"
#include "cli/person.h"
#include "cli/records.h"
#include "cli/reply.h"
#include "cli/targets.h"
#include "core/timestamp.h"

/* What is free by the records and still refused is asked for again after a
 * pause: each refusal is a change of the history. */
#define PAUSE_FIRST_MS 100
#define PAUSE_LONGEST_MS 3000

static const char help[] = "usage: camlock checkout [-m WHY] "
			   "[--wait[=SECONDS]] [--steal | --here]\n"
			   "                        [--json] [--locks FILE] "
			   "PATH...\n"
			   "\n"
			   "Keeps files checked out for you, whether they are "
			   "open or not, until 'camlock\n"
			   "checkin': all of them, or none. A PATH is a file "
			   "in a mount, or in a share that\n"
			   "is not mounted, or a folder, which stands for all "
			   "documents below it: no\n"
			   "symlinks, no scratch files. What you have already "
			   "you keep, with the new WHY if\n"
			   "there is one.\n"
			   "\n"
			   "  -m, --message WHY  what for; others are told\n"
			   "  --wait[=SECONDS]   if others have it, wait, at "
			   "most so long\n"
			   "  --steal            for admins: take it from "
			   "whoever has it; what he still\n"
			   "                     writes is put aside: see "
			   "'camlock recovered'\n"
			   "  --here             what you have checked out on "
			   "another host, or on Windows,\n"
			   "                     is moved here\n"
			   "  --locks FILE       where a bare share's "
			   "locks.json is, if the mount was told\n"
			   "  --json             the outcome, for programs\n"
			   "\n" REPLY_HELP;

struct options {
	struct ask ask;
	bool json;
	bool wait;
	uint64_t wait_ms; /* UINT64_MAX: for ever */
};

/* ---- asking ---- */

/* What a folder holds that this mount takes for no document (--scratch,
 * --documents) was not meant. */
static bool is_forgiven(const struct answer *a, struct targets *t,
			size_t *ret_index)
{
	return a->result == ANSWER_REFUSED && a->why && a->path &&
	       !strcmp(a->why, WHY_NOT_A_DOCUMENT) &&
	       targets_drop_found(t, a->path, ret_index) && t->n > 0;
}

/* The paths are looked at in order until one is refused: who asks again begins
 * behind that one, so that each is looked at once or twice, however many there
 * are. */
static int ask_once(struct answer *ret_answer, struct targets *t,
		    const struct options *o)
{
	size_t first = 0;
	int status;

	do {
		answer_release(ret_answer);
		status = targets_ask(ret_answer, t, first, &o->ask);
	} while (status == DONE && is_forgiven(ret_answer, t, &first));
	return status;
}

/* ---- waiting ---- */

static bool is_held(const struct answer *a)
{
	return a->result == ANSWER_REFUSED && a->why &&
	       !strcmp(a->why, WHY_HELD);
}

/* Whether any of them is held by another, by what the records say. Asking tells
 * as much, but leaves a refusal in the history each time. */
static int look(bool *ret_held, const struct targets *t,
		const struct options *o)
{
	_cleanup_records_ struct records records = {};
	int status = records_load(&records, &t->place, o->ask.locks);

	if (status != DONE)
		return status;
	*ret_held = false;
	for (size_t i = 0; !*ret_held && i < t->n; i++) {
		const struct record_at *at =
			records_find(&records, t->list[i].path);

		*ret_held = at && !records_is_ours(at) && !at->is_stale;
	}
	return DONE;
}

static void say_whom(const struct answer *a)
{
	_cleanup_buffer_ struct buffer who = {};
	char now[TIMESTAMP_SIZE];

	timestamp_now(now);
	if (isatty(STDERR_FILENO) && a->holder.user &&
	    person_append_holder(&who, &a->holder, now) == 0)
		complain("waiting for '%s', which is checked out by %s",
			 a->path, who.data);
}

/* Until the records say that nobody has them. Returns DONE, REFUSED when it
 * takes too long, or another exit status. */
static int wait_until_free(struct changes *changes, const struct targets *t,
			   const struct options *o, uint64_t deadline)
{
	bool held = true;
	int status = look(&held, t, o);

	while (status == DONE && held) {
		int r = changes_wait(changes, deadline, NULL);

		if (r == 0)
			return REFUSED;
		if (r < 0 && r != -EINTR)
			return changes_failed(changes, r);
		status = look(&held, t, o);
	}
	return status;
}

static bool pause_for(uint64_t ms, uint64_t deadline)
{
	struct wait w = { .deadline = deadline };

	return wait_sleep(&w, ms * NSEC_PER_MSEC) == 0;
}

/* `answer` is the first refusal. Sets *timeout if there is none else. */
static int ask_until(struct answer *answer, struct targets *t,
		     const struct options *o, uint64_t deadline, bool *timeout)
{
	_cleanup_changes_ struct changes changes = { .fd = -1 };
	uint64_t pause = PAUSE_FIRST_MS;
	int status = changes_open(&changes, &t->place, o->ask.locks);

	while (status == DONE && is_held(answer)) {
		say_whom(answer);
		status = wait_until_free(&changes, t, o, deadline);
		if (status == DONE)
			status = ask_once(answer, t, o);
		*timeout = status == REFUSED;
		if (status != DONE || !is_held(answer))
			break;
		*timeout = !pause_for(pause, deadline);
		if (*timeout)
			break;
		pause = pause < PAUSE_LONGEST_MS / 2 ? 2 * pause
						     : PAUSE_LONGEST_MS;
	}
	return *timeout ? DONE : status;
}

/* ---- the command ---- */

static int checkout(struct targets *t, const struct options *o)
{
	_cleanup_answer_ struct answer answer = {};
	uint64_t deadline = o->wait_ms == UINT64_MAX
				    ? UINT64_MAX
				    : clock_now() + o->wait_ms * NSEC_PER_MSEC;
	bool timeout = false;
	int status = ask_once(&answer, t, o);

	if (status == DONE && o->wait && is_held(&answer))
		status = ask_until(&answer, t, o, deadline, &timeout);
	if (status != DONE)
		return status;
	if (answer.result == ANSWER_DONE && !o->json) {
		reply_done("checked out ", t);
		reply_recovered(&answer);
	}
	return reply(&answer, t, o->json, timeout ? "timeout" : NULL);
}

static int run_on(int n, char **paths, const struct options *o)
{
	_cleanup_targets_ struct targets t = TARGETS_NONE;
	int status = targets_find(&t, n, paths);

	if (status == DONE)
		status = targets_open_folders(&t);
	if (status != DONE)
		return status;
	if (t.n == 0)
		return fail(REFUSED, "there is no document in there");
	return checkout(&t, o);
}

static int take_option(struct options *o, int c, char **argv)
{
	switch (c) {
	case 'm':
		o->ask.message = optarg;
		return DONE;
	case 'j':
		o->json = true;
		return DONE;
	case 'l':
		o->ask.locks = optarg;
		return DONE;
	case 's':
	case 'r':
		if (o->ask.mode != ASK_PLAIN)
			return bad_arguments(&cmd_checkout, "--steal or "
							    "--here, and once");
		o->ask.mode = c == 's' ? ASK_STEAL : ASK_HERE;
		return DONE;
	case 'w':
		o->wait = true;
		if (!optarg || moment_parse_seconds(optarg, &o->wait_ms) == 0)
			return DONE;
		return fail(USAGE, "checkout: '%s' is no number of seconds",
			    optarg);
	default:
		return bad_option(&cmd_checkout, c, argv);
	}
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "message", required_argument, NULL, 'm' },
		{ "wait", optional_argument, NULL, 'w' },
		{ "steal", no_argument, NULL, 's' },
		{ "here", no_argument, NULL, 'r' },
		{ "json", no_argument, NULL, 'j' },
		{ "locks", required_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	struct options o = { .ask = { .verb = ASK_CHECKOUT, .message = "" },
			     .wait_ms = UINT64_MAX };
	int c, status = DONE;

	while (status == DONE &&
	       (c = getopt_long(argc, argv, ":m:h", options, NULL)) != -1) {
		if (c == 'h')
			return print_help(&cmd_checkout);
		status = take_option(&o, c, argv);
	}
	if (status != DONE)
		return status;
	if (optind == argc)
		return bad_arguments(&cmd_checkout, "at least one PATH");
	return run_on(argc - optind, argv + optind, &o);
}

const struct command cmd_checkout = {
	.name = "checkout",
	.summary = "keep files checked out",
	.help = help,
	.run = run,
};
