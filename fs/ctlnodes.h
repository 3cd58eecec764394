/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The paths of `.locks` that the kernel has looked up, each under a number that
 * is never used for two. What is at a path need not be there any more.
 *
 * Threads may call at once; the mutex is a leaf.
 */
#ifndef FS_CTLNODES_H
#define FS_CTLNODES_H

#include <pthread.h>
#include <stdint.h>

#include "core/hash.h"

struct ctlnodes {
	pthread_mutex_t mutex;
	struct hash by_id;   /* under mutex */
	struct hash by_path; /* under mutex */
	uint64_t last_id;    /* under mutex */
};

/* Ids are counted from the one after first_id. */
void ctlnodes_init(struct ctlnodes *t, uint64_t first_id);
void ctlnodes_release(struct ctlnodes *t);

/* The id of a path, with one more lookup; 0 when memory is short. */
uint64_t ctlnodes_get(struct ctlnodes *t, const char *path);

/* The kernel forgot n lookups. */
void ctlnodes_forget(struct ctlnodes *t, uint64_t id, uint64_t n);

/* A copy of its path, on the heap; NULL if the id is not known. */
char *ctlnodes_path(struct ctlnodes *t, uint64_t id);

#endif
