/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/registry.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/cleanup.h"
#include "core/filelock.h"
#include "core/hash.h"
#include "core/lease.h"
#include "core/snapshot.h"
#include "core/store.h"
#include "core/timestamp.h"

#define LEASES_DIR "leases"
#define CHECKIN_WAIT_MS 20  /* then the keeper goes on */
#define CLOSE_WAIT_MS 5000  /* for the last checkins */
#define KEEPER_WAIT_MS 1000 /* one try of the keeper */
#define WATCH_EVERY_MS 500  /* while something is held: was it wiped? */
#define FOLLOWER_WAKE_MS 20 /* to see an interruption */
#define LEADER_ROUNDS 8	    /* for others, before going one's own way */

/* One thing to do in a critical section. It lives on its caller's stack while
 * the caller waits; a checkin lives on the heap, and nobody waits for it. */
struct request {
	struct request *next; /* in registry.queue, or in a batch */
	int (*apply)(struct registry *r, struct request *q);
	const char *path;
	const char *to;
	const struct record *want;
	struct record *ret_record;

	bool on_heap;
	bool taken;  /* under registry.mutex: in a batch, can't be withdrawn */
	bool done;   /* under registry.mutex */
	bool edited; /* apply changed the store */
	bool added;  /* apply put something into held */
	struct held *replaced; /* what apply took out of held */
	struct record found;   /* for ret_record, once all went well */
	int result;
};

/* An open checkout of ours, as it must stand in the registry. */
struct held {
	struct hash_node node;
	struct held *next; /* in request.replaced */
	bool lost;	   /* another's record stands there; reported */
	char *text;
	char path[];
};

struct event_note {
	struct event_note *next;
	int type;
	char *path;
	struct record record;
	bool has_record;
};

/*
 * Who may touch what: `busy` is a baton. Whoever sets it, under the mutex,
 * takes the file lock with no mutex held, and until he clears it he alone uses
 * the members marked so. Lock order: baton, file lock, then the mutexes, which
 * are all leaves.
 */
struct registry {
	struct registry_options options;
	int leases_dir;
	struct snapshot_cache snapshots;

	pthread_mutex_t mutex;
	pthread_cond_t changed; /* busy was cleared, requests are done */
	pthread_cond_t wanted;	/* there is something for the keeper */
	struct request *queue;	/* under mutex, oldest first */
	bool busy;		/* under mutex */
	bool closing;		/* under mutex */
	bool keeper_idle;	/* under mutex: it sleeps until wanted */
	size_t n_held;		/* under mutex: a copy of held.count */
	pthread_t keeper;

	struct filelock filelock;  /* of the baton's holder */
	struct lease lease;	   /* of the baton's holder; id: read-only */
	struct store store;	   /* of the baton's holder; see there */
	struct hash held;	   /* of the baton's holder */
	bool owes;		   /* of the baton's holder: held may be more
				      than what locks.json says */
	struct event_note *events; /* of the baton's holder */
};

/* ---- events: noted under the file lock, told after it ---- */

static void note_event(struct registry *r, int type, const char *path,
		       const struct record *record)
{
	struct event_note *note = calloc(1, sizeof(*note));
	struct event_note **last = &r->events;

	if (!note)
		return;
	note->type = type;
	note->path = strdup(path);
	note->has_record = record && record_copy(&note->record, record) == 0;
	while (*last)
		last = &(*last)->next;
	*last = note;
}

static void free_event(struct event_note *note)
{
	free(note->path);
	record_release(&note->record);
	free(note);
}

static void tell_events(struct registry *r, struct event_note *notes)
{
	while (notes) {
		struct event_note *note = notes;
		struct registry_event event = {
			.type = note->type,
			.path = note->path,
			.record = note->has_record ? &note->record : NULL,
		};

		notes = note->next;
		if (r->options.on_event && note->path)
			r->options.on_event(r->options.on_event_arg, &event);
		free_event(note);
	}
}

/* What was not written did not happen. */
static void drop_events(struct registry *r, int type)
{
	struct event_note **p = &r->events;

	while (*p) {
		struct event_note *note = *p;

		if (note->type != type) {
			p = &note->next;
			continue;
		}
		*p = note->next;
		free_event(note);
	}
}

static void tell_stuck(struct registry *r, int error)
{
	struct registry_event event = { .type = REGISTRY_STUCK,
					.path = "",
					.error = error };

	if (r->options.on_event)
		r->options.on_event(r->options.on_event_arg, &event);
}

