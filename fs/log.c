/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/buffer.h"
#include "core/cleanup.h"
#include "core/escape.h"

static atomic_bool to_syslog;

void log_to_syslog(void)
{
	openlog("camlock", LOG_PID, LOG_DAEMON);
	to_syslog = 1;
}

/* One write(), so that lines of several threads don't mix. */
static void to_stderr(const char *text)
{
	_cleanup_buffer_ struct buffer line = {};

	if (buffer_printf(&line, "camlock: %s\n", text) == 0 &&
	    write(STDERR_FILENO, line.data, line.len) < 0)
		return; /* nobody to tell */
}

void log_line(int priority, const char *format, ...)
{
	_cleanup_buffer_ struct buffer text = {}, safe = {};
	va_list ap;
	int r;

	va_start(ap, format);
	r = buffer_vprintf(&text, format, ap);
	va_end(ap);
	if (r < 0 || escape_append(&safe, text.data) < 0 || !safe.data)
		return;
	if (to_syslog)
		syslog(priority, "%s", safe.data);
	else
		to_stderr(safe.data);
}
