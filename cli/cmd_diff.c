/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * camlock diff: what has changed since a version.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/text.h"
#include "cli/versions.h"
#include "core/cleanup.h"
#include "core/escape.h"

#define DIFF_DIFFERS 1 /* of diff(1); more is trouble */

extern char **environ;

static const char help[] = "usage: camlock diff PATH [VERSION]\n"
			   "\n"
			   "Shows with diff(1) what has changed in a file "
			   "since a version of it "
			   "was kept,\n"
			   "differences or not.\n"
			   "\n" VERSION_HELP;

/* part.nc (version 1, until 2026-11-23 15:58:35) */
static int label(struct buffer *b, const struct version *v)
{
	char time[LOCAL_SIZE];
	int r = escape_append(b, v->path);

	local_time(time, v->time);
	return r == 0 ? buffer_printf(b, " (version %u, until %s)", v->number,
				      time)
		      : r;
}

/* What can't be read, diff(1) would say of another name. */
static int check_readable(const char *file, const char *path)
{
	_cleanup_close_ int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0 || errno == ENOENT)
		return DONE;
	return fail(errno == EACCES ? REFUSED : TROUBLE, "cannot read '%s': %s",
		    path, reason(errno));
}

static int run_diff(const struct version *v, const char *now)
{
	_cleanup_buffer_ struct buffer was_label = {}, now_label = {};
	const char *argv[] = { "diff", "-u",	  "-N", "--label",
			       NULL,   "--label", NULL, "--color=auto",
			       "--",   v->file,	  now,	NULL };
	int r = label(&was_label, v), status;
	pid_t pid;

	if (r == 0)
		r = escape_append(&now_label, v->path);
	if (r < 0)
		return fail(TROUBLE, "out of memory");
	argv[4] = was_label.data;
	argv[6] = now_label.data;
	fflush(stdout);
	r = posix_spawnp(&pid, argv[0], NULL, NULL, (char **)argv, environ);
	if (r != 0)
		return fail(TROUBLE, "cannot run diff(1): %s", reason(r));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return fail(TROUBLE, "diff(1) is lost: %s",
				    reason(errno));
	return WIFEXITED(status) && WEXITSTATUS(status) <= DIFF_DIFFERS
		       ? DONE
		       : TROUBLE;
}

static int diff(const struct place *place, const char *which)
{
	_cleanup_versions_ struct versions_list l = {};
	_cleanup_free_ char *now = NULL;
	const struct version *v;
	int status = versions_load(&l, place);

	if (status == DONE)
		status = versions_pick(&l, place->below, which, &v);
	if (status != DONE)
		return status;
	if (asprintf(&now, "%s/%s", place->root, place->below) < 0) {
		now = NULL;
		return fail(TROUBLE, "out of memory");
	}
	status = check_readable(v->file, v->path);
	if (status == DONE)
		status = check_readable(now, v->path);
	return status == DONE ? run_diff(v, now) : status;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	_cleanup_(place_release) struct place place = { .files = -1,
							.state = -1 };
	int c, n, status;

	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (c == 'h')
			return print_help(&cmd_diff);
		return bad_option(&cmd_diff, c, argv);
	}
	n = argc - optind;
	if (n < 1 || n > 2)
		return bad_arguments(&cmd_diff, "PATH [VERSION]");
	status = place_find(&place, argv[optind]);
	return status == DONE ? diff(&place, n == 2 ? argv[optind + 1] : NULL)
			      : status;
}

const struct command cmd_diff = {
	.name = "diff",
	.summary = "what has changed in a file since a version of it",
	.help = help,
	.run = run,
};
