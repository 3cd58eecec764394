/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * camlock revert: take a save back.
 */
#include <getopt.h>
#include <stdio.h>

#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/reply.h"
#include "cli/targets.h"
#include "cli/text.h"
#include "cli/versions.h"
#include "core/cleanup.h"
#include "core/escape.h"

static const char help[] = "usage: camlock revert [--json] PATH [VERSION]\n"
			   "\n"
			   "Makes a file what it was before its last save, or "
			   "at a VERSION; or "
			   "brings it\n"
			   "back, if it was deleted. That is a save itself: "
			   "refused while another "
			   "has the\n"
			   "file, and what the file is now is kept, so that "
			   "'camlock revert' "
			   "takes this back\n"
			   "as well.\n"
			   "\n"
			   "  --json  the outcome, for programs\n"
			   "\n" VERSION_HELP "\n" REPLY_HELP;

static int say_done(const struct version *v)
{
	_cleanup_buffer_ struct buffer text = {};
	char time[LOCAL_SIZE];
	int r = escape_append(&text, v->path);

	local_time(time, v->time);
	if (r == 0)
		r = buffer_printf(&text, " to what it was until %s, when ",
				  time);
	if (r == 0)
		r = escape_append(&text, v->user);
	if (r < 0)
		return fail(TROUBLE, "out of memory");
	printf("reverted %s wrote it\n", text.data);
	return DONE;
}

static int revert(const struct targets *t, const char *which, bool json)
{
	_cleanup_versions_ struct versions_list l = {};
	_cleanup_answer_ struct answer answer = {};
	struct ask a = { .verb = ASK_REVERT };
	struct place at = t->place;
	const struct version *v;
	int status;

	at.below = t->list[0].path;
	status = versions_load(&l, &at);
	if (status == DONE)
		status = versions_pick(&l, at.below, which, &v);
	if (status != DONE)
		return status;
	a.message = v->name;
	status = targets_ask(&answer, t, 0, &a);
	if (status == DONE && answer.result == ANSWER_DONE && !json)
		status = say_done(v);
	return status == DONE ? reply(&answer, t, json, NULL) : status;
}

static int run_on(char *path, const char *which, bool json)
{
	_cleanup_targets_ struct targets t = TARGETS_NONE;
	int status = targets_find(&t, 1, &path);

	if (status != DONE)
		return status;
	if (!t.place.is_mount)
		return fail(REFUSED,
			    "'%s' is not mounted: name the file by its "
			    "camlock mount",
			    t.place.root);
	if (t.n != 1 || t.list[0].is_folder)
		return fail(REFUSED,
			    "'%s' is not one file: revert them one by one",
			    path);
	return revert(&t, which, json);
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	bool json = false;
	int c, n;

	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (c == 'j')
			json = true;
		else if (c == 'h')
			return print_help(&cmd_revert);
		else
			return bad_option(&cmd_revert, c, argv);
	}
	n = argc - optind;
	if (n < 1 || n > 2)
		return bad_arguments(&cmd_revert, "PATH [VERSION]");
	return run_on(argv[optind], n == 2 ? argv[optind + 1] : NULL, json);
}

const struct command cmd_revert = {
	.name = "revert",
	.summary = "take a save back",
	.help = help,
	.run = run,
};
