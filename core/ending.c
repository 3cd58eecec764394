/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/ending.h"

#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/wait.h"

#define SWEEP_MS 50 /* expiries are collected for so long */

/* A process that can write to scratch files of a folder. */
struct scratch {
	struct hash_node node; /* in checkouts.scratch */
	pid_t pid;
	size_t count;
	char folder[];
};

/* The folder a path is in: its length. */
static size_t folder_length(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? (size_t)(slash - path) : 0;
}

static struct scratch *find_scratch(struct checkouts *c, pid_t pid,
				    const char *folder, size_t len)
{
	uint64_t hash = hash_bytes(folder, len) ^ (uint64_t)pid;

	for (struct hash_node *n = hash_first(&c->scratch, hash); n;
	     n = hash_next(n)) {
		struct scratch *s = container_of(n, struct scratch, node);

		if (s->pid == pid && strlen(s->folder) == len &&
		    !memcmp(s->folder, folder, len))
			return s;
	}
	return NULL;
}

void ending_set(struct checkouts *c, struct checkout *co, uint64_t until)
{
	co->until = until;
	if (until && until < c->next_sweep) {
		c->next_sweep = until;
		pthread_cond_signal(&c->timed);
	}
}

bool ending_is_put_off(struct checkouts *c, struct checkout *co, pid_t pid)
{
	uint64_t ms = co->gone ? CHECKOUTS_RESERVED_MS : c->linger_ms;

	co->scratch = 0;
	if (co->brief)
		return false;
	if (!co->gone && !co->tree &&
	    find_scratch(c, pid, co->path, folder_length(co->path))) {
		co->scratch = pid;
		return true;
	}
	if (ms == 0 || co->tree)
		return false;
	if (co->gone)
		taken_remove_file(co);
	ending_set(c, co, clock_now() + ms * NSEC_PER_MSEC);
	return true;
}

/* It stays in the table, busy, until the registry has its checkin: whoever
 * wants the path next asks the registry after that. */
void ending_now(struct checkouts *c, struct checkout *co)
{
	const char *path = co->path;

	co->busy = true;
	ending_set(c, co, 0);
	taken_remember(c, co);
	if (!co->tree && !co->brief) /* an admin took it over */
		measures_held(registry_measures(c->registry), co->since);
	pthread_mutex_unlock(&c->mutex);
	registry_checkin(c->registry, &path, 1);
	pthread_mutex_lock(&c->mutex);
	taken_remove(c, co);
}

/* Ends what stayed for the scratch files of that process and folder. */
static void end_waiting(struct checkouts *c, pid_t pid, const char *folder,
			size_t len)
{
	for (size_t i = 0; i < c->by_path.n_slots; i++) {
		struct hash_node *n = c->by_path.slots[i];

		while (n) {
			struct checkout *co =
				container_of(n, struct checkout, node);

			n = n->next;
			if (co->busy || co->uses || co->scratch != pid ||
			    folder_length(co->path) != len ||
			    memcmp(co->path, folder, len) != 0)
				continue;
			co->scratch = 0;
			if (ending_is_put_off(c, co, pid))
				continue;
			ending_now(c, co); /* lets the mutex go: begin again */
			n = NULL;
			i = (size_t)-1;
			break;
		}
	}
}

void checkouts_scratch(struct checkouts *c, pid_t pid, const char *folder,
		       int change)
{
	size_t len = strlen(folder);
	struct scratch *s;

	LOCK_SCOPE(&c->mutex);
	s = find_scratch(c, pid, folder, len);
	if (!s && change > 0) {
		s = calloc(1, sizeof(*s) + len + 1);
		if (!s ||
		    hash_insert(&c->scratch, &s->node,
				hash_bytes(folder, len) ^ (uint64_t)pid) < 0) {
			free(s);
			return; /* no memory: a checkout ends early */
		}
		s->pid = pid;
		memcpy(s->folder, folder, len + 1);
	}
	if (!s)
		return;
	s->count += (size_t)change;
	if (s->count > 0)
		return;
	hash_remove(&c->scratch, &s->node);
	free(s);
	end_waiting(c, pid, folder, len);
}

/* One whose time has come, or NULL; and when the next one's will. */
static struct checkout *find_expired(struct checkouts *c, uint64_t *ret_next)
{
	uint64_t now = clock_now();

	*ret_next = UINT64_MAX;
	for (size_t i = 0; i < c->by_path.n_slots; i++) {
		for (struct hash_node *n = c->by_path.slots[i]; n;
		     n = n->next) {
			struct checkout *co =
				container_of(n, struct checkout, node);

			if (!co->until || co->busy || co->uses)
				continue;
			if (co->until <= now)
				return co;
			if (co->until < *ret_next)
				*ret_next = co->until;
		}
	}
	return NULL;
}

/* Sleeps for good while nothing stays. */
void *ending_sweep(void *checkouts)
{
	struct checkouts *c = checkouts;

	LOCK_SCOPE(&c->mutex);
	while (!c->closing) {
		struct checkout *co = find_expired(c, &c->next_sweep);

		if (co) {
			ending_now(c, co);
			continue;
		}
		if (c->next_sweep != UINT64_MAX)
			c->next_sweep += SWEEP_MS * NSEC_PER_MSEC;
		wait_on(&c->timed, &c->mutex, c->next_sweep);
	}
	return NULL;
}

static void drop_scratch(struct hash_node *n)
{
	free(container_of(n, struct scratch, node));
}

void ending_clear(struct checkouts *c)
{
	hash_clear(&c->scratch, drop_scratch);
}
