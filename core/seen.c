/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/seen.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "core/cleanup.h"
#include "core/hash.h"

#define SWEEP_EVERY 1024 /* reads and writes, at least */

/* Shared by the entries of all it concerns. */
struct change {
	size_t refs;
	char user[USER_NAME_SIZE];
	char app[PROCESS_NAME_SIZE];
	time_t when;
	struct seen_version after;
};

/* What one process has seen of one file. */
struct entry {
	struct hash_node node; /* in seen.entries, by path and reader */
	TAILQ_ENTRY(entry) of_reader;
	LIST_ENTRY(entry) of_path;
	struct reader *reader;
	struct path *path;
	struct seen_version version;
	time_t when;
	uint64_t turn;	       /* when, among all that was seen */
	bool racy;	       /* a later change might look the same */
	bool stale;	       /* and one did */
	struct change *change; /* the last one by a stranger, or NULL */
};

struct reader {
	struct hash_node node; /* in seen.readers */
	TAILQ_ENTRY(reader) of_all;
	struct family family;
	TAILQ_HEAD(entry_queue, entry) entries; /* oldest first */
	size_t count;
};

/* A file that was read, or is being written. */
struct path {
	struct hash_node node; /* in seen.paths; its hash is the name */
	LIST_HEAD(entry_list, entry) entries;
	LIST_HEAD(write_list, seen_write) writes;
};

struct seen_write {
	LIST_ENTRY(seen_write) of_path;
	struct path *path; /* NULL: it has no name */
	struct family family;
	struct seen_version before;
	uint64_t begin;	  /* a turn */
	uint64_t flushed; /* a turn, or 0 */
	bool touched;	  /* `before` is from the file's time being set */
	bool current;	  /* began on a version its family had seen */
	bool overtaken;	  /* a stranger's write ended meanwhile */
	struct change *change;
	struct seen_change *stale; /* set before others know of it; or NULL */
};

/* All under the mutex, which is a leaf. */
struct seen {
	bool (*exists)(pid_t pid);
	pthread_mutex_t mutex;
	struct hash readers;
	struct hash entries;
	struct hash paths;
	TAILQ_HEAD(reader_queue, reader) all; /* the one longest idle first */
	uint64_t turn;
	uint64_t swept; /* the turn of the last sweep */
};

uint64_t seen_moment(struct seen *s)
{
	LOCK_SCOPE(&s->mutex);
	return ++s->turn;
}

struct seen_version seen_version(const struct stat *st, uint64_t moment)
{
	if (!st || !st->st_nlink)
		return (struct seen_version){ .moment = moment };
	return (struct seen_version){ true, st->st_ino, st->st_size,
				      st->st_mtim, moment };
}

static bool same(const struct seen_version *a, const struct seen_version *b)
{
	if (!a->exists || !b->exists)
		return a->exists == b->exists;
	return a->ino == b->ino && a->size == b->size &&
	       a->mtime.tv_sec == b->mtime.tv_sec &&
	       a->mtime.tv_nsec == b->mtime.tv_nsec;
}

static bool is_of_file(const struct entry *e, const struct seen_version *v)
{
	return e->version.exists && v->exists && e->version.ino == v->ino;
}

static bool is_racy(const struct seen_version *v)
{
	struct timespec now;
	int64_t age;

	clock_gettime(CLOCK_REALTIME, &now);
	age = (int64_t)(now.tv_sec - v->mtime.tv_sec) * (int64_t)NSEC_PER_SEC +
	      (now.tv_nsec - v->mtime.tv_nsec);
	return v->exists && age < (int64_t)SEEN_RACY_NS;
}

/* ---- changes ---- */

static struct change *new_change(const char *user, const char *app)
{
	struct change *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->refs = 1;
	snprintf(c->user, sizeof(c->user), "%s", user);
	snprintf(c->app, sizeof(c->app), "%s", app);
	return c;
}

static void drop_change(struct change *c)
{
	if (c && --c->refs == 0)
		free(c);
}

static void set_change(struct entry *e, struct change *c)
{
	if (c)
		c->refs++;
	drop_change(e->change);
	e->change = c;
}

/* ---- paths ---- */

static struct path *find_path(struct seen *s, uint64_t name)
{
	struct hash_node *n = hash_first(&s->paths, name);

	return n ? container_of(n, struct path, node) : NULL;
}

