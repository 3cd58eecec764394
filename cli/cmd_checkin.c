/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * camlock checkin: end kept checkouts.
 */
#include <getopt.h>
#include <stdio.h>

#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/records.h"
#include "cli/reply.h"
#include "cli/targets.h"

static const char help[] = "usage: camlock checkin [--json] [--locks FILE] "
			   "PATH...\n"
			   "\n"
			   "Ends checkouts that you keep: all of them, or "
			   "none. A folder stands for all that\n"
			   "you keep below it. What is open for writing stays "
			   "checked out until it is\n"
			   "closed.\n"
			   "\n"
			   "  --locks FILE  where a bare share's locks.json "
			   "is, if the mount was told\n"
			   "  --json        the outcome, for programs\n"
			   "\n" REPLY_HELP;

struct options {
	bool json;
	const char *locks;
};

static bool is_wanted(const struct record_at *at, void *arg)
{
	return records_is_our_kept(at);
}

static int checkin(const struct targets *t, const struct options *o)
{
	_cleanup_answer_ struct answer answer = {};
	struct ask a = { .verb = ASK_CHECKIN,
			 .message = "",
			 .locks = o->locks };
	int status = targets_ask(&answer, t, 0, &a);

	if (status != DONE)
		return status;
	if (answer.result == ANSWER_DONE && !o->json)
		reply_done("checked in ", t);
	return reply(&answer, t, o->json, NULL);
}

static int run_on(int n, char **names, const struct options *o)
{
	_cleanup_targets_ struct targets t = TARGETS_NONE;
	int status = targets_find_records(&t, n, names, o->locks, is_wanted,
					  "you keep nothing checked out in "
					  "there");

	return status == DONE ? checkin(&t, o) : status;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "locks", required_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	struct options o = {};
	int c;

	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (c == 'j')
			o.json = true;
		else if (c == 'l')
			o.locks = optarg;
		else if (c == 'h')
			return print_help(&cmd_checkin);
		else
			return bad_option(&cmd_checkin, c, argv);
	}
	if (optind == argc)
		return bad_arguments(&cmd_checkin, "at least one PATH");
	return run_on(argc - optind, argv + optind, &o);
}

const struct command cmd_checkin = {
	.name = "checkin",
	.summary = "end kept checkouts",
	.help = help,
	.run = run,
};
