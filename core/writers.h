/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whether anybody on this host can write to a file: by a descriptor, by a
 * mapping, or by a handle of a FUSE mount that the kernel serves by itself,
 * which outlives the mount's daemon.
 *
 * A read lease (fcntl(2), F_SETLEASE) can be had only on a file that nobody has
 * open for writing. Where there are no leases, as on network shares, there is
 * no telling, and nobody is said to.
 */
#ifndef CORE_WRITERS_H
#define CORE_WRITERS_H

#include <stdbool.h>

/* Of a descriptor's file, which was opened for reading only. */
bool writers_exist(int fd);

/* Of the file at a path below a folder; not if there is none. */
bool writers_exist_at(int folder, const char *path);

#endif
