/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/seen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/sights.h"

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

static bool is_of_file(const struct sight *e, const struct seen_version *v)
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

/* It is known to its reader, as of now. */
static void set_seen(struct seen *s, struct sight *e,
		     const struct seen_version *now)
{
	if (now->moment < e->turn)
		return;
	e->version = *now;
	e->when = time(NULL);
	e->turn = now->moment;
	e->racy = is_racy(now);
	e->stale = false;
	sights_set_change(e, NULL);
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
	struct reader *r = sights_get_reader(s, f);
	struct sight *e = r ? sights_get(s, name, r) : NULL;

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

static struct sight *find_nearest(struct seen *s, const struct path *p,
				  const struct family *f)
{
	for (unsigned i = 0; i < f->n; i++) {
		struct family one = family_from(f, i);
		struct reader *r = sights_find_reader(s, &one);
		struct sight *e = r ? sights_find(s, p, r) : NULL;

		if (e)
			return e;
	}
	return NULL;
}

static bool is_current(const struct sight *e, const struct seen_version *now)
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
					const struct sight *e,
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

static void tell(const struct sight *e, const struct change *c,
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
	struct sight *e;

	LOCK_SCOPE(&s->mutex);
	p = sights_find_path(s, name);
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
	struct sight *e;

	LOCK_SCOPE(&s->mutex);
	p = sights_find_path(s, name);
	e = p ? find_nearest(s, p, f) : NULL;
	if (e)
		set_seen(s, e, now);
}

static void place(struct seen *s, struct seen_write *w, struct path *p,
		  const struct seen_version *now)
{
	const struct sight *e = find_nearest(s, p, &w->family);

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
	sights_put_path(s, w->path);
	w->path = NULL;
}

struct seen_write *seen_begin(struct seen *s, const struct family *f,
			      uint64_t name, const struct seen_version *now,
			      const char *user, const char *app)
{
	struct seen_write *w = calloc(1, sizeof(*w));
	struct change *c = sights_new_change(user, app);
	struct path *p;

	LOCK_SCOPE(&s->mutex);
	p = w && c ? sights_get_path(s, name) : NULL;
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
	p = name ? sights_get_path(s, name) : NULL;
	if (p)
		place(s, w, p, &none);
}

/* A relative's write has ended. Who has seen something since it began has seen
 * it under way, or a file that has taken its place. */
static void follow(struct seen *s, struct sight *e, const struct seen_write *w,
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
static void doubt(struct sight *e, const struct seen_write *w,
		  const struct seen_version *now, bool mapped)
{
	bool read_whole = w->flushed && e->turn > w->flushed;

	sights_set_change(e, w->change);
	if (mapped ? e->turn >= w->begin && is_of_file(e, now)
		   : e->racy && same(&e->version, now) && !read_whole)
		e->stale = true;
}

static void tell_all(struct seen *s, struct seen_write *w,
		     const struct seen_version *now, bool mapped)
{
	struct seen_write *other;
	struct sight *e;

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
	sights_drop_change(w->change);
	free(w->stale);
	free(w);
}

void seen_touched(struct seen *s, uint64_t name,
		  const struct seen_version *before,
		  const struct seen_version *after)
{
	struct seen_write *w;
	struct sight *e;
	struct path *p;

	LOCK_SCOPE(&s->mutex);
	p = sights_find_path(s, name);
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

void seen_free(struct seen *s)
{
	if (!s)
		return;
	sights_clear(s);
	pthread_mutex_destroy(&s->mutex);
	free(s);
}
