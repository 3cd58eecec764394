/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/moment.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/timestamp.h"

/* 2h, 30m: so long ago. */
static int parse_ago(const char *text, struct timespec *ret_when)
{
	static const char units[] = "smhd";
	static const long seconds[] = { 1, 60, 3600, 86400 };
	char *end;
	double n = strtod(text, &end);
	const char *unit = *end ? strchr(units, *end) : NULL;

	if (end == text || !isdigit((unsigned char)text[0]) || !unit ||
	    end[1] || !isfinite(n) || n > 1e6)
		return -EINVAL;
	clock_gettime(CLOCK_REALTIME, ret_when);
	ret_when->tv_sec -= (time_t)(n * (double)seconds[unit - units]);
	return 0;
}

/* A day, with a time of day or none; or that alone, of today. Local. */
static int parse_local(const char *text, struct timespec *ret_when)
{
	static const char *const formats[] = {
		"%Y-%m-%d",	  "%Y-%m-%dT%H:%M",    "%Y-%m-%dT%H:%M:%S",
		"%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%H:%M",
		"%H:%M:%S",
	};
	time_t now = time(NULL);

	for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
		struct tm tm;
		const char *end;

		localtime_r(&now, &tm);
		tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
		tm.tm_isdst = -1;
		end = strptime(text, formats[i], &tm);
		if (!end || *end)
			continue;
		*ret_when = (struct timespec){ .tv_sec = mktime(&tm) };
		return 0;
	}
	return -EINVAL;
}

int moment_parse(const char *text, struct timespec *ret_when)
{
	if (parse_ago(text, ret_when) == 0 || parse_local(text, ret_when) == 0)
		return 0;
	/* with a zone, or with a fraction of a second */
	return timestamp_parse(text, ret_when);
}

int moment_parse_seconds(const char *text, uint64_t *ret_ms)
{
	char *end;
	double n = strtod(text, &end);

	if (end == text || *end || !isfinite(n) || n < 0 || n > 1e9)
		return -EINVAL;
	*ret_ms = (uint64_t)(n * 1000);
	return 0;
}
