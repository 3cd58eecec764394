/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Machines: programs that run a file while they have it open, and must not find
 * it rewritten in the middle (LinuxCNC executes a mix of both). A file that is
 * replaced by another is no harm: they go on with the old one.
 *
 * Who is a machine may keep others from writing in place what he may read. So
 * the name a process gives itself counts for nothing, but only what it was
 * started from: a program of that name that belongs to root (or to the daemon's
 * own user) and nobody else may write; or, for a name with a slash, that very
 * file.
 */
#ifndef FS_MACHINE_H
#define FS_MACHINE_H

#include "fs/caller.h"

/* Which of the names the process of that thread is a machine by; or NULL. */
const char *machine_of(const struct camfs *fs, pid_t tid);

/* Whether a file may be written in place: 0; or, if a machine has it open, the
 * -errno to reply, and the refusal has been told. */
int machine_check(const struct caller *who, struct inode *inode,
		  const char *path);

#endif