static struct path *get_path(struct seen *s, uint64_t name)
{
	struct path *p = find_path(s, name);

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

static void put_path(struct seen *s, struct path *p)
{
	if (!LIST_EMPTY(&p->entries) || !LIST_EMPTY(&p->writes))
		return;
	hash_remove(&s->paths, &p->node);
	free(p);
}

/* ---- entries, and who has them ---- */

static void drop_entry(struct seen *s, struct entry *e)
{
	hash_remove(&s->entries, &e->node);
	LIST_REMOVE(e, of_path);
	put_path(s, e->path);
	TAILQ_REMOVE(&e->reader->entries, e, of_reader);
	e->reader->count--;
	drop_change(e->change);
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

/* Forgets the processes that are gone; but not over and over again when none
 * is. */
static void sweep(struct seen *s)
{
	struct reader *r = TAILQ_FIRST(&s->all);

	if (s->swept && s->turn - s->swept < SWEEP_EVERY)
		return;
	s->swept = s->turn;
	while (r) {
		struct reader *next = TAILQ_NEXT(r, of_all);

		if (!s->exists(r->family.line[0].pid))
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

static struct reader *find_reader(struct seen *s, const struct family *f)
{
	struct hash_node *n = hash_first(&s->readers, hash_of_reader(f));

	return n ? container_of(n, struct reader, node) : NULL;
}

static struct reader *add_reader(struct seen *s, const struct family *f)
{
	struct reader *r = calloc(1, sizeof(*r));

	if (s->readers.count >= SEEN_READERS_MAX)
		sweep(s);
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

static struct reader *get_reader(struct seen *s, const struct family *f)
{
	struct reader *r = find_reader(s, f);

	if (!r)
		r = add_reader(s, f);
	if (!r)
		return NULL;
	r->family = *f;
	TAILQ_REMOVE(&s->all, r, of_all);
	TAILQ_INSERT_TAIL(&s->all, r, of_all);
	return r;
}

static struct entry *find_entry(struct seen *s, const struct path *p,
				const struct reader *r)
{
	struct hash_node *n =
		hash_first(&s->entries, p->node.hash ^ r->node.hash);

	return n ? container_of(n, struct entry, node) : NULL;
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
		sweep(s);
	if (s->entries.count >= SEEN_ENTRIES_MAX) {
		if (r->count == 0)
			r = find_largest(s);
		drop_entry(s, TAILQ_FIRST(&r->entries));
	}
}

static struct entry *add_entry(struct seen *s, struct path *p, struct reader *r)
{
	struct entry *e = calloc(1, sizeof(*e));

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

/* It is known to its reader, as of now. */
static void set_seen(struct seen *s, struct entry *e,
		     const struct seen_version *now)
{
	if (now->moment < e->turn)
		return;
	e->version = *now;
	e->when = time(NULL);
	e->turn = now->moment;
	e->racy = is_racy(now);
	e->stale = false;
	set_change(e, NULL);
	TAILQ_REMOVE(&e->reader->entries, e, of_reader);
	TAILQ_INSERT_TAIL(&e->reader->entries, e, of_reader);
}

/* The family of the nth parent. */
static struct family family_from(const struct family *f, unsigned n)
{
	struct family parent = { .uid = f->uid, .n = f->n - n };

	memcpy(parent.line, &f->line[n], parent.n * sizeof(*parent.line));
	return parent;
}

static void read_one(struct seen *s, const struct family *f, uint64_t name,
		     const struct seen_version *now)
{
	struct reader *r = get_reader(s, f);
	struct path *p = find_path(s, name);
	struct entry *e = r && p ? find_entry(s, p, r) : NULL;

	if (r && !e) {
		make_room(s, r); /* may be the end of the path */
		p = get_path(s, name);
		e = p ? add_entry(s, p, r) : NULL;
		if (p && !e)
			put_path(s, p);
	}
	if (e)
		set_seen(s, e, now);
}

void seen_read(struct seen *s, const struct family *f, uint64_t name,
	       const struct seen_version *now)
{
	LOCK_SCOPE(&s->mutex);
	for (unsigned i = 0; i < f->n; i++) {
		struct family reader = family_from(f, i);

		read_one(s, &reader, name, now);
	}
}

/* ---- writing ---- */

static struct entry *find_nearest(struct seen *s, const struct path *p,
				  const struct family *f)
{
	for (unsigned i = 0; i < f->n; i++) {
		struct family one = family_from(f, i);
		struct reader *r = find_reader(s, &one);
		struct entry *e = r ? find_entry(s, p, r) : NULL;

		if (e)
			return e;
	}
	return NULL;
}

static bool is_current(const struct entry *e, const struct seen_version *now)
{
	return !e->stale && same(&e->version, now);
}

/* Whether the family is writing it just now, and so knows why it differs. */
static bool is_writing(const struct path *p, const struct family *f)
{
	struct seen_write *w;

	for (w = LIST_FIRST(&p->writes); w; w = LIST_NEXT(w, of_path))
		if (w->current && !w->overtaken &&
		    family_related(&w->family, f))
			return true;
	return false;
}

static const struct change *find_change(const struct path *p,
					const struct entry *e,
					const struct seen_version *now)
{
	const struct seen_write *w;

	if (e->change && same(&e->change->after, now))
		return e->change;
	for (w = LIST_FIRST(&p->writes); w; w = LIST_NEXT(w, of_path))
		if (!family_related(&w->family, &e->reader->family))
			return w->change;
	return NULL;
}

static void tell(const struct entry *e, const struct change *c,
		 struct seen_change *ret_change)
{
	*ret_change = (struct seen_change){ .read = e->when };
	if (!c)
		return;
	ret_change->is_known = true;
	ret_change->when = c->when ? c->when : time(NULL);
	memcpy(ret_change->user, c->user, sizeof(c->user));
	memcpy(ret_change->app, c->app, sizeof(c->app));
}

int seen_judge(struct seen *s, const struct family *f, uint64_t name,
	       const struct seen_version *now, struct seen_change *ret_change)
{
	struct path *p;
	struct entry *e;

	LOCK_SCOPE(&s->mutex);
	p = find_path(s, name);
	e = p ? find_nearest(s, p, f) : NULL;
	if (!e || is_current(e, now) || is_writing(p, f))
		return 0;
	if (!now->exists) {
		set_seen(s, e, now);
		return 0;
	}
	tell(e, find_change(p, e, now), ret_change);
	return SEEN_STALE;
}

void seen_accept(struct seen *s, const struct family *f, uint64_t name,
		 const struct seen_version *now)
{
	struct path *p;
	struct entry *e;

	LOCK_SCOPE(&s->mutex);
	p = find_path(s, name);
	e = p ? find_nearest(s, p, f) : NULL;
	if (e)
		set_seen(s, e, now);
}

static void place(struct seen *s, struct seen_write *w, struct path *p,
		  const struct seen_version *now)
{
	const struct entry *e = find_nearest(s, p, &w->family);

	w->current = !e || is_current(e, now) || is_writing(p, &w->family);
	w->before = *now;
	w->begin = ++s->turn;
	w->flushed = 0;
	w->touched = w->overtaken = false;
	w->path = p;
	LIST_INSERT_HEAD(&p->writes, w, of_path);
}

static void unplace(struct seen *s, struct seen_write *w)
{
	if (!w->path)
		return;
	LIST_REMOVE(w, of_path);
	put_path(s, w->path);
	w->path = NULL;
}

struct seen_write *seen_begin(struct seen *s, const struct family *f,
			      uint64_t name, const struct seen_version *now,
			      const char *user, const char *app)
{
	struct seen_write *w = calloc(1, sizeof(*w));
	struct change *c = new_change(user, app);
	struct path *p;

	LOCK_SCOPE(&s->mutex);
	p = w && c ? get_path(s, name) : NULL;
	if (!p) {
		free(w);
		free(c);
		return NULL;
	}
	w->family = *f;
	w->change = c;
	place(s, w, p, now);
	return w;
}

void seen_set_stale(struct seen_write *w, const struct seen_change *change)
{
	if (!w)
		return;
	w->stale = malloc(sizeof(*w->stale));
	if (w->stale)
		*w->stale = *change;
}

const struct seen_change *seen_stale(const struct seen_write *w)
{
	return w ? w->stale : NULL;
}

void seen_flushed(struct seen *s, struct seen_write *w, bool flushed)
{
	if (!w)
		return;
	LOCK_SCOPE(&s->mutex);
	w->flushed = flushed ? ++s->turn : 0;
}

/* What it began on does not matter: who wrote the name has read since. */
void seen_moved(struct seen *s, struct seen_write *w, uint64_t name)
{
	const struct seen_version none = {};
	struct path *p;

	if (!w)
		return;
	LOCK_SCOPE(&s->mutex);
	unplace(s, w);
	p = name ? get_path(s, name) : NULL;
	if (p)
		place(s, w, p, &none);
}

/* A relative's write has ended. Who has seen something since it began has seen
 * it under way, or a file that has taken its place. */
static void follow(struct seen *s, struct entry *e, const struct seen_write *w,
		   const struct seen_version *now)
{
	bool knows =
		e->turn >= w->begin
			? is_of_file(e, now)
			: same(&e->version, &w->before) ||
				  (w->current &&
				   e == find_nearest(s, w->path, &w->family));

	if (knows && !w->overtaken && !e->stale)
		set_seen(s, e, now);
}

/* A stranger's write has ended. What he wrote after the reading, the file's
 * time may not tell; what he wrote before was read. */
static void doubt(struct entry *e, const struct seen_write *w,
		  const struct seen_version *now, bool mapped)
{
	bool read_whole = w->flushed && e->turn > w->flushed;

	set_change(e, w->change);
	if (mapped ? e->turn >= w->begin && is_of_file(e, now)
		   : e->racy && same(&e->version, now) && !read_whole)
		e->stale = true;
}

static void tell_all(struct seen *s, struct seen_write *w,
		     const struct seen_version *now, bool mapped)
{
	struct seen_write *other;
	struct entry *e;

	w->change->when = time(NULL);
	w->change->after = *now;
	for (e = LIST_FIRST(&w->path->entries); e; e = LIST_NEXT(e, of_path)) {
		if (family_related(&w->family, &e->reader->family))
			follow(s, e, w, now);
		else
			doubt(e, w, now, mapped);
	}
	for (other = LIST_FIRST(&w->path->writes); other;
	     other = LIST_NEXT(other, of_path))
		if (!family_related(&w->family, &other->family) &&
		    (!other->before.exists || other->before.ino == now->ino))
			other->overtaken = true;
}

void seen_end(struct seen *s, struct seen_write *w,
	      const struct seen_version *now, bool mapped)
{
	if (!w)
		return;
	LOCK_SCOPE(&s->mutex);
	if (w->path && now && !(w->touched && same(&w->before, now)))
		tell_all(s, w, now, mapped);
	unplace(s, w);
	drop_change(w->change);
	free(w->stale);
	free(w);
}

void seen_touched(struct seen *s, uint64_t name,
		  const struct seen_version *before,
		  const struct seen_version *after)
{
	struct seen_write *w;
	struct entry *e;
	struct path *p;

	LOCK_SCOPE(&s->mutex);
	p = find_path(s, name);
	if (!p)
		return;
	for (e = LIST_FIRST(&p->entries); e; e = LIST_NEXT(e, of_path)) {
		if (e->change && same(&e->change->after, before))
			e->change->after = *after;
		if (!same(&e->version, before))
			continue;
		e->version = *after;
		e->racy = is_racy(after);
	}
	for (w = LIST_FIRST(&p->writes); w; w = LIST_NEXT(w, of_path)) {
		if (!same(&w->before, before))
			continue;
		w->before = *after;
		w->touched = true;
	}
}

/* ---- all of it ---- */

int seen_open(struct seen **ret_seen, bool (*exists)(pid_t pid))
{
	struct seen *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->exists = exists;
	pthread_mutex_init(&s->mutex, NULL);
	TAILQ_INIT(&s->all);
	*ret_seen = s;
	return 0;
}

/* Of a write that was never ended. */
static void drop_path(struct hash_node *n)
{
	struct path *p = container_of(n, struct path, node);

	while (!LIST_EMPTY(&p->writes)) {
		struct seen_write *w = LIST_FIRST(&p->writes);

		LIST_REMOVE(w, of_path);
		drop_change(w->change);
		free(w->stale);
		free(w);
	}
	free(p);
}

void seen_free(struct seen *s)
{
	if (!s)
		return;
	while (!TAILQ_EMPTY(&s->all))
		drop_reader(s, TAILQ_FIRST(&s->all));
	hash_clear(&s->readers, NULL);
	hash_clear(&s->entries, NULL);
	hash_clear(&s->paths, drop_path);
	pthread_mutex_destroy(&s->mutex);
	free(s);
}
