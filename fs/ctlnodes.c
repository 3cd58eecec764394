/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/ctlnodes.h"

#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"

struct node {
	struct hash_node by_id;
	struct hash_node by_path;
	uint64_t id;
	uint64_t nlookup;
	char path[];
};

void ctlnodes_init(struct ctlnodes *t, uint64_t first_id)
{
	*t = (struct ctlnodes){ .last_id = first_id };
	pthread_mutex_init(&t->mutex, NULL);
}

static void drop_node(struct hash_node *n)
{
	free(container_of(n, struct node, by_id));
}

void ctlnodes_release(struct ctlnodes *t)
{
	free(t->by_path.slots);
	hash_clear(&t->by_id, drop_node);
	pthread_mutex_destroy(&t->mutex);
}

static struct node *find_id(struct ctlnodes *t, uint64_t id)
{
	for (struct hash_node *n = hash_first(&t->by_id, hash_number(id)); n;
	     n = hash_next(n)) {
		struct node *node = container_of(n, struct node, by_id);

		if (node->id == id)
			return node;
	}
	return NULL;
}

static struct node *find_path(struct ctlnodes *t, const char *path)
{
	for (struct hash_node *n = hash_first(&t->by_path, hash_string(path));
	     n; n = hash_next(n)) {
		struct node *node = container_of(n, struct node, by_path);

		if (!strcmp(node->path, path))
			return node;
	}
	return NULL;
}

static struct node *new_node(struct ctlnodes *t, const char *path)
{
	size_t size = strlen(path) + 1;
	struct node *node = calloc(1, sizeof(*node) + size);

	if (!node)
		return NULL;
	memcpy(node->path, path, size);
	node->id = ++t->last_id;
	if (hash_insert(&t->by_id, &node->by_id, hash_number(node->id)) < 0) {
		free(node);
		return NULL;
	}
	if (hash_insert(&t->by_path, &node->by_path, hash_string(path)) < 0) {
		hash_remove(&t->by_id, &node->by_id);
		free(node);
		return NULL;
	}
	return node;
}

uint64_t ctlnodes_get(struct ctlnodes *t, const char *path)
{
	struct node *node;

	LOCK_SCOPE(&t->mutex);
	node = find_path(t, path);
	if (!node)
		node = new_node(t, path);
	if (!node)
		return 0;
	node->nlookup++;
	return node->id;
}

void ctlnodes_forget(struct ctlnodes *t, uint64_t id, uint64_t n)
{
	struct node *node;

	LOCK_SCOPE(&t->mutex);
	node = find_id(t, id);
	if (!node)
		return;
	node->nlookup -= n < node->nlookup ? n : node->nlookup;
	if (node->nlookup)
		return;
	hash_remove(&t->by_id, &node->by_id);
	hash_remove(&t->by_path, &node->by_path);
	free(node);
}

char *ctlnodes_path(struct ctlnodes *t, uint64_t id)
{
	struct node *node;

	LOCK_SCOPE(&t->mutex);
	node = find_id(t, id);
	return node ? strdup(node->path) : NULL;
}
