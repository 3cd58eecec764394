/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The family of a process: itself and those it was started by, as far as all
 * that is one program at work.
 *
 * GIMP loads and saves in processes of its own making, and a script reads a
 * file with one program and writes it with another. So parents belong to it
 * that have the same user and the same process group; a shell, which gives
 * each of its jobs a group of its own, does not.
 *
 * What is found in /proc is believed for a second. Thread-safe.
 */
#ifndef CORE_FAMILY_H
#define CORE_FAMILY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define FAMILY_SIZE 5

/* One process, told from a later one with the same id. */
struct kin {
	pid_t pid;
	uint64_t start;
};

struct family {
	uid_t uid;  /* for whom it acts, which may differ from who started it */
	unsigned n; /* 0: it is not known, and then it has no relatives */
	struct kin line[FAMILY_SIZE]; /* itself, its parent, ... */
};

struct families;

int families_open(struct families **ret_families);
void families_free(struct families *f); /* NULL-safe */

/* The family of a thread's process, acting for a user. Unknown if it is gone,
 * outside our pid namespace or, as an NFS server's, a thread of the kernel. */
void families_find(struct families *f, pid_t tid, uid_t uid,
		   struct family *ret_family);

/* Whether one descends from the other, or they are the same. */
bool family_related(const struct family *a, const struct family *b);

#endif
