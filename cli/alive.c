/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/alive.h"

#include <errno.h>
#include <fcntl.h>

#include "core/cleanup.h"
#include "core/lease.h"

enum alive_mount alive_mount(const struct place *place, const struct record *r)
{
	_cleanup_close_ int leases = -1;

	if (!record_is_open(r))
		return MOUNT_NONE;
	if (place->state >= 0)
		leases = openat(place->state, "leases",
				O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (leases < 0)
		return errno == ENOENT && place->state >= 0 ? MOUNT_GONE
							    : MOUNT_UNKNOWN;
	switch (lease_probe(leases, r->lease, NULL)) {
	case LEASE_LIVE:
		return MOUNT_LIVES;
	case LEASE_STALE:
		return MOUNT_GONE;
	default:
		return MOUNT_UNKNOWN;
	}
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
