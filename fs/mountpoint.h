/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whether a mount can be made, and undoing what is in its way.
 */
#ifndef FS_MOUNTPOINT_H
#define FS_MOUNTPOINT_H

#include <sys/types.h>

#include "fs/mount.h"

/* Frees the mount point (and the share, which may be the same folder) from a
 * camlock mount whose daemon is gone, and refuses, with a message, what would
 * go wrong: no folder, not empty, mounted already, inside the share. Returns
 * 0 or -errno. */
int mountpoint_prepare(const struct mount_options *o);

/* The number (st_dev) of what is mounted there, which tells it from a later
 * mount at the same place; 0 if it can't be had. Asks no daemon. */
dev_t mountpoint_dev(const char *mountpoint);

/* Detaches the mount: what is open stays usable, nothing new is reached. */
void mountpoint_detach(const char *mountpoint);

#endif
