/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A record: this path is checked out, by whom, since when, why.
 *
 * As text it is one value of the object in locks.json:
 *
 *	{
 *	    "user": "alice",
 *	    "timestamp": "2026-11-23T15:58:35.123456+00:00",
 *	    "message": "opened for writing by freecad",
 *	    "kind": "open",
 *	    "host": "cam-07", "seat": "", "lease": "...",
 *	    "pid": "4242", "app": "freecad"
 *	}
 *
 * The first three are what the Python tools write and read; a record may have
 * only them. What is missing is NULL here. Fields we do not know live in the
 * text only, which is why records are moved as text, never printed anew.
 */
#ifndef CORE_RECORD_H
#define CORE_RECORD_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buffer.h"

#define RECORD_KIND_OPEN "open" /* ends when the last writable handle does */
#define RECORD_KIND_KEPT "kept" /* ends when somebody ends it */

/* All strings are bytes, as file names are; on the heap if the record came
 * from record_parse() or record_copy(). */
struct record {
	char *user;
	char *timestamp;
	char *message;
	char *kind;
	char *host;
	char *seat;   /* "" but behind Samba: which smbd process, "4711-8812" */
	char *client; /* behind Samba: which machine that smbd serves */
	char *lease;  /* of the mount that wrote it */
	char *pid;    /* decimal; means something on that host only */
	char *app;    /* the program's name, as the kernel knows it */
};

/* Who wants something. Borrowed strings. */
struct owner {
	const char *user;
	const char *host;
	const char *seat;   /* "" unless the caller is smbd */
	const char *lease;  /* of the mount asking; NULL without a mount */
	const char *client; /* that smbd's, or NULL */
};

/* Somebody holds the path, but who can't be read. No user's name. */
#define RECORD_USER_UNKNOWN "?"

/* Reads a record's text. Returns 0, -ENOMEM, or -EINVAL if the text is no
 * object with a string `user`: then it is not a record, and holds nothing. A
 * `user` with a NUL in it is RECORD_USER_UNKNOWN. */
int record_parse(struct record *ret_record, const char *text, size_t len);
int record_copy(struct record *ret_record, const struct record *from);
void record_release(struct record *r);

/* Appends the record's text, indented to stand in locks.json. */
int record_format(const struct record *r, struct buffer *b);

/* Appends a record's text with another message; all else of it stays as it
 * is, byte for byte. Returns 0, -EINVAL if the text is no object, or -ENOMEM. */
int record_set_message(const char *text, size_t len, const char *message,
		       struct buffer *b);

/* Whether the record is the checkout of one mount, gone when that mount is. */
bool record_is_open(const struct record *r);

/* Whether that is the text of an open record with this lease. */
bool record_text_has_lease(const char *text, size_t len, const char *lease);

/* The machine he sits at: behind Samba the client's, else the host; or NULL. */
const char *record_machine(const struct record *r);

/* The owner that a record of his names. */
struct owner record_owner(const struct record *r, const char *lease);

/* Whether both are of one user and one seat. */
bool record_same_person(const struct record *a, const struct record *b);

/* Whether the owner may go in on the strength of this record: his own kept
 * checkout (of his user and, if the record names a host, that host and seat;
 * a client that came back with another smbd has the seat it had), or an open
 * one of his through the same mount. */
bool record_owned_by(const struct record *r, const struct owner *o);

#define _cleanup_record_ __attribute__((cleanup(record_release)))

#endif
