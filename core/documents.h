/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which names are documents, that are checked out, and which are scratch:
 * lock, swap, temp and backup files, that never are.
 *
 * The built-in list is what CAM programs, editors and the system's tools were
 * seen to use. Names that look like a document's, too, count as scratch only
 * beside the document they belong to (`T-journal` beside `T`), or only for the
 * program that makes them (`sedAbC123`, for sed; `T1` beside `T`, for FreeCAD).
 * When in doubt it is a document: a checkout too many does no harm.
 *
 * Patterns are fnmatch(3)'s: one without a slash is for the name, one with a
 * slash for the path from the share. Case makes no difference, as to Windows,
 * where a program may well write PART.NC or its temp file ~RF4C1A.TMP.
 */
#ifndef CORE_DOCUMENTS_H
#define CORE_DOCUMENTS_H

#include <stdbool.h>
#include <stddef.h>

struct documents {
	char **scratch; /* more patterns of scratch names */
	size_t n_scratch;
	char **only; /* if there are any: only these are documents */
	size_t n_only;
};

/* Adds a pattern, which is copied. Returns 0 or -ENOMEM. */
int documents_add_scratch(struct documents *d, const char *pattern);
int documents_add_only(struct documents *d, const char *pattern);
void documents_release(struct documents *d);

/* Whether the path, used by that program, is a document. `exists` tells
 * whether a name is in the same folder. */
bool documents_include(const struct documents *d, const char *path,
		       const char *program,
		       bool (*exists)(void *arg, const char *name), void *arg);

/* Whether a scratch file never is renamed to a document: lock, swap and journal
 * files, which programs keep open for as long as they work on it. */
bool documents_stay_aside(const char *path);

#endif
