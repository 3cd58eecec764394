/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/pulse.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "core/cleanup.h"

#define BEATS 10      /* in the time of silence */
#define LOOK_EVERY 2  /* beats */
#define CLOSE_MS 5000 /* a thread may hang for so long at the end */

struct pulse {
	struct pulse_options options;
	pthread_t beater, watchdog;
	_Atomic uint64_t last;	/* when the last good beat was begun */
	_Atomic uint64_t since; /* sure without a gap */

	pthread_mutex_t mutex;	/* a leaf */
	pthread_cond_t changed; /* what follows was */
	int error;		/* under mutex: of the last beat */
	bool unsure;		/* under mutex: it was told */
	bool closing;		/* under mutex */
	int running;		/* under mutex: threads */
};

static uint64_t patience(const struct pulse *p)
{
	return p->options.silence_ms * NSEC_PER_MSEC / 2;
}

static bool is_in_time(const struct pulse *p)
{
	return clock_awake() < p->last + patience(p);
}

bool pulse_is_sure(const struct pulse *p)
{
	return !p || (is_in_time(p) && !p->options.witness->blind);
}

uint64_t pulse_sure_since(const struct pulse *p)
{
	if (!p)
		return 0;
	return pulse_is_sure(p) ? p->since : clock_awake();
}

/* Under the mutex: waits for a change, at most so long. */
static void wait_ms(struct pulse *p, uint64_t ms)
{
	if (!p->closing)
		wait_on(&p->changed, &p->mutex,
			clock_now() + ms * NSEC_PER_MSEC);
}

/* ---- beating ---- */

static bool is_closing(void *arg)
{
	struct pulse *p = arg;

	LOCK_SCOPE(&p->mutex);
	return p->closing;
}

/* It was silent for so long that others may have given it up, or its file is
 * gone: what it has is to be looked at before it goes on. */
static int beat(struct pulse *p)
{
	struct wait w = { .deadline = UINT64_MAX,
			  .interrupted = is_closing,
			  .interrupted_arg = p };
	int r = lease_beat(p->options.lease);

	if (r == -ESTALE || (r == 0 && !is_in_time(p)))
		r = p->options.revive(p->options.arg, &w);
	return r;
}

static void be_sure(struct pulse *p, uint64_t begun)
{
	bool was_unsure;

	if (!is_in_time(p))
		p->since = clock_awake();
	p->last = begun;
	pthread_mutex_lock(&p->mutex);
	was_unsure = p->unsure;
	p->unsure = false;
	p->error = 0;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->mutex);
	if (was_unsure)
		p->options.on_sure(p->options.arg);
}

static void look(struct pulse *p)
{
	struct witness *w = p->options.witness;
	bool was_blind = w->blind;

	witness_look(w, p->options.lease->id);
	if (w->blind && !was_blind)
		p->options.on_unsure(p->options.arg, -ENOLCK);
}

static void beat_once(struct pulse *p, unsigned n)
{
	uint64_t begun = clock_awake();
	int r = beat(p);

	if (r == 0) {
		be_sure(p, begun);
		if (n % LOOK_EVERY == 0)
			look(p);
		return;
	}
	LOCK_SCOPE(&p->mutex);
	p->error = r;
}

static void end_thread(struct pulse *p)
{
	p->running--;
	pthread_cond_broadcast(&p->changed);
}

static void *beat_on(void *arg)
{
	struct pulse *p = arg;
	unsigned n = 0;

	LOCK_SCOPE(&p->mutex);
	while (!p->closing) {
		uint64_t next = clock_now() +
				p->options.silence_ms * NSEC_PER_MSEC / BEATS;

		while (!p->closing && clock_now() < next)
			wait_on(&p->changed, &p->mutex, next);
		if (p->closing)
			break;
		p->error = 0;
		pthread_mutex_unlock(&p->mutex);
		beat_once(p, n++);
		pthread_mutex_lock(&p->mutex);
	}
	end_thread(p);
	return NULL;
}

/* ---- the watchdog: says so ---- */

static void *watch(void *arg)
{
	struct pulse *p = arg;

	LOCK_SCOPE(&p->mutex);
	while (!p->closing) {
		uint64_t now = clock_awake(), until = p->last + patience(p);
		int error = p->error;

		if (now < until || p->unsure) {
			wait_ms(p, now < until
					   ? (until - now) / NSEC_PER_MSEC + 1
					   : p->options.silence_ms);
			continue;
		}
		p->unsure = true;
		pthread_mutex_unlock(&p->mutex);
		p->options.on_unsure(p->options.arg, error);
		pthread_mutex_lock(&p->mutex);
	}
	end_thread(p);
	return NULL;
}

/* ---- beginning and end ---- */

static int start(struct pulse *p, pthread_t *thread, void *(*run)(void *))
{
	int r = -pthread_create(thread, NULL, run, p);

	if (r == 0) {
		pthread_detach(*thread);
		p->running++;
	}
	return r;
}

int pulse_open(struct pulse **ret_pulse, const struct pulse_options *options)
{
	struct pulse *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	p->options = *options;
	p->last = p->since = clock_awake();
	pthread_mutex_init(&p->mutex, NULL);
	pthread_cond_init(&p->changed, NULL);
	r = lease_beat(options->lease);
	pthread_mutex_lock(&p->mutex);
	if (r == 0)
		r = start(p, &p->beater, beat_on);
	if (r == 0)
		r = start(p, &p->watchdog, watch);
	pthread_mutex_unlock(&p->mutex);
	if (r < 0) {
		pulse_close(p);
		return r;
	}
	*ret_pulse = p;
	return 0;
}

bool pulse_close(struct pulse *p)
{
	uint64_t until = clock_now() + CLOSE_MS * NSEC_PER_MSEC;

	if (!p)
		return true;
	pthread_mutex_lock(&p->mutex);
	p->closing = true;
	pthread_cond_broadcast(&p->changed);
	while (p->running && clock_now() < until)
		wait_on(&p->changed, &p->mutex, until);
	if (p->running) {
		pthread_mutex_unlock(&p->mutex);
		return false;
	}
	pthread_mutex_unlock(&p->mutex);
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->mutex);
	free(p);
	return true;
}