/* ---- what we hold ---- */

static struct held *held_find(struct registry *r, const char *path)
{
	for (struct hash_node *n = hash_first(&r->held, hash_string(path)); n;
	     n = hash_next(n)) {
		struct held *h = container_of(n, struct held, node);

		if (!strcmp(h->path, path))
			return h;
	}
	return NULL;
}

static void held_free(struct hash_node *n)
{
	struct held *h = container_of(n, struct held, node);

	free(h->text);
	free(h);
}

static void held_remove(struct registry *r, const char *path)
{
	struct held *h = held_find(r, path);

	if (!h)
		return;
	hash_remove(&r->held, &h->node);
	held_free(&h->node);
}

/* Takes it out, but keeps it until the request is known to have succeeded. */
static void held_replace(struct registry *r, struct request *q,
			 const char *path)
{
	struct held *h = held_find(r, path);

	if (!h)
		return;
	hash_remove(&r->held, &h->node);
	h->next = q->replaced;
	q->replaced = h;
}

static void free_replaced(struct request *q)
{
	while (q->replaced) {
		struct held *h = q->replaced;

		q->replaced = h->next;
		held_free(&h->node);
	}
}

static int held_add(struct registry *r, const char *path, const char *text,
		    size_t len)
{
	size_t size = strlen(path) + 1;
	struct held *h = calloc(1, sizeof(*h) + size);

	if (!h || !(h->text = strndup(text, len)) ||
	    hash_insert(&r->held, &h->node, hash_string(path)) < 0) {
		if (h)
			held_free(&h->node);
		return -ENOMEM;
	}
	memcpy(h->path, path, size);
	return 0;
}

static bool is_ours(struct registry *r, const struct record *rec)
{
	return record_is_open(rec) && !strcmp(rec->lease, r->lease.id);
}

bool registry_is_stale(struct registry *r, const struct record *rec)
{
	return record_is_open(rec) && !is_ours(r, rec) &&
	       lease_probe(r->leases_dir, rec->lease) == LEASE_STALE;
}

/* The record at a path. Returns 1, 0 if there is none, or -ENOMEM. */
static int find_record(struct registry *r, const char *path,
		       struct record *ret_record)
{
	size_t len;
	const char *text = store_find(&r->store, path, &len);
	int err = text ? record_parse(ret_record, text, len) : -EINVAL;

	return err == 0 ? 1 : err == -EINVAL ? 0 : err;
}

/* A record of ours that another program's rewrite lost, with the file still
 * open, goes back in. If another's stands there now, two people hold the file,
 * and all we can do is say so. */
static bool reassert(struct registry *r, struct held *h)
{
	_cleanup_record_ struct record ours = {}, now = {};
	int found = find_record(r, h->path, &now);

	if (found < 0 || (found > 0 && is_ours(r, &now)))
		return false;
	if (record_parse(&ours, h->text, strlen(h->text)) < 0)
		return false;
	if (found > 0) {
		if (!h->lost && strcmp(now.user, ours.user) != 0)
			note_event(r, REGISTRY_LOST, h->path, &now);
		h->lost = true;
		return false;
	}
	h->lost = false;
	if (store_put(&r->store, h->path, h->text, strlen(h->text)) < 0)
		return false;
	note_event(r, REGISTRY_REASSERTED, h->path, &ours);
	return true;
}

static bool reassert_all(struct registry *r)
{
	bool edited = false;

	for (size_t i = 0; i < r->held.n_slots; i++)
		for (struct hash_node *n = r->held.slots[i]; n; n = n->next)
			edited |=
				reassert(r, container_of(n, struct held, node));
	return edited;
}

/* ---- the critical section ---- */

/* Drops the record if its mount is gone. */
static bool reap(struct registry *r, struct request *q, const char *path,
		 const struct record *rec)
{
	if (!registry_is_stale(r, rec))
		return false;
	note_event(r, REGISTRY_REAPED, path, rec);
	store_remove(&r->store, path);
	q->edited = true;
	return true;
}

/* Whether another owner than q's has the path: then he is in q->found. */
static int judge(struct registry *r, struct request *q, const char *path,
		 const struct owner *owner)
{
	_cleanup_record_ struct record now = {};
	int found = find_record(r, path, &now);

	if (found <= 0)
		return found < 0 ? found : REGISTRY_RECORDED;
	if (record_owned_by(&now, owner))
		return is_ours(r, &now) ? REGISTRY_RECORDED : REGISTRY_KEPT;
	if (reap(r, q, path, &now))
		return REGISTRY_RECORDED;
	q->found = now;
	now = (struct record){};
	return REGISTRY_HELD;
}

