/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Following an etcd: one thread hears of every change and tells the view,
 * another keeps our lease alive and sees whether the first hears anything.
 *
 * Whoever is cut off from most of a cluster still gets answers from a member
 * that is, too, and hears nothing of changes there. So the second thread asks
 * the member the first one listens to for something only the whole cluster can
 * answer; if it can't, the next member is listened to.
 */
#ifndef CORE_ETCD_FOLLOW_H
#define CORE_ETCD_FOLLOW_H

#include <pthread.h>

#include "core/engine.h"
#include "core/etcd.h"
#include "core/etcd_view.h"

struct etcd_follow {
	const char *prefix; /* borrowed, as all that are told at the start */
	const char *instance;
	struct etcd_view *view;
	struct engine_hooks hooks;
	unsigned beat_ms;

	struct etcd listen; /* of the listener */
	struct etcd ask;    /* of the pulse */
	pthread_t listener, pulse;
	bool started;
	_Atomic bool closing;
	_Atomic bool turn; /* the listener is to listen to another */
	int error;	   /* of the pulse: it is cut off by that; or 0 */

	pthread_mutex_t mutex; /* a leaf */
	pthread_cond_t wake;
	int64_t lease; /* under mutex; 0: there is none */
	bool lost;     /* under mutex: the lease has ended */
};

int etcd_follow_init(struct etcd_follow *f, const struct etcd_address *address,
		     const struct etcd_secrets *secrets, struct etcd_view *view,
		     const char *instance);
void etcd_follow_release(struct etcd_follow *f);

/* The view is read, and the lease taken. Returns 0 or -errno. */
int etcd_follow_start(struct etcd_follow *f, unsigned beat_ms,
		      const struct engine_hooks *hooks);
void etcd_follow_stop(struct etcd_follow *f);

/* Whose lease is to be kept alive from now on. */
void etcd_follow_set_lease(struct etcd_follow *f, int64_t lease);
int64_t etcd_follow_lease(struct etcd_follow *f);

/* Whether it has ended; and that it has. */
bool etcd_follow_is_lost(struct etcd_follow *f);
void etcd_follow_lose(struct etcd_follow *f);

/* Reads all there is into the view. */
int etcd_follow_read(struct etcd *c, struct etcd_view *v, const char *prefix,
		     const struct wait *w);

/* Tells the view what one line of a watch says. Returns 0, -ESTALE (what was
 * missed is not to be had any more: it must be read anew), -EACCES (nothing
 * more is told us), or another -errno. */
int etcd_follow_take(struct etcd_view *v, const char *prefix,
		     const cJSON *line);

#endif
