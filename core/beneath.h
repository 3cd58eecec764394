/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Opening what lies in a folder, and nowhere else: no symlink on the way is
 * followed, and no ".." leads out of it (openat2(2), Linux 5.6).
 */
#ifndef CORE_BENEATH_H
#define CORE_BENEATH_H

#include <stdint.h>

/* `path` is relative to the folder; "" is the folder itself. O_CLOEXEC and
 * O_NOFOLLOW are added to the flags; `resolve`: more RESOLVE_* flags. With
 * O_PATH the last name may be a symlink, which is then what is opened. Returns
 * a descriptor, or -errno: -EXDEV or -ELOOP if the path leads elsewhere. */
int beneath_open(int folder, const char *path, int flags, uint64_t resolve);

/* The folder a path lies in, as an O_PATH descriptor, and the last name. */
int beneath_open_parent(int folder, const char *path, const char **ret_name);

#endif
