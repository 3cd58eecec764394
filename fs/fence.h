/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whoever loses a checkout may go on writing: what he writes is kept apart
 * (SEMANTICS 8, core/recovered.h).
 */
#ifndef FS_FENCE_H
#define FS_FENCE_H

#include "core/buffer.h"
#include "fs/caller.h"

/* Whether he may still have the document open, here or elsewhere. */
bool fence_is_needed(struct camfs *fs, const char *path,
		     const struct seizure *s);

/* What he goes on writing is his, and in nobody's way: adds PATH NUL NAME NUL
 * to what was set aside. His it is only if he could have opened it: a record
 * may be anybody's work, and must not make anybody the owner of a file he has
 * no rights in. Returns 0 or -errno. */
int fence_set_aside(struct camfs *fs, const char *path, const struct seizure *s,
		    struct buffer *recovered);

#endif
