/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/leader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/events.h"
#include "core/held.h"
#include "core/writers.h"

#define PUT_OFF_MS 1 /* how long a checkin may wait for a leader */
#define COMPANY_FOR (10 * NSEC_PER_SEC) /* after others' last rewrite */
#define COMPANY_WAIT_MS 20  /* for the file lock; then the keeper goes on */
#define QUIET_LOOKS 50	    /* of the keeper, before it sleeps for good */
#define CLOSE_WAIT_MS 5000  /* for the last checkins */
#define KEEPER_WAIT_MS 1000 /* one try of the keeper */
#define WATCH_EVERY_MS 500  /* while something is held: was it wiped? */
#define FOLLOWER_WAKE_MS 20 /* to see an interruption */
#define LEADER_ROUNDS 8	    /* for others, before going one's own way */

static void tell_stuck(struct registry *r, int error)
{
	struct registry_event event = { .type = REGISTRY_STUCK,
					.path = "",
					.error = error };

	if (r->options.on_event)
		r->options.on_event(r->options.on_event_arg, &event);
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
	uint64_t began;
	int err;

	pthread_mutex_unlock(&r->mutex);
	began = clock_now();
	err = engine_begin(r->engine, w);
	measures_waited(r->options.measures, began);
	pthread_mutex_lock(&r->mutex);
	if (err < 0)
		return err;
	batch = r->queue;
	r->queue = NULL;
	for (struct request *q = batch; q; q = q->next)
		q->taken = true;
	pthread_mutex_unlock(&r->mutex);

	requests_run(r, batch);
	engine_end(r->engine);
	events = take_ptr(r->events);

	pthread_mutex_lock(&r->mutex);
	r->to_watch = r->held.count > 0 || r->owes;
	if (r->changed_by_others)
		r->company_until = clock_now() + COMPANY_FOR;
	r->changed_by_others = false;
	for (struct request *q = batch; q; q = q->next)
		if (q->on_heap && q->result < 0)
			err = q->result;
	settle_batch(r, batch);
	if (events) {
		pthread_mutex_unlock(&r->mutex);
		events_tell(r, events);
		pthread_mutex_lock(&r->mutex);
	}
	return err;
}

static void wake_keeper(struct registry *r)
{
	if ((r->keeper != KEEPER_AWAKE && r->queue) ||
	    (r->keeper == KEEPER_SLEEPS && r->to_watch))
		pthread_cond_signal(&r->wanted);
}

static bool somebody_waits(const struct registry *r)
{
	const struct request *q = r->queue;

	while (q && q->on_heap)
		q = q->next;
	return q;
}

/* Leads until nobody waits, or for some rounds, or in vain. Whatever is left
 * after that is for those who wait, or else for the keeper. */
static int lead_all(struct registry *r, const struct wait *w)
{
	int err, rounds = 0;

	r->busy = true;
	do
		err = lead(r, w);
	while (err == 0 && !r->owes && somebody_waits(r) &&
	       ++rounds < LEADER_ROUNDS);
	r->busy = false;
	pthread_cond_broadcast(&r->changed);
	wake_keeper(r);
	return err;
}

/* Waits for a condition, at most for a moment. */
static void wait_a_moment(struct registry *r, pthread_cond_t *cond, unsigned ms)
{
	wait_on(cond, &r->mutex, clock_now() + ms * NSEC_PER_MSEC);
}

/* Has the request done, by ourselves or by whoever leads just now. */
static void submit_once(struct registry *r, struct request *q,
			const struct wait *w)
{
	q->done = q->taken = false;
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
}

/* Whoever led may have waited for less time than we do. */
int leader_submit(struct registry *r, struct request *q, const struct wait *w)
{
	LOCK_SCOPE(&r->mutex);
	do
		submit_once(r, q, w);
	while ((q->result == -ETIMEDOUT || q->result == -EINTR) &&
	       wait_check(w) == 0);
	return q->result;
}

/* ---- the keeper: finishes what nobody waits for, watches what we hold ---- */

/* Whether the records are as we left them, and say all they should. */
static bool is_untouched(struct registry *r)
{
	bool same;

	r->busy = true;
	pthread_mutex_unlock(&r->mutex);
	same = !r->owes && engine_is_untouched(r->engine);
	pthread_mutex_lock(&r->mutex);
	r->busy = false;
	pthread_cond_broadcast(&r->changed);
	return same;
}

