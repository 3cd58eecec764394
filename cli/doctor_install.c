/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What `make install`, or the package, puts beside the program.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/doctor.h"
#include "core/buffer.h"
#include "core/cleanup.h"

#define PROGRAM "/bin/camlock"

/* Of a package they may be packed. */
static const char *const pieces[] = {
	"share/man/man1/camlock.1",
	"share/man/man5/locks.json.5",
	"share/man/man8/camlock-mount.8",
	"share/bash-completion/completions/camlock",
	"lib/systemd/system/camlock@.service",
};

#define N_PIECES (sizeof(pieces) / sizeof(*pieces))

/* Where we are installed; false if we are not. */
static bool find_prefix(char *path, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", path, size - 1);
	size_t tail = strlen(PROGRAM);

	if (n < (ssize_t)tail)
		return false;
	path[n] = '\0';
	if (strcmp(path + n - tail, PROGRAM) != 0)
		return false;
	path[(size_t)n - tail] = '\0';
	return true;
}

static bool is_there(const char *prefix, const char *piece, const char *packed)
{
	_cleanup_buffer_ struct buffer path = {};

	return buffer_printf(&path, "%s/%s%s", prefix, piece, packed) == 0 &&
	       access(path.data, F_OK) == 0;
}

void doctor_check_install(struct doctor *d)
{
	char prefix[4096];
	bool whole = true;

	if (!find_prefix(prefix, sizeof(prefix)))
		return;
	for (size_t i = 0; i < N_PIECES; i++) {
		if (is_there(prefix, pieces[i], "") ||
		    is_there(prefix, pieces[i], ".gz"))
			continue;
		whole = false;
		find(&d->found, LEVEL_NOTE, "install",
		     "run 'make install', or install the package anew",
		     "'%s/%s' is not there", prefix, pieces[i]);
	}
	if (whole)
		find(&d->found, LEVEL_OK, "install", NULL,
		     "manuals, completion and unit are beside the program in "
		     "'%s'",
		     prefix);
}
