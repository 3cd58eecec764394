/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/alive.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/process.h"
#include "core/timestamp.h"

#define CLOCK_STEPS 2 /* seconds the clock may have been set back since */

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

enum alive_program alive_program(const struct record *r, const char *host)
{
	char *end;
	long pid = r->pid ? strtol(r->pid, &end, 10) : 0;

	if (pid <= 0 || pid > INT32_MAX || *end)
		return PROGRAM_NONE;
	if (!r->host || strcmp(r->host, host) != 0)
		return PROGRAM_ELSEWHERE;
	if (!start_of((pid_t)pid))
		return PROGRAM_GONE;
	return is_that_program((pid_t)pid, r) ? PROGRAM_RUNS : PROGRAM_OTHER;
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
