/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/progress.h"

#include <stdio.h>
#include <unistd.h>

#define SHOWN_EVERY 500
#define CLEAR_LINE "\r\033[K"

void progress_step(struct progress *p)
{
	if (++p->n % SHOWN_EVERY != 0 || !isatty(STDERR_FILENO))
		return;
	fprintf(stderr, CLEAR_LINE "%zu %s ...", p->n, p->what);
	p->is_shown = 1;
}

void progress_end(struct progress *p)
{
	if (p->is_shown)
		fputs(CLEAR_LINE, stderr);
	p->is_shown = 0;
}
