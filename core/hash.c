/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/hash.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define FIRST_SLOTS 16

static uint64_t seed;
static pthread_once_t seed_once = PTHREAD_ONCE_INIT;

static void draw_seed(void)
{
	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) < 0)
		seed = (uint64_t)(uintptr_t)&seed; /* early boot: ASLR's */
}

/* The finalizer of MurmurHash3. */
static uint64_t mix(uint64_t h)
{
	h = (h ^ h >> 33) * 0xff51afd7ed558ccd;
	h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53;
	return h ^ h >> 33;
}

uint64_t hash_bytes(const void *data, size_t len)
{
	const unsigned char *p = data;
	uint64_t h;

	pthread_once(&seed_once, draw_seed);
	h = seed ^ len;
	for (; len >= 8; len -= 8, p += 8) {
		uint64_t word;

		memcpy(&word, p, 8);
		h = mix(h ^ word);
	}
	while (len--)
		h = (h ^ *p++) * 0x100000001b3;
	return mix(h);
}

uint64_t hash_string(const char *s)
{
	return hash_bytes(s, strlen(s));
}

uint64_t hash_number(uint64_t n)
{
	return hash_bytes(&n, sizeof(n));
}

static struct hash_node **slot_of(const struct hash *t, uint64_t hash)
{
	return &t->slots[hash & (t->n_slots - 1)];
}

static int grow(struct hash *t)
{
	struct hash bigger = {
		.n_slots = t->n_slots ? t->n_slots * 2 : FIRST_SLOTS,
		.count = t->count,
	};

	bigger.slots = calloc(bigger.n_slots, sizeof(*bigger.slots));
	if (!bigger.slots)
		return -ENOMEM;
	for (size_t i = 0; i < t->n_slots; i++) {
		while (t->slots[i]) {
			struct hash_node *n = t->slots[i];
			struct hash_node **slot = slot_of(&bigger, n->hash);

			t->slots[i] = n->next;
			n->next = *slot;
			*slot = n;
		}
	}
	free(t->slots);
	*t = bigger;
	return 0;
}

int hash_insert(struct hash *t, struct hash_node *n, uint64_t hash)
{
	struct hash_node **slot;

	/* A full table that can't grow still works, only slower. */
	if (t->count >= t->n_slots && grow(t) < 0 && !t->n_slots)
		return -ENOMEM;
	slot = slot_of(t, hash);
	n->hash = hash;
	n->next = *slot;
	*slot = n;
	t->count++;
	return 0;
}

void hash_remove(struct hash *t, struct hash_node *n)
{
	struct hash_node **p = slot_of(t, n->hash);

	while (*p != n)
		p = &(*p)->next;
	*p = n->next;
	n->next = NULL;
	t->count--;
}

static struct hash_node *with_hash(struct hash_node *n, uint64_t hash)
{
	while (n && n->hash != hash)
		n = n->next;
	return n;
}

struct hash_node *hash_first(const struct hash *t, uint64_t hash)
{
	return t->n_slots ? with_hash(*slot_of(t, hash), hash) : NULL;
}

struct hash_node *hash_next(const struct hash_node *n)
{
	return with_hash(n->next, n->hash);
}

void hash_clear(struct hash *t, void (*drop)(struct hash_node *n))
{
	for (size_t i = 0; i < t->n_slots; i++) {
		while (t->slots[i]) {
			struct hash_node *n = t->slots[i];

			t->slots[i] = n->next;
			drop(n);
		}
	}
	free(t->slots);
	*t = (struct hash){};
}
