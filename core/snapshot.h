/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How the registry makes its snapshots of what an engine has.
 */
#ifndef CORE_SNAPSHOT_H
#define CORE_SNAPSHOT_H

#include <pthread.h>

#include "core/engine.h"
#include "core/registry.h"

/* Keeps the last snapshots for as long as they are right. */
struct snapshot_cache {
	pthread_mutex_t mutex;
	struct snapshot *last;	 /* under mutex */
	struct snapshot *others; /* under mutex: without our open records */
};

void snapshot_cache_init(struct snapshot_cache *c);
void snapshot_cache_release(struct snapshot_cache *c);
int snapshot_cache_get(struct snapshot_cache *c, struct engine *e,
		       struct snapshot **ret_snapshot);
int snapshot_cache_get_others(struct snapshot_cache *c, struct engine *e,
			      struct snapshot **ret_snapshot);

#endif
