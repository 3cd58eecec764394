/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The inside of the versions (core/versions.h): removing the oldest of all.
 */
#ifndef CORE_THINNING_H
#define CORE_THINNING_H

#include <stdint.h>

/* Removes the oldest below `tree` until so many bytes are free, or nothing is
 * left; 0: only counts. Returns 0 with the bytes that are left, or -errno. */
int thinning_run(int tree, uint64_t bytes, uint64_t *ret_left);

/* Removes a folder of the tree, and those above it, while they are empty. */
void thinning_remove_folders(int tree, const char *path);

#endif