/* Sleeps until there is something to do. Returns whether there is. While
 * checkins come in they are left for a moment to whoever leads next. */
static bool keeper_sleep(struct registry *r)
{
	if (r->queue)
		r->quiet = 0;
	if (r->quiet < QUIET_LOOKS) {
		r->quiet++;
		wait_a_moment(r, &r->wanted, PUT_OFF_MS);
		return r->queue && !r->busy && !r->closing;
	}
	r->keeper = r->to_watch ? KEEPER_WATCHES : KEEPER_SLEEPS;
	if (r->to_watch)
		wait_a_moment(r, &r->wanted, WATCH_EVERY_MS);
	else
		pthread_cond_wait(&r->wanted, &r->mutex);
	r->keeper = KEEPER_AWAKE;
	if (r->busy || r->closing || r->queue)
		return false;
	return r->to_watch && !is_untouched(r);
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

/* ---- checkins ---- */

/* A request that nobody waits for, with its path behind it. */
static struct request *new_checkin(const char *path)
{
	size_t size = strlen(path) + 1;
	struct request *q = calloc(1, sizeof(*q) + size);

	if (!q)
		return NULL;
	q->apply = request_checkin;
	q->on_heap = true;
	q->path = memcpy(q + 1, path, size);
	return q;
}

static void checkin_now(struct registry *r, const char *path)
{
	struct wait w = { .deadline = UINT64_MAX };
	struct request now = { .apply = request_checkin, .path = path };

	leader_submit(r, &now, &w);
}

/* Not done at once: the next request is likely to come soon, and takes it
 * along into the same rewrite. But while other mounts or tools are at work,
 * somebody may be waiting for it who can't tell us so. */
void leader_checkin(struct registry *r, const char *const *paths, size_t n)
{
	struct wait w = wait_for_ms(COMPANY_WAIT_MS);

	for (size_t i = 0; i < n; i++) {
		struct request *q = new_checkin(paths[i]);

		if (!q) { /* no memory to put it off: however long it takes */
			checkin_now(r, paths[i]);
			continue;
		}
		pthread_mutex_lock(&r->mutex);
		enqueue(r, q);
		wake_keeper(r);
		pthread_mutex_unlock(&r->mutex);
	}
	LOCK_SCOPE(&r->mutex);
	if (r->queue && !r->busy && clock_now() < r->company_until)
		lead_all(r, &w);
}

/* An answer from elsewhere would have to be waited for: the keeper is at it. */
void leader_write_checkins(struct registry *r)
{
	struct wait w = wait_for_ms(0);

	if (r->engine->confirms)
		return;
	LOCK_SCOPE(&r->mutex);
	if (r->queue && !r->busy)
		lead_all(r, &w);
}

/* ---- beginning and end ---- */

int leader_start(struct registry *r)
{
	return -pthread_create(&r->keeper_thread, NULL, keep, r);
}

static bool is_written(const struct registry *r, const char *path)
{
	return r->options.share_dir > 0 &&
	       writers_exist_at(r->options.share_dir, path);
}

/* Every checkout still out is queued as a checkin; but if its file can be
 * written to without us, its record is left, to who takes it over. The share is
 * asked under the mutex, which nobody else is left to want. */
static void check_all_in(struct registry *r)
{
	for (size_t i = 0; i < r->held.n_slots; i++) {
		for (struct hash_node *n = r->held.slots[i]; n; n = n->next) {
			const char *path =
				container_of(n, struct held, node)->path;
			struct request *q =
				is_written(r, path) ? NULL : new_checkin(path);

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

void leader_stop(struct registry *r)
{
	struct wait w = wait_for_ms(CLOSE_WAIT_MS);

	pthread_mutex_lock(&r->mutex);
	r->closing = true;
	pthread_cond_signal(&r->wanted);
	pthread_mutex_unlock(&r->mutex);
	pthread_join(r->keeper_thread, NULL);
	LOCK_SCOPE(&r->mutex);
	check_all_in(r);
	if (r->queue || r->owes)
		lead_all(r, &w);
	free_queue(r); /* else: the next mount reaps them */
}
