/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Files set aside when a checkout is taken over (SEMANTICS 8).
 *
 * Whoever lost it may still have the file open and go on writing, with the
 * kernel writing straight to it. So that file itself is moved to
 *
 *	.camlock/recovered/TIME-USER/PATH
 *
 * and a copy of it put at its path, in one step. What he goes on writing lands
 * in the recovered file, which is his: owned by him, readable by nobody else;
 * unless it has another name, and stays as it is for those who use that. The
 * folders are his when all is in place, and the daemon's until then.
 * TIME is UTC, 2026-11-23T15:58:35.123456Z; of USER what can't be in a file's
 * name is '_'.
 */
#ifndef CORE_RECOVERED_H
#define CORE_RECOVERED_H

#include <sys/types.h>

#define RECOVERED_DIR "recovered"

/* Sets the file at `path` (below the share) aside for `user`, whose id is
 * `uid`. Returns 1 with its name below RECOVERED_DIR, on the heap; 0 if there
 * is no regular file at the path; or -errno, and then the file is where it
 * was. -ESTALE: it was replaced meanwhile. */
int recovered_set_aside(int share_dir, int state_dir, const char *path,
			const char *user, uid_t uid, char **ret_name);

#endif