static int put_record(struct registry *r, struct request *q, const char *path,
		      const char *text, size_t len)
{
	int err = held_add(r, path, text, len);

	if (err < 0)
		return err;
	q->added = true;
	err = store_put(&r->store, path, text, len);
	if (err == 0)
		q->edited = true;
	return err;
}

static int apply_checkout(struct registry *r, struct request *q)
{
	_cleanup_buffer_ struct buffer text = {};
	char now[TIMESTAMP_SIZE];
	char kind[] = RECORD_KIND_OPEN;
	struct record rec = *q->want;
	struct owner owner = { rec.user, rec.host, rec.seat, r->lease.id };
	int outcome = judge(r, q, q->path, &owner);

	if (outcome != REGISTRY_RECORDED)
		return outcome;
	timestamp_now(now);
	if (!rec.timestamp)
		rec.timestamp = now;
	rec.kind = kind;
	rec.lease = r->lease.id;
	held_replace(r, q, q->path);
	if (record_format(&rec, &text) < 0)
		return -ENOMEM;
	return put_record(r, q, q->path, text.data, text.len);
}

static int remove_ours(struct registry *r, struct request *q)
{
	_cleanup_record_ struct record now = {};
	int found = find_record(r, q->path, &now);

	if (found > 0 && is_ours(r, &now)) {
		store_remove(&r->store, q->path);
		q->edited = true;
	}
	return found < 0 ? found : 0;
}

/* It stays out of `held` even if it must be tried again: nothing is open. */
static int apply_checkin(struct registry *r, struct request *q)
{
	held_remove(r, q->path);
	return remove_ours(r, q);
}

static int apply_rename(struct registry *r, struct request *q)
{
	struct held *h = held_find(r, q->path);
	_cleanup_free_ char *text = h ? strdup(h->text) : NULL;
	struct record rec = {};
	struct owner owner;
	int outcome, err = 0;

	if (!h || !strcmp(q->path, q->to))
		return REGISTRY_RECORDED;
	if (!text || record_parse(&rec, text, strlen(text)) < 0)
		return -ENOMEM;
	owner = (struct owner){ rec.user, rec.host, rec.seat, r->lease.id };
	outcome = judge(r, q, q->to, &owner);
	record_release(&rec);
	if (outcome < 0 || outcome == REGISTRY_HELD)
		return outcome;
	held_replace(r, q, q->path);
	held_replace(r, q, q->to);
	if (outcome == REGISTRY_RECORDED)
		err = put_record(r, q, q->to, text, strlen(text));
	return err < 0 ? err : remove_ours(r, q);
}

static int apply_break(struct registry *r, struct request *q)
{
	int found = find_record(r, q->path, &q->found);

	if (found <= 0)
		return found < 0 ? found : -ENOENT;
	store_remove(&r->store, q->path);
	held_replace(r, q, q->path);
	q->edited = true;
	return 0;
}

/* Reaps every record of a mount that is gone. */
static int apply_reap(struct registry *r, struct request *q)
{
	struct entry *next;

	for (struct entry *e = r->store.entries.head; e; e = next) {
		_cleanup_record_ struct record rec = {};

		next = e->next;
		if (e->key[0] && find_record(r, e->key, &rec) > 0)
			reap(r, q, e->key, &rec);
	}
	return 0;
}

static void fail_batch(struct request *batch, int error, bool only_edited)
{
	for (struct request *q = batch; q; q = q->next)
		if (!only_edited || q->edited)
			q->result = error;
}

/* Makes `held` what it was before the request. */
static void undo_held(struct registry *r, struct request *q)
{
	if (q->added)
		held_remove(r, q->to ? q->to : q->path);
	q->added = false;
	while (q->replaced) {
		struct held *h = q->replaced;

		q->replaced = h->next;
		hash_insert(&r->held, &h->node, h->node.hash); /* has room */
	}
}

/* After a failed commit `held` is as it was before the batch, but for
 * checkins: they will be tried again. The last request is undone first. */
static void undo_batch(struct registry *r, struct request *batch)
{
	if (!batch)
		return;
	undo_batch(r, batch->next);
	if (batch->edited)
		undo_held(r, batch);
}

