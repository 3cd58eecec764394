/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How the page of fs/page.h looks. No FUSE here.
 */
#ifndef FS_PAGEVIEW_H
#define FS_PAGEVIEW_H

#include <time.h>

#include "core/alive.h"
#include "core/buffer.h"
#include "core/event.h"

/* What is shown of a record. Borrows its path. */
struct pageview_row {
	const char *path;
	struct record record;
	enum alive_program program;
	bool is_stale;	   /* its mount is gone */
	bool is_untouched; /* open, and nothing written yet */
};

struct pageview {
	const char *share; /* a name for people */
	const char *host;
	struct timespec now;
	struct pageview_row *rows; /* by path */
	size_t n_rows;
	size_t n_left_out;	/* records there was no room for */
	struct event *refusals; /* the latest first */
	size_t n_refusals;
};

/* Appends the page. Returns 0 or -ENOMEM. */
int pageview_append(struct buffer *b, const struct pageview *v);

/* The style sheet, and what the policy knows it by (the SHA-256 of its text,
 * in base64): fs/pagestyle.c. */
extern const char pageview_style[];
extern const char pageview_style_hash[];

#endif
