/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/users.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/wait.h"

#define N_SLOTS 256 /* a collision only costs a look-up */
#define LIFETIME (60 * NSEC_PER_SEC)
#define ANSWER_SIZE 16384 /* of one passwd entry */
#define UID_NOBODY 65534

struct slot {
	uint64_t until; /* 0: empty */
	uid_t uid;
	char name[USER_NAME_SIZE];
};

struct users {
	pthread_mutex_t mutex;	      /* a leaf: nothing is called under it */
	struct slot by_id[N_SLOTS];   /* under mutex */
	struct slot by_name[N_SLOTS]; /* under mutex */
};

int users_open(struct users **ret_users)
{
	struct users *u = calloc(1, sizeof(*u));

	if (!u)
		return -ENOMEM;
	pthread_mutex_init(&u->mutex, NULL);
	*ret_users = u;
	return 0;
}

void users_free(struct users *u)
{
	if (!u)
		return;
	pthread_mutex_destroy(&u->mutex);
	free(u);
}

static unsigned hash_name(const char *name)
{
	unsigned h = 5381;

	while (*name)
		h = h * 33 + (unsigned char)*name++;
	return h % N_SLOTS;
}

static void remember(struct users *u, struct slot *slot, uid_t uid,
		     const char *name)
{
	LOCK_SCOPE(&u->mutex);
	slot->until = clock_now() + LIFETIME;
	slot->uid = uid;
	snprintf(slot->name, sizeof(slot->name), "%s", name);
}

static bool recall_name(struct users *u, uid_t uid, char name[USER_NAME_SIZE])
{
	const struct slot *slot = &u->by_id[uid % N_SLOTS];

	LOCK_SCOPE(&u->mutex);
	if (slot->until < clock_now() || slot->uid != uid)
		return false;
	memcpy(name, slot->name, USER_NAME_SIZE);
	return true;
}

static bool recall_id(struct users *u, const char *name, uid_t *ret_uid)
{
	const struct slot *slot = &u->by_name[hash_name(name)];

	LOCK_SCOPE(&u->mutex);
	if (slot->until < clock_now() || strcmp(slot->name, name) != 0)
		return false;
	*ret_uid = slot->uid;
	return true;
}

void users_name(struct users *u, uid_t uid, char name[USER_NAME_SIZE])
{
	struct passwd entry, *found = NULL;
	char answer[ANSWER_SIZE];

	if (recall_name(u, uid, name))
		return;
	getpwuid_r(uid, &entry, answer, sizeof(answer), &found);
	if (found)
		snprintf(name, USER_NAME_SIZE, "%s", found->pw_name);
	else
		snprintf(name, USER_NAME_SIZE, "%u", (unsigned)uid);
	remember(u, &u->by_id[uid % N_SLOTS], uid, name);
}

/* A user without a name goes by his number, see users_name(). */
static uid_t number_of(const char *name)
{
	unsigned long long n;
	char *end;

	if (!isdigit((unsigned char)*name))
		return UID_NOBODY;
	n = strtoull(name, &end, 10);
	return *end || n >= UINT32_MAX ? UID_NOBODY : (uid_t)n;
}

uid_t users_id(struct users *u, const char *name)
{
	struct passwd entry, *found = NULL;
	char answer[ANSWER_SIZE];
	uid_t uid;

	if (strlen(name) >= USER_NAME_SIZE)
		return UID_NOBODY;
	if (recall_id(u, name, &uid))
		return uid;
	getpwnam_r(name, &entry, answer, sizeof(answer), &found);
	uid = found ? found->pw_uid : number_of(name);
	remember(u, &u->by_name[hash_name(name)], uid, name);
	return uid;
}
