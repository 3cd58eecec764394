/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/alive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/bare.h"
#include "core/cleanup.h"
#include "core/lease.h"
#include "core/process.h"
#include "core/timestamp.h"

#define CLOCK_STEPS 2 /* seconds the clock may have been set back since */

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
	switch (lease_probe(leases, r->lease)) {
	case LEASE_LIVE:
		return MOUNT_LIVES;
	case LEASE_STALE:
		return MOUNT_GONE;
	default:
		return MOUNT_UNKNOWN;
	}
}

/* When it was started, in seconds of the wall clock; 0 if it is gone. */
static time_t start_of(pid_t pid)
{
	uint64_t ticks = process_start_time(pid);
	long per_second = sysconf(_SC_CLK_TCK);
	struct timespec boot, now;

	if (!ticks || per_second <= 0)
		return 0;
	clock_gettime(CLOCK_BOOTTIME, &boot);
	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec - boot.tv_sec +
	       (time_t)(ticks / (uint64_t)per_second);
}

static bool is_that_program(pid_t pid, const struct record *r)
{
	struct timespec since;
	struct process p;

	if (r->timestamp && timestamp_parse(r->timestamp, &since) == 0 &&
	    start_of(pid) > since.tv_sec + CLOCK_STEPS)
		return false;
	return !r->app ||
	       (process_of_thread(pid, &p) == 0 && !strcmp(p.name, r->app));
}

enum alive_program alive_program(const struct record *r)
{
	char *end;
	long pid = r->pid ? strtol(r->pid, &end, 10) : 0;

	if (pid <= 0 || pid > INT32_MAX || *end)
		return PROGRAM_NONE;
	if (!r->host || strcmp(r->host, bare_host()) != 0)
		return PROGRAM_ELSEWHERE;
	if (!start_of((pid_t)pid))
		return PROGRAM_GONE;
	return is_that_program((pid_t)pid, r) ? PROGRAM_RUNS : PROGRAM_OTHER;
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

const char *alive_program_name(enum alive_program p)
{
	static const char *const names[] = {
		[PROGRAM_ELSEWHERE] = "elsewhere",
		[PROGRAM_RUNS] = "running",
		[PROGRAM_GONE] = "gone",
		[PROGRAM_OTHER] = "other",
	};

	return p == PROGRAM_NONE ? NULL : names[p];
}
