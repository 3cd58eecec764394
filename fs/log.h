/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the daemon has to say to people: one line each, to standard error in
 * the foreground (and until the mount answers), to syslog(3) afterwards.
 *
 * Names in a line come from users, and are escaped (core/escape.h).
 */
#ifndef FS_LOG_H
#define FS_LOG_H

#include <syslog.h>

/* From now on to syslog. */
void log_to_syslog(void);

/* `priority` as in syslog(3). */
void log_line(int priority, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* What a line says of what a record does not. */
static inline const char *log_or_unknown(const char *s)
{
	return s && *s ? s : "unknown";
}

#define log_error(...) log_line(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)

#endif
