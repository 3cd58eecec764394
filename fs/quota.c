/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/quota.h"

#include <stdlib.h>

#include "core/cleanup.h"
#include "core/wait.h"
#include "fs/log.h"

#define TELL_EVERY (10 * NSEC_PER_SEC)
#define CLOSES 50   /* of one user at a time */
#define CONTROLS 16 /* each may be some megabytes */

struct user {
	struct hash_node node; /* in quota.users, while he has anything */
	uid_t uid;
	size_t has[QUOTA_KINDS];
	size_t closes;			   /* under way */
	struct quota_waiter *first, *last; /* closes to come */
	uint64_t told; /* when the log last said that he has too much */
};

void quota_init(struct quota *q, size_t requests, size_t handles)
{
	*q = (struct quota){ .limit = { requests, handles, CONTROLS } };
	pthread_mutex_init(&q->mutex, NULL);
}

static void drop(struct hash_node *n)
{
	free(container_of(n, struct user, node));
}

void quota_release(struct quota *q)
{
	hash_clear(&q->users, drop);
	pthread_mutex_destroy(&q->mutex);
}

static struct user *find(struct quota *q, uid_t uid)
{
	for (struct hash_node *n = hash_first(&q->users, hash_number(uid)); n;
	     n = hash_next(n)) {
		struct user *u = container_of(n, struct user, node);

		if (u->uid == uid)
			return u;
	}
	return NULL;
}

static struct user *find_or_add(struct quota *q, uid_t uid)
{
	struct user *u = find(q, uid);

	if (u)
		return u;
	u = calloc(1, sizeof(*u));
	if (!u)
		return NULL;
	u->uid = uid;
	if (hash_insert(&q->users, &u->node, hash_number(uid)) < 0) {
		free(u);
		return NULL;
	}
	return u;
}

static void drop_unused(struct quota *q, struct user *u)
{
	for (int i = 0; i < QUOTA_KINDS; i++)
		if (u->has[i])
			return;
	if (u->closes)
		return;
	hash_remove(&q->users, &u->node);
	free(u);
}

/* Whether it is time to say so. */
static bool is_news(struct user *u)
{
	uint64_t now = clock_now();

	if (u->told && now - u->told < TELL_EVERY)
		return false;
	u->told = now;
	return true;
}

static void tell(const struct quota *q, enum quota_of kind, uid_t uid)
{
	if (kind == QUOTA_REQUESTS)
		log_warning("user %u has %zu requests waiting: no more are "
			    "taken from this user until some are answered",
			    (unsigned)uid, q->limit[kind]);
	else
		log_warning("user %u has %zu %s open: no more are opened for "
			    "this user until some are closed",
			    (unsigned)uid, q->limit[kind],
			    kind == QUOTA_HANDLES ? "files and folders"
						  : "requests");
}

/* Returns 0; 1 if it was one too many; 2 if the log should say so. Without
 * memory nobody is counted. */
static int count(struct quota *q, enum quota_of kind, uid_t uid)
{
	struct user *u;

	LOCK_SCOPE(&q->mutex);
	u = find_or_add(q, uid);
	if (!u)
		return 0;
	if (u->has[kind] >= q->limit[kind])
		return is_news(u) ? 2 : 1;
	u->has[kind]++;
	return 0;
}

bool quota_take(struct quota *q, enum quota_of kind, uid_t uid)
{
	int r = uid == 0 ? 0 : count(q, kind, uid);

	if (r == 2)
		tell(q, kind, uid);
	return r == 0;
}

void quota_give(struct quota *q, enum quota_of kind, uid_t uid)
{
	struct user *u;

	if (uid == 0)
		return;
	LOCK_SCOPE(&q->mutex);
	u = find(q, uid);
	if (!u || u->has[kind] == 0)
		return;
	u->has[kind]--;
	drop_unused(q, u);
}

bool quota_has_room(struct quota *q, enum quota_of kind, uid_t uid)
{
	if (!quota_take(q, kind, uid))
		return false;
	quota_give(q, kind, uid);
	return true;
}

bool quota_begin(struct quota *q, uid_t uid, struct quota_waiter *waiter)
{
	struct user *u;

	LOCK_SCOPE(&q->mutex);
	u = find_or_add(q, uid);
	if (!u)
		return true;
	if (u->closes < CLOSES) {
		u->closes++;
		return true;
	}
	waiter->next = NULL;
	if (u->first)
		u->last->next = waiter;
	else
		u->first = waiter;
	u->last = waiter;
	return false;
}

struct quota_waiter *quota_end(struct quota *q, uid_t uid)
{
	struct quota_waiter *next;
	struct user *u;

	LOCK_SCOPE(&q->mutex);
	u = find(q, uid);
	if (!u)
		return NULL;
	next = u->first;
	if (next) {
		u->first = next->next;
		return next;
	}
	if (u->closes)
		u->closes--;
	drop_unused(q, u);
	return NULL;
}
