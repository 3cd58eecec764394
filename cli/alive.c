/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/alive.h"

#include <stddef.h>

enum alive_mount alive_mount(const struct record_at *at)
{
	if (!record_is_open(&at->record))
		return MOUNT_NONE;
	if (at->is_stale)
		return MOUNT_GONE;
	return at->is_live ? MOUNT_LIVES : MOUNT_UNKNOWN;
}

const char *alive_mount_name(enum alive_mount m)
{
	static const char *const names[] = {
		[MOUNT_UNKNOWN] = "unknown",
		[MOUNT_LIVES] = "live",
		[MOUNT_GONE] = "stale",
	};

	return m == MOUNT_NONE ? NULL : names[m];
}