/* Applies a batch in its order, and writes once. */
static void run_batch(struct registry *r, struct request *batch)
{
	bool edited = false;
	int err = store_load(&r->store);

	if (err < 0) {
		fail_batch(batch, err, false);
		return;
	}
	if (err == STORE_MENDED)
		note_event(r, REGISTRY_MENDED, r->store.damaged_name, NULL);
	if (err != 0 || r->owes)
		edited = reassert_all(r);
	for (struct request *q = batch; q; q = q->next) {
		q->edited = false;
		q->result = q->apply(r, q);
		edited |= q->edited;
		if (q->result < 0)
			undo_held(r, q);
	}
	err = edited ? store_commit(&r->store, false) : 0;
	r->owes = err < 0;
	if (err < 0) {
		drop_events(r, REGISTRY_REAPED);
		drop_events(r, REGISTRY_REASSERTED);
		undo_batch(r, batch);
		fail_batch(batch, err, true);
	}
	for (struct request *q = batch; q; q = q->next)
		free_replaced(q);
}

/* ---- the queue ---- */

static void enqueue(struct registry *r, struct request *q)
{
	struct request **last = &r->queue;

	while (*last)
		last = &(*last)->next;
	q->next = NULL;
	*last = q;
}

static void withdraw(struct registry *r, struct request *q, int result)
{
	struct request **p = &r->queue;

	while (*p != q)
		p = &(*p)->next;
	*p = q->next;
	q->result = result;
	q->done = true;
}

/* Under the mutex. A checkin that failed goes back to the head of the queue:
 * it comes before whatever was asked later. */
static void settle_batch(struct registry *r, struct request *batch)
{
	struct request *failed = NULL, **last = &failed;

	while (batch) {
		struct request *q = batch;

		batch = q->next;
		if (!q->on_heap) {
			q->done = true;
		} else if (q->result < 0) {
			*last = q;
			last = &q->next;
		} else {
			free(q);
		}
	}
	*last = r->queue;
	r->queue = failed;
}

/* With the baton, under the mutex, which it lets go in between: one critical
 * section for all that is queued when the file lock is had. */
static int lead(struct registry *r, const struct wait *w)
{
	struct event_note *events;
	struct request *batch;
	int err;

	pthread_mutex_unlock(&r->mutex);
	err = filelock_acquire(&r->filelock, w);
	pthread_mutex_lock(&r->mutex);
	if (err < 0)
		return err;
	batch = r->queue;
	r->queue = NULL;
	for (struct request *q = batch; q; q = q->next)
		q->taken = true;
	pthread_mutex_unlock(&r->mutex);

	run_batch(r, batch);
	filelock_drop(&r->filelock);
	events = take_ptr(r->events);

	pthread_mutex_lock(&r->mutex);
	r->n_held = r->held.count;
	for (struct request *q = batch; q; q = q->next)
		if (q->on_heap && q->result < 0)
			err = q->result;
	settle_batch(r, batch);
	if (events) {
		pthread_mutex_unlock(&r->mutex);
		tell_events(r, events);
		pthread_mutex_lock(&r->mutex);
	}
	return err;
}

/* Leads until nothing is queued, or for some rounds. Whatever is left after
 * that is for those who wait, or else for the keeper. */
static int lead_all(struct registry *r, const struct wait *w)
{
	int err, rounds = 0;

	r->busy = true;
	do
		err = lead(r, w);
	while (err == 0 && r->queue && ++rounds < LEADER_ROUNDS);
	r->busy = false;
	pthread_cond_broadcast(&r->changed);
	if (r->queue || (r->n_held && r->keeper_idle))
		pthread_cond_signal(&r->wanted);
	return err;
}

/* Waits for a condition, at most for a moment. */
static void wait_a_moment(struct registry *r, pthread_cond_t *cond, unsigned ms)
{
	uint64_t until = clock_now() + ms * NSEC_PER_MSEC;
	struct timespec ts = { .tv_sec = (time_t)(until / NSEC_PER_SEC),
			       .tv_nsec = (long)(until % NSEC_PER_SEC) };

	pthread_cond_clockwait(cond, &r->mutex, CLOCK_MONOTONIC, &ts);
}

