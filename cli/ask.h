/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is asked of a share about kept checkouts, and what it answers: through
 * its mount's control file, or, on a bare share, by doing it ourselves.
 *
 * The control file `.locks/.camlock/control` takes NUL-terminated strings:
 * VERB, MODE, MESSAGE, PATH...; the first read does it, as the user who opened
 * it, and is answered with one JSON object.
 */
#ifndef CLI_ASK_H
#define CLI_ASK_H

#include "cli/place.h"
#include "core/buffer.h"
#include "core/record.h"

/* Why somebody was refused. */
#define WHY_HELD "held"			      /* another owner has it */
#define WHY_OPEN "open"			      /* checkin: it ends by itself */
#define WHY_NOT_YOURS "not-yours"	      /* checkin */
#define WHY_NOT_CHECKED_OUT "not-checked-out" /* checkin, break */
#define WHY_NO_FILE "no-such-file"
#define WHY_NO_PERMISSION "no-permission" /* he may not write it */
#define WHY_NOT_A_DOCUMENT "not-a-document"
#define WHY_NOT_ADMIN "not-admin"	 /* break, steal */
#define WHY_NO_VERSION "no-such-version" /* revert */
#define WHY_SEVERAL "several-names"	 /* revert: of one file */
#define WHY_NOT_HERE "not-here"		 /* a bare share can't do it */

#define ASK_MESSAGE_MAX 4096 /* bytes, as the mount takes them */

struct ask {
	enum ask_verb {
		ASK_CHECKOUT,
		ASK_CHECKIN,
		ASK_BREAK,
		ASK_REVERT, /* message: the version; of a mount only */
	} verb;
	enum ask_mode {
		ASK_PLAIN,
		ASK_STEAL, /* checkout: an admin takes it from whoever has it */
		ASK_HERE,  /* checkout: one's own, from another host */
	} mode;
	const char *message; /* "": none */
	char *const *paths;
	size_t n;
	const char *locks; /* of a bare share; may be NULL */
};

struct answer {
	enum {
		ANSWER_DONE,
		ANSWER_REFUSED, /* path, why, holder (without user: none) */
		ANSWER_TROUBLE, /* path, error */
	} result;
	char *path;
	char *why;
	char *error;
	struct record holder;
	struct set_aside { /* content somebody may still write to */
		char *path;
		char *name; /* below .camlock/recovered */
	} * recovered;
	size_t n_recovered;
};

/* Returns DONE with an answer; or says what is wrong and returns an exit
 * status. */
int ask(struct answer *ret_answer, const struct place *place,
	const struct ask *a);
void answer_release(struct answer *a);

/* For who makes answers. Returns 0 or -ENOMEM. */
int answer_add_recovered(struct answer *a, const char *path, const char *name);

/* ask() without a mount. */
int ask_bare(struct answer *ret_answer, const struct place *place,
	     const struct ask *a);

#define _cleanup_answer_ __attribute__((cleanup(answer_release)))

#endif
