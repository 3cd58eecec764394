/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How an engine makes the snapshots of core/registry.h; nobody else needs it.
 */
#ifndef CORE_SNAPSHOT_H
#define CORE_SNAPSHOT_H

#include <pthread.h>

#include "core/registry.h"
#include "core/store.h"

/* Keeps the last snapshot for as long as it is right. */
struct snapshot_cache {
	pthread_mutex_t mutex;
	struct snapshot *last; /* under mutex */
};

void snapshot_cache_init(struct snapshot_cache *c);
void snapshot_cache_release(struct snapshot_cache *c);
int snapshot_cache_get(struct snapshot_cache *c, struct store *store,
		       struct snapshot **ret_snapshot);

#endif
