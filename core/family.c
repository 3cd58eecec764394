/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/family.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "core/cleanup.h"
#include "core/process.h"
#include "core/wait.h"

#define N_SLOTS 256 /* a collision only costs a look-up */
#define LIFETIME NSEC_PER_SEC

struct slot {
	pid_t tid;
	uint64_t until; /* 0: empty */
	struct family family;
};

struct families {
	pthread_mutex_t mutex;	    /* a leaf: nothing is called under it */
	struct slot slots[N_SLOTS]; /* under mutex */
};

int families_open(struct families **ret_families)
{
	struct families *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	pthread_mutex_init(&f->mutex, NULL);
	*ret_families = f;
	return 0;
}

void families_free(struct families *f)
{
	if (!f)
		return;
	pthread_mutex_destroy(&f->mutex);
	free(f);
}

static struct family look_up(pid_t tid, uid_t uid)
{
	struct family family = { .uid = uid };
	struct process_place place;
	pid_t pid = process_id(tid), group = 0;

	while (pid > 1 && family.n < FAMILY_SIZE &&
	       process_place(pid, &place) == 0) {
		if (family.n > 0 &&
		    (place.group != group || process_user(pid) != uid))
			break;
		family.line[family.n++] = (struct kin){ pid, place.start };
		group = place.group;
		pid = place.parent;
	}
	return family;
}

static bool recall(struct families *f, pid_t tid, uid_t uid,
		   struct family *ret_family)
{
	const struct slot *slot = &f->slots[(unsigned)tid % N_SLOTS];

	LOCK_SCOPE(&f->mutex);
	if (slot->tid != tid || slot->family.uid != uid ||
	    slot->until < clock_now())
		return false;
	*ret_family = slot->family;
	return true;
}

void families_find(struct families *f, pid_t tid, uid_t uid,
		   struct family *ret_family)
{
	struct slot *slot = &f->slots[(unsigned)tid % N_SLOTS];

	if (recall(f, tid, uid, ret_family))
		return;
	*ret_family = look_up(tid, uid);
	LOCK_SCOPE(&f->mutex);
	slot->tid = tid;
	slot->until = clock_now() + LIFETIME;
	slot->family = *ret_family;
}

static bool is_in_line(const struct kin *kin, const struct family *f)
{
	for (unsigned i = 0; i < f->n; i++)
		if (f->line[i].pid == kin->pid &&
		    f->line[i].start == kin->start)
			return true;
	return false;
}

bool family_related(const struct family *a, const struct family *b)
{
	return a->n > 0 && b->n > 0 && a->uid == b->uid &&
	       (is_in_line(&a->line[0], b) || is_in_line(&b->line[0], a));
}
