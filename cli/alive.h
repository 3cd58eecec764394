/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whether there is still somebody behind a record.
 */
#ifndef CLI_ALIVE_H
#define CLI_ALIVE_H

#include "cli/place.h"
#include "core/record.h"

/* The mount that wrote an open record. */
enum alive_mount {
	MOUNT_NONE,    /* it is a kept one, and needs none */
	MOUNT_UNKNOWN, /* its lease can't be seen from here */
	MOUNT_LIVES,
	MOUNT_GONE, /* the record holds nothing */
};

/* The program it names. */
enum alive_program {
	PROGRAM_NONE,	   /* it names none */
	PROGRAM_ELSEWHERE, /* on another host */
	PROGRAM_RUNS,
	PROGRAM_GONE,
	PROGRAM_OTHER, /* the number is another program's now */
};

enum alive_mount alive_mount(const struct place *place, const struct record *r);
enum alive_program alive_program(const struct record *r);

/* As --json spells them; NULL for the first of each. */
const char *alive_mount_name(enum alive_mount m);
const char *alive_program_name(enum alive_program p);

#endif
