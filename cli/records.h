/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * All records of a share as they stand, read through its mount or from the
 * bare share.
 */
#ifndef CLI_RECORDS_H
#define CLI_RECORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/place.h"
#include "core/record.h"

struct record_at {
	char *path;
	struct record record;
	bool is_stale; /* its mount is gone, as far as can be told from here */
	bool is_live;  /* its mount lives, as far as can be told from here */
};

/* Sorted by path. */
struct records {
	struct record_at *list;
	size_t n;
	size_t cap;
};

/* `locks` is where locks.json is, if it is not the bare share's own; or NULL.
 * Entries that are no records are left out. Returns DONE, or says what is
 * wrong and returns an exit status. */
int records_load(struct records *ret_records, const struct place *place,
		 const char *locks);
void records_release(struct records *r);

/* The record of exactly that path, or NULL. */
const struct record_at *records_find(const struct records *r, const char *path);

/* Whether it is of the user who runs us, on this host. */
bool records_is_ours(const struct record_at *at);

/* Whether it is a kept one that he may check in. */
bool records_is_our_kept(const struct record_at *at);

#define _cleanup_records_ __attribute__((cleanup(records_release)))

#endif
