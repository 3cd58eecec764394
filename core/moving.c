/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What becomes of the open checkouts below a folder that is moved or removed.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/ending.h"
#include "core/wait.h"

/* Five minutes, then the records stay behind. */
#define MOVE_TRIES 300
#define MOVE_WAIT_MS 1000
#define MOVE_PAUSE (500 * NSEC_PER_MSEC)

static int rename_checkout(struct checkouts *c, struct checkout *co,
			   const char *from, const char *to)
{
	char *path;

	if (asprintf(&path, "%s%s", to, co->path + strlen(from)) < 0)
		return -ENOMEM; /* it is checked in under its old name */
	taken_rename(c, co, path);
	if (co->scratch && !co->uses) {
		/* the scratch file goes by its old folder, and won't end it */
		co->scratch = 0;
		ending_set(c, co,
			   clock_now() + CHECKOUTS_RESERVED_MS * NSEC_PER_MSEC);
	}
	return 0;
}

static void rename_below(struct checkouts *c, const char *from, const char *to,
			 const struct record *want)
{
	struct checkout *co;

	while ((co = taken_find_owned_below(c, from, want)))
		if (rename_checkout(c, co, from, to) < 0)
			return;
}

/* No path on the share: where the first of two folders waits for the other. */
#define NOWHERE "."

/* The folder has its new name already, so its records must follow, however
 * long the file lock or the disk is not to be had. Meanwhile the claims on the
 * folder keep everybody out. */
static void move_records(struct checkouts *c, const char *from, const char *to,
			 bool exchange, const struct owner *owner)
{
	_cleanup_free_ char *at = NULL;

	for (int tries = 0; tries < MOVE_TRIES; tries++) {
		struct wait w = wait_for_ms(MOVE_WAIT_MS);
		int r = registry_move(c->registry, from, to, exchange, owner,
				      &w, &at);

		if (r == 0)
			return;
		if (r != -ETIMEDOUT) /* the disk */
			wait_sleep(&w, MOVE_PAUSE);
	}
}

void checkouts_move(struct checkouts *c, const char *from, const char *to,
		    bool exchange, const struct record *want)
{
	struct owner owner = record_owner(want, registry_lease(c->registry));

	move_records(c, from, to, exchange, &owner);
	LOCK_SCOPE(&c->mutex);
	rename_below(c, from, exchange ? NOWHERE : to, want);
	if (exchange) {
		rename_below(c, to, from, want);
		rename_below(c, NOWHERE, to, want);
	}
}

void checkouts_folder_gone(struct checkouts *c, const char *folder,
			   const struct record *want)
{
	struct checkout *co;

	LOCK_SCOPE(&c->mutex);
	while ((co = taken_find_owned_below(c, folder, want)) && co->uses == 0)
		ending_now(c, co);
}
