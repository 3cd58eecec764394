/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/witness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/cleanup.h"
#include "core/wait.h"

#define UNLOCKED_MAX 3 /* a server may have forgotten it just now */
#define FORGOTTEN_AFTER (24 * 3600 * NSEC_PER_SEC)

/* What was last seen of a lease. */
struct testimony {
	struct testimony *next;
	uint64_t beat;
	uint64_t since; /* when that number was first seen */
	int unlocked;	/* how often it was another, and its lock to be had */
	char id[LEASE_ID_SIZE];
};

uint64_t clock_awake(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

void witness_init(struct witness *w, int dirfd, unsigned silence_ms)
{
	w->dirfd = dirfd;
	w->silence_ms = silence_ms ? silence_ms : LEASE_SILENCE_MS;
	w->list = NULL;
	w->blind = false;
	pthread_mutex_init(&w->mutex, NULL);
}

void witness_release(struct witness *w)
{
	while (w->list) {
		struct testimony *t = w->list;

		w->list = t->next;
		free(t);
	}
	pthread_mutex_destroy(&w->mutex);
}

/* Under the mutex. NULL: no memory. */
static struct testimony *find_or_add(struct witness *w, const char *id)
{
	struct testimony *t = w->list;

	while (t && strcmp(t->id, id) != 0)
		t = t->next;
	if (t)
		return t;
	t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	strcpy(t->id, id);
	t->beat = UINT64_MAX; /* nobody's */
	t->next = w->list;
	w->list = t;
	return t;
}

/* Returns since when that number has been seen; now, if it is new. */
static uint64_t testify(struct witness *w, const char *id, uint64_t beat)
{
	uint64_t now = clock_awake();
	struct testimony *t;

	LOCK_SCOPE(&w->mutex);
	t = find_or_add(w, id);
	if (!t)
		return now;
	if (t->beat != beat) {
		t->beat = beat;
		t->since = now;
	}
	return t->since;
}

int witness_judge(struct witness *w, const char *id, uint64_t sure_since)
{
	unsigned silence_ms;
	uint64_t beat, since;
	int r = lease_probe(w->dirfd, id, &silence_ms);

	if (r != LEASE_SILENT)
		return r;
	r = lease_read_beat(w->dirfd, id, &beat);
	if (r < 0)
		return r;
	since = testify(w, id, beat);
	if (!silence_ms)
		silence_ms = w->silence_ms;
	if (since < sure_since)
		since = sure_since;
	return clock_awake() >= since + silence_ms * NSEC_PER_MSEC
		       ? LEASE_GIVEN_UP
		       : LEASE_LIVE;
}

/* Whether it has beaten since we last looked. */
static bool has_beaten(struct witness *w, const char *id)
{
	uint64_t beat, before = clock_awake();

	return lease_read_beat(w->dirfd, id, &beat) == 0 &&
	       testify(w, id, beat) >= before && beat > 0;
}

static void look_at_lock(struct witness *w, const char *id)
{
	bool unlocked = lease_probe(w->dirfd, id, NULL) == LEASE_SILENT;
	struct testimony *t;

	LOCK_SCOPE(&w->mutex);
	t = find_or_add(w, id);
	if (!t)
		return;
	t->unlocked = unlocked ? t->unlocked + 1 : 0;
	if (t->unlocked >= UNLOCKED_MAX)
		w->blind = true;
}

static void forget_old(struct witness *w)
{
	uint64_t now = clock_awake();
	struct testimony **p = &w->list;

	LOCK_SCOPE(&w->mutex);
	while (*p) {
		struct testimony *t = *p;

		if (now < t->since + FORGOTTEN_AFTER) {
			p = &t->next;
			continue;
		}
		*p = t->next;
		free(t);
	}
}

void witness_look(struct witness *w, const char *own)
{
	int fd = openat(w->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((d = readdir(dir)))
		if (lease_id_is_valid(d->d_name) && strcmp(d->d_name, own) &&
		    has_beaten(w, d->d_name))
			look_at_lock(w, d->d_name);
	closedir(dir);
	forget_old(w);
}
