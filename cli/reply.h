/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How an answer (cli/ask.h) is told to people and programs.
 */
#ifndef CLI_REPLY_H
#define CLI_REPLY_H

#include "cli/ask.h"
#include "cli/targets.h"

/* The shape of --json, for --help. */
#define REPLY_HELP                                                            \
	"Fields of --json, an object; those that say nothing are null:\n"     \
	"  share      the mountpoint or share\n"                              \
	"  result     \"done\", \"refused\", \"timeout\" or \"trouble\"\n"    \
	"  paths      what it was about, as seen from the share\n"            \
	"  path, why  what was refused: \"held\", \"open\", \"not-yours\", "  \
	"\"not-checked-out\",\n"                                              \
	"             \"no-such-file\", \"no-permission\", "                  \
	"\"not-a-document\",\n"                                               \
	"             \"not-admin\", \"not-here\", \"no-such-version\",\n"    \
	"             \"several-names\"\n"                                    \
	"  holder     an object: the record that is in the way, as in "       \
	"locks.json\n"                                                        \
	"  error      of trouble, the system's words\n"                       \
	"  recovered  an object: path to the name 'camlock recovered --get' " \
	"takes\n"

/* Says why it was refused, or what is the trouble, and what can be done; or,
 * with `json`, prints an object, done or not. `result` is "timeout" or NULL.
 * Returns the exit status. */
int reply(const struct answer *answer, const struct targets *targets, bool json,
	  const char *result);

/* `what` and the path, or how many files: "checked out a.nc". */
void reply_done(const char *what, const struct targets *targets);

/* Where content was put that somebody may still write to. */
void reply_recovered(const struct answer *answer);

#endif
