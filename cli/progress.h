/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How far a long piece of work has come: one line on standard error that is
 * written over and over, if that is a terminal.
 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stddef.h>

struct progress {
	const char *what; /* "files" */
	size_t n;
	int is_shown;
};

void progress_step(struct progress *p);

/* The line is gone; what was counted is kept. */
void progress_end(struct progress *p);

#endif
