/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/registry.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/events.h"
#include "core/held.h"
#include "core/leader.h"

void registry_conflict_release(struct registry_conflict *c)
{
	free(c->path);
	record_release(&c->holder);
	*c = (struct registry_conflict){};
}

int registry_checkout(struct registry *r, struct registry_claim *claims,
		      size_t n, const struct record *want, const struct wait *w,
		      struct registry_conflict *ret_conflict)
{
	struct request q = { .apply = request_checkout,
			     .claims = claims,
			     .n_claims = n,
			     .want = want,
			     .conflict = ret_conflict };

	return leader_submit(r, &q, w);
}

int registry_check(struct registry *r, const char *path, bool tree,
		   const struct owner *owner, const struct wait *w,
		   struct registry_conflict *ret_conflict)
{
	struct registry_claim claim = { .path = path, .tree = tree };
	struct request q = { .apply = request_check,
			     .claims = &claim,
			     .n_claims = 1,
			     .owner = owner,
			     .conflict = ret_conflict };
	_cleanup_buffer_ struct buffer text = {};
	int found = tree ? -EAGAIN : engine_peek(r->engine, path, &text);

	if (found == 0)
		return 0;
	if (found > 0) {
		int outcome = requests_judge_text(r, path, text.data, text.len,
						  owner, ret_conflict);

		if (outcome != REGISTRY_HELD ||
		    !requests_is_ours(r, &ret_conflict->holder))
			return outcome;
		/* it may have been given back, and not be written yet */
		registry_conflict_release(ret_conflict);
	}
	return leader_submit(r, &q,
			     w); /* somebody is writing: look with the lock */
}

bool registry_peek(struct registry *r, const char *path,
		   struct record *ret_record)
{
	_cleanup_buffer_ struct buffer text = {};

	engine_peek(r->engine, path, &text);
	return text.len > 0 &&
	       record_parse(ret_record, text.data, text.len) == 0;
}

int registry_move(struct registry *r, const char *from, const char *to,
		  bool exchange, const struct owner *owner,
		  const struct wait *w, char **at)
{
	struct request q = { .apply = request_move,
			     .path = from,
			     .to = to,
			     .exchange = exchange,
			     .owner = owner };
	int err;

	do {
		q.after = *at;
		err = leader_submit(r, &q, w);
		if (err == -E2BIG) {
			err = request_less(&q);
			q.left = true;
		} else if (err == 0 && q.left) {
			free(*at);
			*at = take_ptr(q.last);
		}
	} while (err == 0 && q.left);
	free(q.last);
	return err;
}

/* A request about paths, all of them or none. */
static int submit_paths(struct registry *r, struct request *q,
			const char *const *paths, size_t n,
			const struct wait *w)
{
	_cleanup_free_ struct registry_claim *claims =
		calloc(n ? n : 1, sizeof(*claims));

	if (!claims)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		claims[i].path = paths[i];
	q->claims = claims;
	q->n_claims = n;
	q->durable = true;
	return leader_submit(r, q, w);
}

int registry_break(struct registry *r, const char *const *paths, size_t n,
		   const struct wait *w, struct record *ret_broken)
{
	struct request q = { .apply = request_break, .ret_record = ret_broken };
	int err = submit_paths(r, &q, paths, n, w);

	for (size_t i = 0; err < 0 && i < n; i++) {
		record_release(&ret_broken[i]);
		ret_broken[i] = (struct record){};
	}
	return err;
}

int registry_keep(struct registry *r, const char *const *paths, size_t n,
		  const struct record *want, const char *over,
		  const struct wait *w, size_t *ret_new, struct record *ret_was,
		  struct registry_conflict *ret_conflict)
{
	struct request q = { .apply = request_keep,
			     .want = want,
			     .over = over,
			     .ret_record = ret_was,
			     .conflict = ret_conflict };
	int err = submit_paths(r, &q, paths, n, w);

	if (err == 0 && ret_new)
		*ret_new = q.n_new;
	return err;
}

int registry_unkeep(struct registry *r, const char *const *paths, size_t n,
		    const struct owner *owner, const struct wait *w,
		    struct registry_conflict *ret_conflict)
{
	struct request q = { .apply = request_unkeep,
			     .owner = owner,
			     .conflict = ret_conflict };

	return submit_paths(r, &q, paths, n, w);
}

int registry_seize(struct registry *r, const char *const *paths, size_t n,
		   const struct record *want, const char *only_user,
		   const char *only_lease, const struct wait *w,
		   struct record *ret_was,
		   struct registry_conflict *ret_conflict)
{
	struct request q = { .apply = request_seize,
			     .want = want,
			     .only_user = only_user,
			     .only_lease = only_lease,
			     .ret_record = ret_was,
			     .conflict = ret_conflict };

	return submit_paths(r, &q, paths, n, w);
}

