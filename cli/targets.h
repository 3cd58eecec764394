/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The PATHs of a command that acts on documents: which share they are of, and
 * what they are called there. Distinct, and in strcmp() order.
 *
 * A quoted pattern ('*.nc'), if there is no file of that name, stands for the
 * files it matches, as it would in the shell.
 */
#ifndef CLI_TARGETS_H
#define CLI_TARGETS_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/ask.h"
#include "cli/place.h"
#include "cli/records.h"

struct target {
	char *path;
	bool is_folder;
	bool is_found; /* in a folder, and was not named itself */
};

struct targets {
	struct place place; /* of all of them; `below` means nothing */
	struct target *list;
	size_t n;
	size_t cap;
};

#define TARGETS_NONE                                 \
	{                                            \
		.place = {.files = -1, .state = -1 } \
	}

/* The PATHs as they are named; all must be of one share. Returns DONE, or says
 * what is wrong and returns an exit status. */
int targets_find(struct targets *ret_targets, int n, char **paths);
void targets_release(struct targets *t);

/* Every folder is replaced by the documents below it: regular files whose names
 * are not scratch names. Shows progress, if there are many. */
int targets_open_folders(struct targets *t);

/* Every folder is replaced by the records at or below it that are `wanted`.
 * Whatever else has a record, or not, stays. */
int targets_pick_records(struct targets *t, const struct records *records,
			 bool (*wanted)(const struct record_at *at, void *arg),
			 void *arg);

/* targets_find() and targets_pick_records() in one. If nothing is left, says
 * `nothing` and returns REFUSED. `locks`: of a bare share, or NULL. */
int targets_find_records(struct targets *ret_targets, int n, char **paths,
			 const char *locks,
			 bool (*wanted)(const struct record_at *at, void *arg),
			 const char *nothing);

/* Takes out what has that path, if it was found in a folder; it was at
 * *ret_index. Returns whether it was. */
bool targets_drop_found(struct targets *t, const char *path, size_t *ret_index);

/* Asks `a`, but for its paths, about all of them, as ask() does: in their
 * order, beginning with that of index `first` (which may be too large) and
 * going round. */
int targets_ask(struct answer *ret_answer, const struct targets *t,
		size_t first, const struct ask *a);

#define _cleanup_targets_ __attribute__((cleanup(targets_release)))

#endif
