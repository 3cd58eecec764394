/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Taking a save back: a version (core/versions.h) becomes the document again.
 *
 * It is a save like any other: a checkout of that moment, refused if another
 * has the document or may not write it; and what is there now is kept as a
 * version before. Readers see the one or the other, whole: it is put there by
 * a rename. Owner, mode and ACL stay those of the document; or of the version,
 * if the document is gone. One of several names of a file is not reverted.
 */
#ifndef FS_REVERT_H
#define FS_REVERT_H

#include "fs/kept.h"

void revert_run(const struct caller *who, const char *path, const char *version,
		struct kept_answer *ret_answer);

#endif