/* Has the request done, by ourselves or by whoever leads just now. */
static int submit(struct registry *r, struct request *q, const struct wait *w)
{
	LOCK_SCOPE(&r->mutex);
	enqueue(r, q);
	while (!q->done) {
		int err = 0;

		if (!r->busy) {
			err = lead_all(r, w);
		} else {
			wait_a_moment(r, &r->changed, FOLLOWER_WAKE_MS);
			if (!q->done && !q->taken)
				err = wait_check(w);
		}
		if (err < 0 && !q->done && !q->taken)
			withdraw(r, q, err);
	}
	if (q->found.user && q->result >= 0)
		*q->ret_record = q->found;
	else
		record_release(&q->found);
	return q->result;
}

/* ---- the keeper: finishes what nobody waits for, watches what we hold ---- */

/* Whether locks.json is as we left it, and says all it should. */
static bool is_untouched(struct registry *r)
{
	bool same;

	r->busy = true;
	pthread_mutex_unlock(&r->mutex);
	same = !r->owes && store_is_current(&r->store, &r->store.signature);
	pthread_mutex_lock(&r->mutex);
	r->busy = false;
	pthread_cond_broadcast(&r->changed);
	return same;
}

/* Sleeps until there is something to do. Returns whether there is. While
 * another leads there is nothing: he says so if he leaves anything. */
static bool keeper_sleep(struct registry *r)
{
	if (!r->n_held) {
		r->keeper_idle = true;
		if (!r->queue || r->busy)
			pthread_cond_wait(&r->wanted, &r->mutex);
		r->keeper_idle = false;
	} else {
		wait_a_moment(r, &r->wanted, WATCH_EVERY_MS);
	}
	if (r->busy || r->closing)
		return false;
	return r->queue || (r->n_held && !is_untouched(r));
}

static void *keep(void *arg)
{
	struct registry *r = arg;
	bool stuck = false;

	LOCK_SCOPE(&r->mutex);
	while (!r->closing) {
		struct wait w;
		int err;

		if (!keeper_sleep(r) || r->busy)
			continue;
		w = wait_for_ms(KEEPER_WAIT_MS);
		err = lead_all(r, &w);
		if (err < 0 && !stuck) {
			pthread_mutex_unlock(&r->mutex);
			tell_stuck(r, err);
			pthread_mutex_lock(&r->mutex);
		}
		stuck = err < 0;
		if (stuck && !r->closing)
			wait_a_moment(r, &r->wanted, KEEPER_WAIT_MS);
	}
	return NULL;
}

/* ---- the interface ---- */

int registry_checkout(struct registry *r, const char *path,
		      const struct record *want, const struct wait *w,
		      struct record *ret_holder)
{
	struct request q = { .apply = apply_checkout,
			     .path = path,
			     .want = want,
			     .ret_record = ret_holder };

	return submit(r, &q, w);
}

int registry_rename(struct registry *r, const char *from, const char *to,
		    const struct wait *w, struct record *ret_holder)
{
	struct request q = { .apply = apply_rename,
			     .path = from,
			     .to = to,
			     .ret_record = ret_holder };

	return submit(r, &q, w);
}

int registry_break(struct registry *r, const char *path, const struct wait *w,
		   struct record *ret_broken)
{
	struct request q = { .apply = apply_break,
			     .path = path,
			     .ret_record = ret_broken };

	return submit(r, &q, w);
}

/* A request that nobody waits for, with its path behind it. */
static struct request *new_checkin(const char *path)
{
	size_t size = strlen(path) + 1;
	struct request *q = calloc(1, sizeof(*q) + size);

	if (!q)
		return NULL;
	q->apply = apply_checkin;
	q->on_heap = true;
	q->path = memcpy(q + 1, path, size);
	return q;
}

void registry_checkin(struct registry *r, const char *path)
{
	struct wait w = wait_for_ms(CHECKIN_WAIT_MS);
	struct request *q = new_checkin(path);

	if (!q) { /* no memory to put it off: then now, however long */
		struct request now = { .apply = apply_checkin, .path = path };

		w.deadline = UINT64_MAX;
		submit(r, &now, &w);
		return;
	}
	LOCK_SCOPE(&r->mutex);
	enqueue(r, q);
	if (!r->busy)
		lead_all(r, &w);
}

int registry_snapshot(struct registry *r, struct snapshot **ret_snapshot)
{
	return snapshot_cache_get(&r->snapshots, &r->store, ret_snapshot);
}

const char *registry_lease(const struct registry *r)
{
	return r->lease.id;
}

/* ---- opening and closing ---- */

