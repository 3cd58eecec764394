/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The inside of the registry: the open checkouts of ours, as they must stand
 * in the records, whatever other programs write there. All of it belongs to
 * the baton's holder.
 */
#ifndef CORE_HELD_H
#define CORE_HELD_H

#include <stdbool.h>
#include <stddef.h>

#include "core/hash.h"

struct registry;
struct request;

/* An open checkout of ours, as it must stand in the registry. */
struct held {
	struct hash_node node;
	struct held *next; /* in request.gained */
	bool lost;	   /* another's record stands there; reported */
	char *text;
	char path[];
};

/* What the request will hold if all goes well: then it is kept. */
int held_gain(struct request *q, const char *path, const char *text,
	      size_t len);
void held_keep_gains(struct registry *r, struct request *q);
void held_drop_gains(struct request *q);

/* The open record's text, or NULL. */
const char *held_text(struct registry *r, const char *path);

void held_remove(struct registry *r, const char *path);
void held_release_all(struct registry *r);

/* Puts back what the records have lost, or some of it if that is more than the
 * engine takes at once. Returns whether it edited them. */
bool held_reassert(struct registry *r, bool *ret_left);

#endif
