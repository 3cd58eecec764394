/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/sights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SWEEP_EVERY 1024 /* reads and writes, at least */

/* ---- changes ---- */

struct change *sights_new_change(const char *user, const char *app)
{
	struct change *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->refs = 1;
	snprintf(c->user, sizeof(c->user), "%s", user);
	snprintf(c->app, sizeof(c->app), "%s", app);
	return c;
}

void sights_drop_change(struct change *c)
{
	if (c && --c->refs == 0)
		free(c);
}

void sights_set_change(struct sight *e, struct change *c)
{
	if (c)
		c->refs++;
	sights_drop_change(e->change);
	e->change = c;
}

/* ---- paths ---- */

struct path *sights_find_path(struct seen *s, uint64_t name)
{
	struct hash_node *n = hash_first(&s->paths, name);

	return n ? container_of(n, struct path, node) : NULL;
}

struct path *sights_get_path(struct seen *s, uint64_t name)
{
	struct path *p = sights_find_path(s, name);

	if (p)
		return p;
	p = calloc(1, sizeof(*p));
	if (!p || hash_insert(&s->paths, &p->node, name) < 0) {
		free(p);
		return NULL;
	}
	LIST_INIT(&p->entries);
	LIST_INIT(&p->writes);
	return p;
}

void sights_put_path(struct seen *s, struct path *p)
{
	if (!LIST_EMPTY(&p->entries) || !LIST_EMPTY(&p->writes))
		return;
	hash_remove(&s->paths, &p->node);
	free(p);
}

/* ---- entries, and who has them ---- */

static void drop_entry(struct seen *s, struct sight *e)
{
	hash_remove(&s->entries, &e->node);
	LIST_REMOVE(e, of_path);
	sights_put_path(s, e->path);
	TAILQ_REMOVE(&e->reader->entries, e, of_reader);
	e->reader->count--;
	sights_drop_change(e->change);
	free(e);
}

static void drop_reader(struct seen *s, struct reader *r)
{
	while (!TAILQ_EMPTY(&r->entries))
		drop_entry(s, TAILQ_FIRST(&r->entries));
	TAILQ_REMOVE(&s->all, r, of_all);
	hash_remove(&s->readers, &r->node);
	free(r);
}

/* Forgets the processes that are gone, but for the one in hand; and not over
 * and over again when none is. */
static void sweep(struct seen *s, const struct reader *keep)
{
	struct reader *r = TAILQ_FIRST(&s->all);

	if (s->swept && s->turn - s->swept < SWEEP_EVERY)
		return;
	s->swept = s->turn;
	while (r) {
		struct reader *next = TAILQ_NEXT(r, of_all);

		if (r != keep && !s->exists(r->family.line[0].pid))
			drop_reader(s, r);
		r = next;
	}
}

static uint64_t hash_of_reader(const struct family *f)
{
	const uint64_t id[] = { (uint64_t)f->line[0].pid, f->line[0].start,
				f->uid };

	return hash_bytes(id, sizeof(id));
}

struct reader *sights_find_reader(struct seen *s, const struct family *f)
{
	struct hash_node *n = hash_first(&s->readers, hash_of_reader(f));

	return n ? container_of(n, struct reader, node) : NULL;
}

static struct reader *add_reader(struct seen *s, const struct family *f)
{
	struct reader *r = calloc(1, sizeof(*r));

	if (s->readers.count >= SEEN_READERS_MAX)
		sweep(s, NULL);
	if (s->readers.count >= SEEN_READERS_MAX)
		drop_reader(s, TAILQ_FIRST(&s->all));
	if (!r || hash_insert(&s->readers, &r->node, hash_of_reader(f)) < 0) {
		free(r);
		return NULL;
	}
	TAILQ_INIT(&r->entries);
	TAILQ_INSERT_TAIL(&s->all, r, of_all);
	return r;
}

struct reader *sights_get_reader(struct seen *s, const struct family *f)
{
	struct reader *r = sights_find_reader(s, f);

	if (!r)
		r = add_reader(s, f);
	if (!r)
		return NULL;
	r->family = *f;
	TAILQ_REMOVE(&s->all, r, of_all);
	TAILQ_INSERT_TAIL(&s->all, r, of_all);
	return r;
}

struct sight *sights_find(struct seen *s, const struct path *p,
			  const struct reader *r)
{
	struct hash_node *n =
		hash_first(&s->entries, p->node.hash ^ r->node.hash);

	return n ? container_of(n, struct sight, node) : NULL;
}

static struct reader *find_largest(struct seen *s)
{
	struct reader *r, *largest = TAILQ_FIRST(&s->all);

	for (r = TAILQ_FIRST(&s->all); r; r = TAILQ_NEXT(r, of_all))
		if (r->count > largest->count)
			largest = r;
	return largest;
}

/* Whoever reads much forgets much, and pushes nobody else out. */
static void make_room(struct seen *s, struct reader *r)
{
	if (r->count >= SEEN_PATHS_MAX)
		drop_entry(s, TAILQ_FIRST(&r->entries));
	if (s->entries.count >= SEEN_ENTRIES_MAX)
		sweep(s, r);
	if (s->entries.count >= SEEN_ENTRIES_MAX) {
		if (r->count == 0)
			r = find_largest(s);
		drop_entry(s, TAILQ_FIRST(&r->entries));
	}
}

static struct sight *add_entry(struct seen *s, struct path *p, struct reader *r)
{
	struct sight *e = calloc(1, sizeof(*e));

	if (!e || hash_insert(&s->entries, &e->node,
			      p->node.hash ^ r->node.hash) < 0) {
		free(e);
		return NULL;
	}
	e->path = p;
	e->reader = r;
	LIST_INSERT_HEAD(&p->entries, e, of_path);
	TAILQ_INSERT_TAIL(&r->entries, e, of_reader);
	r->count++;
	return e;
}

struct sight *sights_get(struct seen *s, uint64_t name, struct reader *r)
{
	struct path *p = sights_find_path(s, name);
	struct sight *e = p ? sights_find(s, p, r) : NULL;

	if (e)
		return e;
	make_room(s, r); /* may be the end of the path */
	p = sights_get_path(s, name);
	e = p ? add_entry(s, p, r) : NULL;
	if (p && !e)
		sights_put_path(s, p);
	return e;
}

/* Of a write that was never ended. */
static void drop_path(struct hash_node *n)
{
	struct path *p = container_of(n, struct path, node);

	while (!LIST_EMPTY(&p->writes)) {
		struct seen_write *w = LIST_FIRST(&p->writes);

		LIST_REMOVE(w, of_path);
		sights_drop_change(w->change);
		free(w->stale);
		free(w);
	}
	free(p);
}

void sights_clear(struct seen *s)
{
	while (!TAILQ_EMPTY(&s->all))
		drop_reader(s, TAILQ_FIRST(&s->all));
	hash_clear(&s->readers, NULL);
	hash_clear(&s->entries, NULL);
	hash_clear(&s->paths, drop_path);
}
