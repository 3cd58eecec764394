/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/taken.h"

#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/path.h"
#include "core/wait.h"

#define RECENT_MS 2000
#define WAKE_MS 20 /* to see an interruption */

static void free_checkout(struct checkout *co)
{
	record_release(&co->record);
	free(co->path);
	free(co->version);
	free(co);
}

struct checkout *taken_find(struct checkouts *c, const char *path)
{
	for (struct hash_node *n = hash_first(&c->by_path, hash_string(path));
	     n; n = hash_next(n)) {
		struct checkout *co = container_of(n, struct checkout, node);

		if (!strcmp(co->path, path))
			return co;
	}
	return NULL;
}

void taken_add_file(struct checkouts *c, struct checkout *co)
{
	if (co->file_link)
		return;
	co->next_file = c->files;
	co->file_link = &c->files;
	if (co->next_file)
		co->next_file->file_link = &co->next_file;
	c->files = co;
}

void taken_remove_file(struct checkout *co)
{
	if (!co->file_link)
		return;
	*co->file_link = co->next_file;
	if (co->next_file)
		co->next_file->file_link = co->file_link;
	co->file_link = NULL;
}

struct checkout *taken_add(struct checkouts *c,
			   const struct checkout_claim *claim,
			   const struct record *want)
{
	struct checkout *co = calloc(1, sizeof(*co));

	if (!co || !(co->path = strdup(claim->path)) ||
	    record_copy(&co->record, want) < 0 ||
	    hash_insert(&c->by_path, &co->node, hash_string(co->path)) < 0) {
		if (co)
			free_checkout(co);
		return NULL;
	}
	co->tree = claim->tree;
	c->n_trees += co->tree;
	co->busy = true;
	co->since = clock_now();
	co->uses = 1;
	taken_add_file(c, co);
	return co;
}

void taken_remove(struct checkouts *c, struct checkout *co)
{
	hash_remove(&c->by_path, &co->node);
	taken_remove_file(co);
	c->n_trees -= co->tree;
	pthread_cond_broadcast(&c->changed);
	free_checkout(co);
}

static void unlink_fenced(struct checkouts *c, struct checkout *co)
{
	if (co->next)
		co->next->previous = co->previous;
	if (co->previous)
		co->previous->next = co->next;
	else
		c->fenced = co->next;
}

void taken_fence(struct checkouts *c, struct checkout *co)
{
	hash_remove(&c->by_path, &co->node);
	taken_remove_file(co);
	c->n_trees -= co->tree;
	co->fenced = true;
	co->next = c->fenced;
	co->previous = NULL;
	if (co->next)
		co->next->previous = co;
	c->fenced = co;
	pthread_cond_broadcast(&c->changed);
}

void taken_unfence(struct checkouts *c, struct checkout *co)
{
	co->fenced = false;
	unlink_fenced(c, co);
	taken_add_file(c, co);
	c->n_trees += co->tree;
	hash_insert(&c->by_path, &co->node,
		    hash_string(co->path)); /* had room */
	pthread_cond_broadcast(&c->changed);
}

void taken_free_fenced(struct checkouts *c, struct checkout *co)
{
	unlink_fenced(c, co);
	free_checkout(co);
}

void taken_rename(struct checkouts *c, struct checkout *co, char *path)
{
	hash_remove(&c->by_path, &co->node);
	free(co->path);
	co->path = path;
	hash_insert(&c->by_path, &co->node, hash_string(path)); /* has room */
}

static void drop(struct hash_node *n)
{
	free_checkout(container_of(n, struct checkout, node));
}

void taken_clear(struct checkouts *c)
{
	c->files = NULL;
	hash_clear(&c->by_path, drop);
	while (c->fenced)
		taken_free_fenced(c, c->fenced);
}

void taken_remember(struct checkouts *c, const struct checkout *co)
{
	struct recent *r = &c->recent[c->next_recent++ % TAKEN_RECENT];

	r->until = clock_now() + RECENT_MS * NSEC_PER_MSEC;
	r->path = hash_string(co->path);
	r->user = hash_string(co->record.user);
}

bool taken_was_recently(struct checkouts *c, const char *path,
			const struct record *want)
{
	uint64_t now = clock_now(), hash = hash_string(path);

	for (int i = 0; i < TAKEN_RECENT; i++)
		if (c->recent[i].until > now && c->recent[i].path == hash &&
		    c->recent[i].user == hash_string(want->user))
			return true;
	return false;
}

/* Through one mount the host is always the same. */
bool checkout_is_owned_by(const struct checkout *co, const struct record *want)
{
	return record_same_person(&co->record, want);
}

struct checkout *taken_find_above(struct checkouts *c, const char *path)
{
	_cleanup_free_ char *copy = c->n_trees ? strdup(path) : NULL;
	char *slash;

	while (copy && (slash = strrchr(copy, '/'))) {
		struct checkout *co;

		*slash = '\0';
		co = taken_find(c, copy);
		if (co && co->tree)
			return co;
	}
	return NULL;
}

struct checkout *taken_find_below(struct checkouts *c, const char *folder,
				  const struct record *want)
{
	for (size_t i = 0; i < c->by_path.n_slots; i++) {
		for (struct hash_node *n = c->by_path.slots[i]; n;
		     n = n->next) {
			struct checkout *co =
				container_of(n, struct checkout, node);

			if (path_is_in(co->path, folder) &&
			    (co->busy || !checkout_is_owned_by(co, want)))
				return co;
		}
	}
	return NULL;
}

struct checkout *taken_find_owned_below(struct checkouts *c, const char *folder,
					const struct record *owner)
{
	for (size_t i = 0; i < c->by_path.n_slots; i++) {
		for (struct hash_node *n = c->by_path.slots[i]; n;
		     n = n->next) {
			struct checkout *co =
				container_of(n, struct checkout, node);

			if (path_is_in(co->path, folder) && !co->busy &&
			    checkout_is_owned_by(co, owner))
				return co;
		}
	}
	return NULL;
}

int taken_await_change(struct checkouts *c, const struct wait *w)
{
	wait_on(&c->changed, &c->mutex, clock_now() + WAKE_MS * NSEC_PER_MSEC);
	return wait_check(w);
}
