/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Paths as the registry has them: relative to the share, with '/' between the
 * names, none at either end.
 */
#ifndef CORE_PATH_H
#define CORE_PATH_H

#include <stdbool.h>
#include <string.h>

/* Whether it lies in the folder, at any depth; the folder itself does not. */
static inline bool path_is_in(const char *path, const char *folder)
{
	size_t len = strlen(folder);

	return !strncmp(path, folder, len) && path[len] == '/';
}

#endif
