/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Running another program from the daemon.
 */
#ifndef FS_COMMAND_H
#define FS_COMMAND_H

#include <stdint.h>

#define COMMAND_ARGS_MAX 8

struct command {
	/* argv[0] is found in PATH, argv[1] is the first of at most
	 * COMMAND_ARGS_MAX arguments */
	const char *const *argv;
	int in;	 /* its standard input and output; */
	int out; /* -1: /dev/null */
	int err;
	/* By when it must be over, in terms of clock_now(); asked again and
	 * again, for that may change. */
	uint64_t (*deadline)(void *arg);
	void *arg;
};

/* Runs it to its end, with the usual umask, where the daemon has none. Returns
 * its status, as waitpid(2) does; -ETIMEDOUT if it was killed, with its process
 * group, because its time was over; or another -errno if it couldn't be run. */
int command_run(const struct command *c);

#endif
