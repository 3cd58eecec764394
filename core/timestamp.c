/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/timestamp.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

#define YEAR_0 -62167219200    /* 0000-01-01T00:00:00Z */
#define YEAR_9999 253402300799 /* 9999-12-31T23:59:59Z */

void timestamp_format(const struct timespec *when, char text[TIMESTAMP_SIZE])
{
	time_t sec = when->tv_sec;
	struct tm tm;

	if (sec < YEAR_0)
		sec = YEAR_0;
	if (sec > YEAR_9999)
		sec = YEAR_9999;
	gmtime_r(&sec, &tm);
	snprintf(text, TIMESTAMP_SIZE,
		 "%04u-%02u-%02uT%02u:%02u:%02u.%06u+00:00",
		 (unsigned)(tm.tm_year + 1900) % 10000,
		 (unsigned)(tm.tm_mon + 1) % 100, (unsigned)tm.tm_mday % 100,
		 (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100,
		 (unsigned)tm.tm_sec % 100,
		 (unsigned)(when->tv_nsec / 1000) % 1000000);
}

void timestamp_now(char text[TIMESTAMP_SIZE])
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	timestamp_format(&now, text);
}

/* Reads exactly n digits; moves *p behind them. */
static bool read_digits(const char **p, int n, int *ret_value)
{
	int value = 0;

	for (int i = 0; i < n; i++) {
		char c = (*p)[i];

		if (c < '0' || c > '9')
			return false;
		value = value * 10 + (c - '0');
	}
	*p += n;
	*ret_value = value;
	return true;
}

static bool read_char(const char **p, char c)
{
	if (**p != c)
		return false;
	(*p)++;
	return true;
}

/* The part of a second behind the point; digits beyond nanoseconds count for
 * nothing. */
static bool read_fraction(const char **p, long *ret_ns)
{
	long unit = 100000000;
	long ns = 0;

	*ret_ns = 0;
	if (!read_char(p, '.'))
		return true;
	if (**p < '0' || **p > '9')
		return false;
	for (; **p >= '0' && **p <= '9'; (*p)++) {
		ns += (**p - '0') * unit;
		unit /= 10;
	}
	*ret_ns = ns;
	return true;
}

/* Z, +HH:MM, -HH:MM or nothing; in seconds east of UTC. */
static bool read_zone(const char **p, int *ret_seconds)
{
	int sign = **p == '-' ? -1 : 1;
	int hours, minutes;

	*ret_seconds = 0;
	if (**p == '\0' || read_char(p, 'Z'))
		return true;
	if (!read_char(p, '+') && !read_char(p, '-'))
		return false;
	if (!read_digits(p, 2, &hours) || !read_char(p, ':') ||
	    !read_digits(p, 2, &minutes) || hours > 23 || minutes > 59)
		return false;
	*ret_seconds = sign * (hours * 3600 + minutes * 60);
	return true;
}

static bool read_date(const char **p, struct tm *tm)
{
	if (!read_digits(p, 4, &tm->tm_year) || !read_char(p, '-') ||
	    !read_digits(p, 2, &tm->tm_mon) || !read_char(p, '-') ||
	    !read_digits(p, 2, &tm->tm_mday))
		return false;
	tm->tm_year -= 1900;
	tm->tm_mon -= 1;
	return tm->tm_mon >= 0 && tm->tm_mon <= 11 && tm->tm_mday >= 1 &&
	       tm->tm_mday <= 31;
}

static bool read_time(const char **p, struct tm *tm)
{
	return read_digits(p, 2, &tm->tm_hour) && read_char(p, ':') &&
	       read_digits(p, 2, &tm->tm_min) && read_char(p, ':') &&
	       read_digits(p, 2, &tm->tm_sec) && tm->tm_hour <= 23 &&
	       tm->tm_min <= 59 && tm->tm_sec <= 60;
}

int timestamp_parse(const char *text, struct timespec *ret_when)
{
	struct tm tm = {};
	const char *p = text;
	int zone;
	long ns;

	if (!read_date(&p, &tm) ||
	    !(read_char(&p, 'T') || read_char(&p, ' ')) ||
	    !read_time(&p, &tm) || !read_fraction(&p, &ns) ||
	    !read_zone(&p, &zone) || *p)
		return -EINVAL;
	ret_when->tv_sec = timegm(&tm) - zone;
	ret_when->tv_nsec = ns;
	return 0;
}
