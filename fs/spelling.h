/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Names as Windows spells them: to it, PART.NC is part.nc.
 *
 * smbd finds a file by a name that differs in case only, as long as it can see
 * it in the listing of its folder. Two it can't see, and those are found here:
 * in `.locks` what is not checked out yet, and the name of a document that its
 * owner has moved aside in the middle of a save.
 */
#ifndef FS_SPELLING_H
#define FS_SPELLING_H

#include "fs/caller.h"

/* Whether two names differ in nothing but case, if at all. Bytes that are not
 * UTF-8 have none. */
bool spelling_same(const char *a, const char *b);

/* For a path of which the share has nothing: the path of what the caller, if
 * he is an smbd, would take for it there. On the heap, or NULL. */
char *spelling_in_share(fuse_req_t req, const char *path);

/* For a name that an smbd is about to make: the path of a record in that
 * folder whose name differs from it in case only. On the heap, or NULL. */
char *spelling_of_record(const struct caller *who, const char *path);

#endif
