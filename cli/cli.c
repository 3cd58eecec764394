/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/cli.h"

#include <ctype.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/text.h"
#include "core/cleanup.h"
#include "core/escape.h"

void complain(const char *format, ...)
{
	_cleanup_buffer_ struct buffer text = {}, safe = {};
	va_list ap;
	int r;

	va_start(ap, format);
	r = buffer_vprintf(&text, format, ap);
	va_end(ap);
	if (r == 0 && escape_append(&safe, text.data) == 0)
		fprintf(stderr, "camlock: %s\n", safe.data);
	else
		fputs("camlock: out of memory\n", stderr);
}

const char *reason(int error)
{
	static char text[128];

	snprintf(text, sizeof(text), "%s", strerror(abs(error)));
	/* "I/O" stays */
	if (text[0] && islower((unsigned char)text[1]))
		text[0] = (char)tolower((unsigned char)text[0]);
	return text;
}

bool is_mount_helper(const char *name)
{
	const char *slash = strrchr(name, '/');

	return !strncmp(slash ? slash + 1 : name, "mount.", 6);
}

int print_help(const struct command *cmd)
{
	fputs(cmd->help, stdout);
	return DONE;
}

static int usage_error(const struct command *cmd, const char *what,
		       const char *which)
{
	return fail(USAGE, "%s: %s '%s': see 'camlock %s --help'", cmd->name,
		    what, which, cmd->name);
}

int bad_option(const struct command *cmd, int c, char **argv)
{
	const char *what = c == ':' ? "a value is missing behind"
				    : "there is no such option as";
	char short_option[] = { '-', (char)optopt, '\0' };
	const char *word = argv[optind - 1];

	if (strncmp(word, "--", 2) != 0 && optopt > 0 && optopt < 128)
		return usage_error(cmd, what, short_option);
	if (c == '?' && optopt)
		what = "no value is wanted behind";
	return usage_error(cmd, what, word);
}

int bad_arguments(const struct command *cmd, const char *wanted)
{
	return fail(USAGE, "%s: wanted is %s: see 'camlock %s --help'",
		    cmd->name, wanted, cmd->name);
}
