/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is changed on the share behind the mount's back, on this machine: by a
 * script that works in the share itself, or by another mount of it.
 *
 * The kernel believes names and attributes for --cache-seconds. Where that is
 * long, a thread hears of all changes to the share's file system (fanotify(7),
 * as root, on a disk of this machine) and lets the kernel forget what it knew;
 * nothing tells of what another host does. It wakes up at any change to that
 * file system, so it is there only when --cache-seconds is more than
 * BEHIND_FROM, and an idle mount with the default never does.
 *
 * A file that is written there is told of when it is closed.
 *
 * What is mounted inside the share is another file system, and not watched.
 */
#ifndef FS_BEHIND_H
#define FS_BEHIND_H

#include "fs/camfs.h"

#define BEHIND_FROM 1.0 /* seconds: so long everybody can wait */

struct behind;

/* Says so in the log if it can't be had: then changes are seen late, but are
 * seen. Returns NULL then, and when none is wanted. */
struct behind *behind_open(struct camfs *fs);

/* Nothing is told any more. NULL-safe. */
void behind_close(struct behind *b);

#endif
