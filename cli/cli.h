/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What all commands share: how one is described, how it ends, how it complains.
 *
 * A command is a file cmd_NAME.c that defines `cmd_NAME`, and a line in the
 * table of cli/main.c. Its run() gets the command's own name as argv[0] and
 * returns one of the exit statuses. Whoever notices an error says so, at once
 * and only once; his callers pass the status up.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>

/* Exit statuses, as --help explains them. */
enum {
	DONE = 0,
	REFUSED = 1, /* understood, but it is not to be had */
	USAGE = 2,   /* not understood */
	TROUBLE = 3, /* a file, the share or the daemon failed us */
};

struct command {
	const char *name;
	const char *summary; /* one line */
	const char *help;    /* from "usage:" on */
	int (*run)(int argc, char **argv);
};

extern const struct command cmd_mount;
extern const struct command cmd_umount;
extern const struct command cmd_status;
extern const struct command cmd_log;
extern const struct command cmd_watch;
extern const struct command cmd_why;
extern const struct command cmd_checkout;
extern const struct command cmd_checkin;
extern const struct command cmd_wait;
extern const struct command cmd_break;
extern const struct command cmd_recovered;
extern const struct command cmd_versions;
extern const struct command cmd_diff;
extern const struct command cmd_revert;
extern const struct command cmd_doctor;
extern const struct command cmd_metrics;
extern const struct command cmd_registry;

/* A line on standard error, behind "camlock: ". Control characters in it are
 * escaped, so that a name in it can't forge another line. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same, and its value is `status`: return fail(TROUBLE, ...). */
#define fail(status, ...) (complain(__VA_ARGS__), (status))

/* strerror() as our messages spell it: in lower case. `error` is an errno, of
 * either sign. The text is valid until the next call. */
const char *reason(int error);

/* Whether we were started as /sbin/mount.TYPE, by mount(8). */
bool is_mount_helper(const char *name);

int print_help(const struct command *cmd);

/* What getopt_long() returned as '?' or ':' (its string begins with ":", so
 * that it prints nothing itself). Says what is wrong; returns USAGE. */
int bad_option(const struct command *cmd, int c, char **argv);

/* The number of arguments was wrong. Returns USAGE. */
int bad_arguments(const struct command *cmd, const char *wanted);

#endif
