/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A mount served in the background.
 */
#ifndef CLI_DAEMON_H
#define CLI_DAEMON_H

#include "fs/mount.h"

/* Forks. The child serves the mount, complains on standard error until it
 * answers and to syslog from then on, and keeps none of the caller's files.
 * The parent returns when the mount answers, or when it won't: the exit status
 * of either of them. All paths must be absolute. Call it with one thread. */
int daemon_mount(struct mount_options *options);

/* The same without forking: returns when the mount is gone. */
int foreground_mount(struct mount_options *options);

#endif
