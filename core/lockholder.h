/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Who holds a file lock on this host, for a message to a person.
 */
#ifndef CORE_LOCKHOLDER_H
#define CORE_LOCKHOLDER_H

#include <stddef.h>

/* Writes "python3, pid 4242" for the process /proc/locks (proc_locks(5)) names
 * as the holder of a flock() on the file; "unknown to this host" if it names
 * none: the holder is another host's, or has just let go. */
void lockholder_describe(int dirfd, const char *name, char *text, size_t size);

#endif
