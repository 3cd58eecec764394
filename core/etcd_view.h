/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What we know of an etcd's keys: a copy that follows what it tells of changes.
 *
 * It may be behind by a moment, or by as long as nobody tells us. So what is
 * decided on it counts only if etcd finds, in the same step in which it writes,
 * that every key looked at has the revision it is known by here.
 *
 *	locks/PATH	a record
 *	instances/ID	a mount that lives, by its lease: gone when that ends
 *	stations/ID	where it runs (core/station.h), while it has records
 *	steps/ID	its last step, so that it knows its own
 *
 * News of a key may come late and twice: by its changes, by a reply that read
 * it, by our own writing. Of each key is known as of which revision that is,
 *and older news is no news.
 */
#ifndef CORE_ETCD_VIEW_H
#define CORE_ETCD_VIEW_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/entries.h"
#include "core/lease.h"
#include "core/wait.h"

#define VIEW_LOCKS "locks/"
#define VIEW_INSTANCES "instances/"
#define VIEW_STATIONS "stations/"
#define VIEW_STEPS "steps/"

struct etcd_view {
	const char *lease; /* ours: borrowed; "" for an observer */

	/* A leaf. Whoever has frozen it reads without the mutex, and nobody
	 * changes it but he, who takes the mutex for that. */
	pthread_mutex_t mutex;
	pthread_cond_t changed; /* thawed, or more complete */
	bool frozen;		/* under mutex */
	struct entries entries; /* under mutex: the records */
	struct hash known;	/* under mutex: all keys */
	int64_t complete; /* under mutex: all up to this revision is in it */
	uint64_t version; /* under mutex: of the records */
	uint64_t others;  /* under mutex: of those that are not our open ones */
	bool robbed;	  /* under mutex: a record of ours, or a kept one, is
			     another's or gone, and it was not we who did it */
	int64_t own;	  /* under mutex: the revision of our last writing */
	unsigned n_news;  /* under mutex: who waits to tell of some */
};

int etcd_view_init(struct etcd_view *v, const char *lease);
void etcd_view_release(struct etcd_view *v);

/* While it is frozen news waits, but for that of who froze it; and he waits
 * for news that has waited. */
void etcd_view_freeze(struct etcd_view *v);
void etcd_view_thaw(struct etcd_view *v);

/* Waits until all is in it that was before our last writing. Returns 0,
 * -ETIMEDOUT or -EINTR. */
int etcd_view_catch_up(struct etcd_view *v, const struct wait *w);

/* ---- news; under the mutex ---- */

/* Waits until nobody has it frozen. */
void etcd_view_settle(struct etcd_view *v);

/* All up to that revision is in it. */
void etcd_view_set_complete(struct etcd_view *v, int64_t revision);

/* A key's value was written at revision `mod`, and is so as of `as_of`; value
 * NULL: there is none. `ours`: we wrote that. Returns 0 or -ENOMEM. */
int etcd_view_learn(struct etcd_view *v, const char *key, const char *value,
		    size_t len, int64_t mod, int64_t as_of, bool ours);

/* Of the keys that begin with `prefix` there are, as of that revision, only
 * those that were learned to be as of it. */
int etcd_view_forget_rest(struct etcd_view *v, const char *prefix,
			  int64_t as_of);

/* ---- what is known; under the mutex, or frozen ---- */

/* The revision a key has, 0 if there is none. */
int64_t etcd_view_revision(const struct etcd_view *v, const char *key);

/* The value of a station's key, or NULL. */
const char *etcd_view_station(const struct etcd_view *v, const char *key);

/* The text of a record, or NULL. */
const char *etcd_view_record(const struct etcd_view *v, const char *path,
			     size_t *ret_len);

/* Appends the keys that begin so, each with a NUL behind it. */
int etcd_view_list(const struct etcd_view *v, const char *prefix,
		   struct buffer *ret_keys);

#endif
