/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is kept of documents as they were (core/versions.h), of a mount or of a
 * bare share, as far as the caller is let in.
 */
#ifndef CLI_VERSIONS_H
#define CLI_VERSIONS_H

#include <stddef.h>
#include <sys/types.h>

#include "cli/place.h"
#include "core/timestamp.h"

/* How a version is named on the command line, for --help. */
#define VERSION_HELP                                                         \
	"VERSION is a number as 'camlock versions' lists it, or how a NAME " \
	"of "                                                                \
	"its --json\n"                                                       \
	"begins. Without, it is 1, the newest.\n"

struct version {
	char *path;		   /* the document, as seen from the share */
	unsigned number;	   /* 1: the newest of it */
	const char *name;	   /* TIME-USER; in `file` */
	char time[TIMESTAMP_SIZE]; /* when it ceased to be the document, */
	const char *user;	   /* and who wrote then */
	off_t size;
	char *file; /* where it is */
};

/* Sorted by path, and of each the newest first. */
struct versions_list {
	struct version *list;
	size_t n;
	size_t cap;
};

/* All of documents at or below a place. Returns DONE, or says what is wrong and
 * returns an exit status. */
int versions_load(struct versions_list *ret_list, const struct place *place);
void versions_release(struct versions_list *l);

/* One of exactly that document; `which` may be NULL. Returns DONE; or says that
 * there is none, and returns REFUSED. */
int versions_pick(const struct versions_list *l, const char *path,
		  const char *which, const struct version **ret_version);

#define _cleanup_versions_ __attribute__((cleanup(versions_release)))

#endif
