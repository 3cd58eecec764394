/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An intrusive hash table: the node is a member of what it finds.
 *
 *	for (n = hash_first(&t, h); n; n = hash_next(n)) {
 *		struct thing *t = container_of(n, struct thing, node);
 *		if (the thing is the one)
 *			return t;
 *	}
 *
 * It grows by itself, and never owns a node. Not thread-safe.
 */
#ifndef CORE_HASH_H
#define CORE_HASH_H

#include <stddef.h>
#include <stdint.h>

struct hash_node {
	struct hash_node *next;
	uint64_t hash;
};

struct hash {
	struct hash_node **slots;
	size_t n_slots; /* 0 or a power of two */
	size_t count;
};

#define container_of(p, type, member) \
	((type *)((char *)(p)-offsetof(type, member)))

/* Hashes mixed with a seed drawn at start, so that names chosen by a user
 * can't be made to fall into one slot. */
uint64_t hash_bytes(const void *data, size_t len);
uint64_t hash_string(const char *s);
uint64_t hash_number(uint64_t n);

int hash_insert(struct hash *t, struct hash_node *n, uint64_t hash);
void hash_remove(struct hash *t, struct hash_node *n);

/* The nodes with one hash value, in no order. */
struct hash_node *hash_first(const struct hash *t, uint64_t hash);
struct hash_node *hash_next(const struct hash_node *n);

/* Empties the table; drop() may free the node it is handed. */
void hash_clear(struct hash *t, void (*drop)(struct hash_node *n));

#endif
