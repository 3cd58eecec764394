/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Running another program and hearing what it has to say.
 */
#ifndef CLI_PROGRAM_H
#define CLI_PROGRAM_H

#include "core/buffer.h"

/* Runs argv[0], found in PATH, with no input and in the C locale. What it says
 * on standard error is put into `said`, without the last line's end. Returns
 * its exit status (128 if a signal killed it), or -errno if it couldn't run. */
int program_run(const char *const argv[], struct buffer *said);

/* The same with what it says on standard output. */
int program_read(const char *const argv[], struct buffer *said);

#endif