/* What is left of mounts that are gone, once their records are reaped. */
static void remove_dead_leases(struct registry *r)
{
	int fd = openat(r->leases_dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;

	if (!dir)
		return;
	while ((d = readdir(dir))) {
		if (!strcmp(d->d_name, r->lease.id) ||
		    lease_probe(r->leases_dir, d->d_name) != LEASE_STALE)
			continue;
		store_remove_spare(&r->store, d->d_name);
		lease_remove(r->leases_dir, d->d_name);
	}
	closedir(dir);
}

static int open_leases(struct registry *r)
{
	int dir = r->options.state_dir;

	if (!r->options.observer && mkdirat(dir, LEASES_DIR, 0755) < 0 &&
	    errno != EEXIST)
		return -errno;
	r->leases_dir = openat(dir, LEASES_DIR,
			       O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (r->leases_dir < 0 && !(r->options.observer && errno == ENOENT))
		return -errno;
	return 0;
}

/* Under the file lock: whoever removes stale leases has it, too. */
static int open_records(struct registry *r)
{
	struct request q = { .apply = apply_reap };
	int err = lease_open(&r->lease, r->leases_dir, r->options.host);

	if (err == 0)
		err = store_init(&r->store, r->options.locks_dir,
				 r->options.locks_name, r->lease.id);
	if (err < 0)
		return err;
	run_batch(r, &q);
	if (q.result == 0)
		remove_dead_leases(r);
	return q.result;
}

static int start(struct registry *r, const struct wait *w)
{
	_cleanup_free_ char *lock_name = NULL;
	int err = open_leases(r);

	if (err < 0)
		return err;
	if (r->options.observer)
		return store_init(&r->store, r->options.locks_dir,
				  r->options.locks_name, "");
	if (asprintf(&lock_name, "%s.lock", r->options.locks_name) < 0) {
		lock_name = NULL;
		return -ENOMEM;
	}
	err = filelock_init(&r->filelock, r->options.locks_dir, lock_name);
	if (err == 0)
		err = filelock_acquire(&r->filelock, w);
	if (err < 0)
		return err;
	err = open_records(r);
	filelock_drop(&r->filelock);
	tell_events(r, take_ptr(r->events));
	if (err == 0)
		err = -pthread_create(&r->keeper, NULL, keep, r);
	return err;
}

static void release(struct registry *r)
{
	hash_clear(&r->held, held_free);
	if (r->store.name)
		store_release(&r->store);
	if (r->lease.fd >= 0)
		lease_close(&r->lease);
	if (r->leases_dir >= 0)
		close(r->leases_dir);
	filelock_release(&r->filelock);
	snapshot_cache_release(&r->snapshots);
	pthread_cond_destroy(&r->changed);
	pthread_cond_destroy(&r->wanted);
	pthread_mutex_destroy(&r->mutex);
	free(r);
}

int registry_open(struct registry **ret_registry,
		  const struct registry_options *options, const struct wait *w)
{
	struct registry *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return -ENOMEM;
	r->options = *options;
	r->leases_dir = -1;
	r->lease.fd = -1;
	r->filelock.fd = -1;
	pthread_mutex_init(&r->mutex, NULL);
	pthread_cond_init(&r->changed, NULL);
	pthread_cond_init(&r->wanted, NULL);
	snapshot_cache_init(&r->snapshots);
	err = start(r, w);
	if (err < 0) {
		release(r);
		return err;
	}
	*ret_registry = r;
	return 0;
}

/* Every checkout still out is queued as a checkin. */
static void check_all_in(struct registry *r)
{
	for (size_t i = 0; i < r->held.n_slots; i++) {
		for (struct hash_node *n = r->held.slots[i]; n; n = n->next) {
			struct request *q = new_checkin(
				container_of(n, struct held, node)->path);

			if (q)
				enqueue(r, q);
		}
	}
}

static void free_queue(struct registry *r)
{
	while (r->queue) {
		struct request *q = r->queue;

		r->queue = q->next;
		free(q);
	}
}

void registry_close(struct registry *r)
{
	struct wait w = wait_for_ms(CLOSE_WAIT_MS);

	if (!r)
		return;
	if (!r->options.observer) {
		pthread_mutex_lock(&r->mutex);
		r->closing = true;
		pthread_cond_signal(&r->wanted);
		pthread_mutex_unlock(&r->mutex);
		pthread_join(r->keeper, NULL);
		pthread_mutex_lock(&r->mutex);
		check_all_in(r);
		if (r->queue)
			lead_all(r, &w);
		free_queue(r); /* else: the next mount reaps them */
		pthread_mutex_unlock(&r->mutex);
	}
	release(r);
}