int registry_copy(struct registry *r, const struct snapshot *s, size_t from,
		  size_t to, const struct wait *w,
		  struct registry_conflict *ret_conflict)
{
	struct request q = { .apply = request_copy,
			     .snapshot = s,
			     .from = from,
			     .until = to,
			     .conflict = ret_conflict,
			     .durable = true };

	return leader_submit(r, &q, w);
}

int registry_is_in_use(struct registry *r)
{
	return r->engine->type->is_in_use(r->engine);
}

int registry_unseize(struct registry *r, const char *path,
		     const struct record *was, const struct wait *w)
{
	struct request q = { .apply = request_unseize,
			     .path = path,
			     .want = was,
			     .durable = true };

	return leader_submit(r, &q, w);
}

void registry_checkin(struct registry *r, const char *const *paths, size_t n)
{
	leader_checkin(r, paths, n);
}

int registry_snapshot(struct registry *r, struct snapshot **ret_snapshot)
{
	leader_write_checkins(r); /* nobody is to see what is given back */
	return snapshot_cache_get(&r->snapshots, r->engine, ret_snapshot);
}

int registry_snapshot_others(struct registry *r, struct snapshot **ret_snapshot)
{
	return snapshot_cache_get_others(&r->snapshots, r->engine,
					 ret_snapshot);
}

int registry_catch_up(struct registry *r, const struct wait *w)
{
	struct request q = { .apply = request_mark };
	int err = r->engine->type->mark ? leader_submit(r, &q, w) : 0;

	return err == 0 ? engine_catch_up(r->engine, w) : err;
}

void registry_explain(struct registry *r, int error, struct buffer *b)
{
	engine_explain(r->engine, error, b);
}

const char *registry_where(const struct registry *r)
{
	return r->engine->where;
}

struct signature registry_state(struct registry *r)
{
	struct signature state;

	engine_sign(r->engine, &state);
	return state;
}

const char *registry_lease(const struct registry *r)
{
	return r->engine->lease;
}

struct measures *registry_measures(const struct registry *r)
{
	return r->options.measures;
}

/* ---- opening and closing ---- */

/* The lease is taken, and those before us reaped, before anybody else decides
 * anything. */
static int join(struct registry *r)
{
	struct request q = { .apply = request_reap };
	int err = r->engine->type->join(r->engine);

	if (err < 0)
		return err;
	do {
		requests_run(r, &q);
		if (q.result == -E2BIG) {
			q.result = request_less(&q);
			q.left = true;
		}
	} while (q.result == 0 && q.left);
	r->changed_by_others = false; /* by nobody who is about, as yet */
	if (q.result == 0)
		r->engine->type->tidy(r->engine);
	return q.result;
}

static void tell(struct registry *r, int type, int error, const char *why)
{
	struct registry_event event = { .type = type,
					.path = r->engine->keeper,
					.error = error,
					.why = why };

	if (r->options.on_event)
		r->options.on_event(r->options.on_event_arg, &event);
}

static void tell_unsure(void *registry, int error, const char *why)
{
	tell(registry, REGISTRY_UNSURE, error, why);
}

static void tell_sure(void *registry)
{
	tell(registry, REGISTRY_SURE, 0, NULL);
}

static int decide_nothing(void *registry, const struct wait *w)
{
	struct request q = { .apply = request_nothing };

	return leader_submit(registry, &q, w);
}

static int start_engine(struct registry *r)
{
	struct engine_hooks hooks = { .arg = r,
				      .decide = decide_nothing,
				      .on_unsure = tell_unsure,
				      .on_sure = tell_sure };

	return engine_start(r->engine, &hooks);
}

bool registry_is_sure(const struct registry *r)
{
	return engine_is_sure(r->engine);
}

static int start(struct registry *r, const struct wait *w)
{
	int err = engine_open(&r->engine, &r->options, w);

	if (err < 0 || r->options.observer)
		return err;
	err = engine_begin(r->engine, w);
	if (err < 0)
		return err;
	err = join(r);
	engine_end(r->engine);
	events_tell(r, take_ptr(r->events));
	if (err == 0)
		err = leader_start(r);
	if (err < 0)
		return err;
	err = start_engine(r);
	if (err < 0)
		leader_stop(r);
	return err;
}

static void release(struct registry *r)
{
	held_release_all(r);
	engine_free(r->engine);
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
	pthread_mutex_init(&r->mutex, NULL);
	pthread_cond_init(&r->changed, NULL);
	pthread_cond_init(&r->wanted, NULL);
	snapshot_cache_init(&r->snapshots);
	err = start(r, w);
	r->options.why = NULL;
	if (err < 0) {
		if (options->why && !options->why->len)
			engine_explain(r->engine, err, options->why);
		release(r);
		return err;
	}
	*ret_registry = r;
	return 0;
}

void registry_close(struct registry *r)
{
	if (!r || !engine_stop(r->engine))
		return; /* a thread hangs in the share, with all it uses */
	if (!r->options.observer)
		leader_stop(r);
	release(r);
}
