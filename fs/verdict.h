/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a person is told who does not get a file, and the error his program
 * gets: a line in the log, one in the history, and the -errno to reply.
 */
#ifndef FS_VERDICT_H
#define FS_VERDICT_H

#include "fs/caller.h"

/* The only place where a conflict becomes an error number. `holder` goes into
 * the history, `why` into the log. */
int verdict_refuse(const struct caller *who, const char *path,
		   const struct record *holder, const char *why);

/* Because of what is in the way, at that path or at another. */
int verdict_held(const struct caller *who, const char *path,
		 const struct registry_conflict *conflict);

/* Whether anything may be checked out: 0; or -EIO, logged, while the mount is
 * cut off from the share. */
int verdict_sure(const struct caller *who, const char *what);

/* A checkout could not be recorded. Returns the error. */
int verdict_failed(struct camfs *fs, const char *path, int error);

/* What core/checkouts.h returned: 0, CHECKOUTS_REFUSED or -errno. */
int verdict_of(const struct caller *who, const char *path, int r,
	       const struct registry_conflict *conflict);

#endif
