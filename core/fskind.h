/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a file system's kind says about it.
 */
#ifndef CORE_FSKIND_H
#define CORE_FSKIND_H

#include <stdbool.h>

/* Whether an open file lies on a disk of this machine, so that its locks are
 * this kernel's word. What is not known is taken for a network's. */
bool fskind_is_local(int fd);

/* Whether its handles (name_to_handle_at(2)) are but numbers of a daemon's,
 * which a file has for as long as the kernel remembers it. */
bool fskind_is_fuse(int fd);

/* Whether flock(2) and fcntl(2) locks are one and the same there, so that who
 * takes both is in his own way: NFS and CIFS. */
bool fskind_locks_are_one(int fd);

#endif
