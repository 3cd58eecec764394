/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * camlock break: end other people's checkouts.
 */
#include <getopt.h>
#include <stdio.h>

#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/records.h"
#include "cli/reply.h"
#include "cli/targets.h"

static const char help[] = "usage: camlock break --reason WHY [--json] "
			   "[--locks FILE] PATH...\n"
			   "\n"
			   "For admins (root, and the mount's --admin-group): "
			   "ends checkouts, whoever has\n"
			   "them. A file is free at once. Its holder may still "
			   "have it open: what he goes\n"
			   "on writing is put aside, and you are told where. A "
			   "folder stands for all that\n"
			   "is checked out below it.\n"
			   "\n"
			   "  --reason WHY  goes into the history\n"
			   "  --locks FILE  where a bare share's locks.json "
			   "is, if the mount was told\n"
			   "  --json        the outcome, for programs\n"
			   "\n" REPLY_HELP;

struct options {
	bool json;
	const char *reason;
	const char *locks;
};

static bool is_any(const struct record_at *at, void *arg)
{
	return true;
}

static int break_all(const struct targets *t, const struct options *o)
{
	_cleanup_answer_ struct answer answer = {};
	struct ask a = { .verb = ASK_BREAK,
			 .message = o->reason,
			 .locks = o->locks };
	int status = targets_ask(&answer, t, 0, &a);

	if (status != DONE)
		return status;
	if (!o->json) {
		if (answer.result == ANSWER_DONE)
			reply_done("broken ", t);
		reply_recovered(&answer);
	}
	return reply(&answer, t, o->json, NULL);
}

static int run_on(int n, char **names, const struct options *o)
{
	_cleanup_targets_ struct targets t = TARGETS_NONE;
	int status = targets_find_records(&t, n, names, o->locks, is_any,
					  "nothing is checked out in there");

	return status == DONE ? break_all(&t, o) : status;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "reason", required_argument, NULL, 'r' },
		{ "json", no_argument, NULL, 'j' },
		{ "locks", required_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	struct options o = {};
	int c;

	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (c == 'r')
			o.reason = optarg;
		else if (c == 'j')
			o.json = true;
		else if (c == 'l')
			o.locks = optarg;
		else if (c == 'h')
			return print_help(&cmd_break);
		else
			return bad_option(&cmd_break, c, argv);
	}
	if (!o.reason || !*o.reason)
		return bad_arguments(&cmd_break, "a reason, behind --reason");
	if (optind == argc)
		return bad_arguments(&cmd_break, "at least one PATH");
	return run_on(argc - optind, argv + optind, &o);
}

const struct command cmd_break = {
	.name = "break",
	.summary = "end other people's checkouts, for admins",
	.help = help,
	.run = run,
};
