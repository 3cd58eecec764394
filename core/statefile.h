/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A small file of ours on the share, read whole and made anew.
 */
#ifndef CORE_STATEFILE_H
#define CORE_STATEFILE_H

#include <sys/stat.h>

#include "core/buffer.h"

#define STATEFILE_SIZE_MAX (1UL << 30) /* a larger one is damaged */

/* Reads the file, if it is one we may trust to be no trap. Returns 0; -EBADMSG
 * (no regular file, or too large); -EAGAIN (shorter than its size: on a share
 * that lags); -ENOENT; or another -errno. It may have other names, a backup's:
 * only writing would reach those. */
int statefile_read(int dirfd, const char *name, struct buffer *ret_text,
		   struct stat *ret_st);

/* Makes an empty file, in the place of whatever has the name, with the owner,
 * mode and ACL of the file `like`, if there is one. */
int statefile_create(int dirfd, const char *name, const char *like,
		     int *ret_fd);

#endif
