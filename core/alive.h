/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whether the program that a record names is still there.
 *
 * For people to see. Who has what is decided by leases (core/lease.h), never
 * by a process id.
 */
#ifndef CORE_ALIVE_H
#define CORE_ALIVE_H

#include "core/record.h"

/* The program it names. */
enum alive_program {
	PROGRAM_NONE,	   /* it names none */
	PROGRAM_ELSEWHERE, /* on another host */
	PROGRAM_RUNS,
	PROGRAM_GONE,
	PROGRAM_OTHER, /* the number is another program's now */
};

/* As seen from that host, which is ours. */
enum alive_program alive_program(const struct record *r, const char *host);

/* As --json spells it; NULL for the first. */
const char *alive_program_name(enum alive_program p);

#endif
