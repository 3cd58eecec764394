/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/etcd_follow.h"

#include <errno.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/etcd_step.h"

#define AGAIN_MS 50	/* before another member is listened to */
#define REFUSED_MS 1000 /* before we say anew who we are */
#define READ_MS 10000	/* reading all */
#define ASK_MS 1500	/* one answer of the pulse's, of any member */
#define DECIDE_MS 10000 /* taking the lease again */

/* ---- what a watch says ---- */

static int take_event(struct etcd_view *v, const char *prefix,
		      const cJSON *event)
{
	const cJSON *kv = etcd_field(event, "kv");
	const cJSON *type = etcd_field(event, "type");
	bool gone = cJSON_IsString(type) && !strcmp(type->valuestring, "DELET"
								       "E");

	return etcd_step_learn(v, prefix, kv, gone);
}

static int take_events(struct etcd_view *v, const char *prefix,
		       const cJSON *result)
{
	int64_t latest = 0;
	const cJSON *event;
	int r = 0;

	LOCK_SCOPE(&v->mutex);
	etcd_view_settle(v);
	cJSON_ArrayForEach(event, etcd_field(result, "events")) {
		int64_t mod = etcd_number(etcd_field(event, "kv"), "mod_"
								   "revision");

		if (r == 0)
			r = take_event(v, prefix, event);
		if (mod > latest)
			latest = mod;
	}
	/* the events of one revision come together */
	if (r == 0)
		etcd_view_set_complete(v, latest);
	return r;
}

int etcd_follow_take(struct etcd_view *v, const char *prefix, const cJSON *line)
{
	const cJSON *result = etcd_field(line, "result");

	if (!result)
		return -EIO;
	if (etcd_number(result, "compact_revision"))
		return -ESTALE;
	if (etcd_is_true(result, "canceled"))
		return -EACCES;
	return take_events(v, prefix, result);
}

int etcd_follow_read(struct etcd *c, struct etcd_view *v, const char *prefix,
		     const struct wait *w)
{
	_cleanup_buffer_ struct buffer body = {};
	_cleanup_reply_ cJSON *reply = NULL;
	int64_t revision;
	int r = buffer_append_string(&body, "{");

	if (r == 0)
		r = etcd_step_append_key(&body, prefix, "", true);
	if (r == 0)
		r = buffer_append_string(&body, "}");
	if (r == 0)
		r = etcd_call(c, "kv/range", &body, w, &reply);
	if (r < 0)
		return r;
	revision = etcd_revision(reply);
	if (!revision)
		return -EBADMSG;
	LOCK_SCOPE(&v->mutex);
	etcd_view_settle(v);
	r = etcd_step_learn_range(v, prefix, reply, revision);
	if (r == 0)
		r = etcd_view_forget_rest(v, "", revision);
	if (r == 0)
		etcd_view_set_complete(v, revision);
	return r;
}

/* ---- the listener ---- */

static bool is_to_stop(void *follow)
{
	const struct etcd_follow *f = follow;

	return f->closing || f->turn;
}

struct hearing {
	struct etcd_follow *f;
	int error;
};

static bool hear(void *hearing, cJSON *line)
{
	struct hearing *h = hearing;

	h->error = etcd_follow_take(h->f->view, h->f->prefix, line);
	return h->error == 0;
}

static int format_watch(struct etcd_follow *f, struct buffer *b)
{
	int64_t from;
	int r = buffer_append_string(b, "{\"create_request\":{");

	pthread_mutex_lock(&f->view->mutex);
	from = f->view->complete + 1;
	pthread_mutex_unlock(&f->view->mutex);
	if (r == 0)
		r = etcd_step_append_key(b, f->prefix, "", true);
	return r == 0 ? buffer_printf(b, ",\"start_revision\":\"%lld\"}}",
				      (long long)from)
		      : r;
}

/* Returns how many ms not to listen again. */
static unsigned listen_once(struct etcd_follow *f)
{
	struct wait w = { .deadline = UINT64_MAX,
			  .interrupted = is_to_stop,
			  .interrupted_arg = f };
	_cleanup_buffer_ struct buffer body = {};
	struct hearing h = { .f = f };

	if (format_watch(f, &body) == 0)
		etcd_listen(&f->listen, "watch", &body, &w, hear, &h);
	if (h.error == -ESTALE || h.error == -ENOMEM) {
		struct wait for_reading = wait_for_ms(READ_MS);

		for_reading.interrupted = is_to_stop;
		for_reading.interrupted_arg = f;
		etcd_follow_read(&f->listen, f->view, f->prefix, &for_reading);
		return AGAIN_MS;
	}
	etcd_turn_away(&f->listen);
	if (h.error != -EACCES)
		return AGAIN_MS;
	etcd_log_out(&f->listen); /* a watch outlives what it was begun with */
	return REFUSED_MS;
}

static void sleep_ms(struct etcd_follow *f, unsigned ms)
{
	LOCK_SCOPE(&f->mutex);
	if (!f->closing)
		wait_on(&f->wake, &f->mutex, clock_now() + ms * NSEC_PER_MSEC);
}

static void *listen_on(void *follow)
{
	struct etcd_follow *f = follow;

	while (!f->closing) {
		unsigned ms = listen_once(f);

		f->turn = false;
		sleep_ms(f, ms);
	}
	return NULL;
}

/* ---- the pulse ---- */

static bool is_closing(void *follow)
{
	const struct etcd_follow *f = follow;

	return f->closing;
}

/* Looks at our own instance, where the listener listens. */
static int look(struct etcd_follow *f, const struct wait *w)
{
	_cleanup_buffer_ struct buffer body = {};
	_cleanup_reply_ cJSON *reply = NULL;
	size_t listened = f->listen.at;
	int r = buffer_append_string(&body, "{");

	f->ask.at = listened;
	if (r == 0)
		r = etcd_step_append_key(&body, f->prefix, f->instance, false);
	if (r == 0)
		r = buffer_append_string(&body, "}");
	if (r == 0)
		r = etcd_call(&f->ask, "kv/range", &body, w, &reply);
	if (f->ask.at != listened && f->listen.at == listened) {
		f->turn = true;
		etcd_wake(&f->listen);
	}
	if (r == 0 && !etcd_field(reply, "kvs"))
		etcd_follow_lose(f);
	return r;
}

static int keep_alive(struct etcd_follow *f, const struct wait *w)
{
	_cleanup_buffer_ struct buffer body = {};
	_cleanup_reply_ cJSON *reply = NULL;
	int64_t lease = etcd_follow_lease(f);
	int r;

	if (!lease)
		return 0;
	r = buffer_printf(&body, "{\"ID\":\"%lld\"}", (long long)lease);
	if (r == 0)
		r = etcd_call(&f->ask, "lease/keepalive", &body, w, &reply);
	if (r == 0 && !etcd_number(etcd_field(reply, "result"), "TTL"))
		etcd_follow_lose(f);
	return r;
}

static void tell_unsure(struct etcd_follow *f, int error)
{
	_cleanup_buffer_ struct buffer why = {};

	etcd_explain(&f->ask, &why);
	f->hooks.on_unsure(f->hooks.arg, error == -ETIMEDOUT ? 0 : error,
			   why.data);
}

static void beat(struct etcd_follow *f)
{
	struct wait w = wait_for_ms(ASK_MS);
	int r;

	w.interrupted = is_closing;
	w.interrupted_arg = f;
	r = look(f, &w);
	if (r == 0)
		r = keep_alive(f, &w);
	if (r == 0 && etcd_follow_is_lost(f)) {
		w = wait_for_ms(DECIDE_MS);
		w.interrupted = is_closing;
		w.interrupted_arg = f;
		r = f->hooks.decide(f->hooks.arg, &w);
	}
	if (f->closing || r == f->error)
		return;
	f->error = r;
	if (r < 0)
		tell_unsure(f, r);
	else
		f->hooks.on_sure(f->hooks.arg);
}

static void *keep_beating(void *follow)
{
	struct etcd_follow *f = follow;

	while (!f->closing) {
		sleep_ms(f, f->beat_ms);
		if (!f->closing)
			beat(f);
	}
	return NULL;
}

/* ---- the lease ---- */

void etcd_follow_set_lease(struct etcd_follow *f, int64_t lease)
{
	LOCK_SCOPE(&f->mutex);
	f->lease = lease;
	f->lost = false;
}

int64_t etcd_follow_lease(struct etcd_follow *f)
{
	LOCK_SCOPE(&f->mutex);
	return f->lease;
}

bool etcd_follow_is_lost(struct etcd_follow *f)
{
	LOCK_SCOPE(&f->mutex);
	return f->lost;
}

void etcd_follow_lose(struct etcd_follow *f)
{
	LOCK_SCOPE(&f->mutex);
	f->lost = f->lease != 0;
}

/* ---- beginning and end ---- */

int etcd_follow_init(struct etcd_follow *f, const struct etcd_address *address,
		     const struct etcd_secrets *secrets, struct etcd_view *view,
		     const char *instance)
{
	int r;

	*f = (struct etcd_follow){ .prefix = address->prefix,
				   .instance = instance,
				   .view = view };
	pthread_mutex_init(&f->mutex, NULL);
	pthread_cond_init(&f->wake, NULL);
	r = etcd_init(&f->listen, address, secrets);
	return r == 0 ? etcd_init(&f->ask, address, secrets) : r;
}

int etcd_follow_start(struct etcd_follow *f, unsigned beat_ms,
		      const struct engine_hooks *hooks)
{
	int r;

	f->hooks = *hooks;
	f->beat_ms = beat_ms;
	r = -pthread_create(&f->listener, NULL, listen_on, f);
	if (r < 0)
		return r;
	r = -pthread_create(&f->pulse, NULL, keep_beating, f);
	if (r == 0) {
		f->started = true;
		return 0;
	}
	f->closing = true;
	etcd_wake(&f->listen);
	pthread_join(f->listener, NULL);
	return r;
}

void etcd_follow_stop(struct etcd_follow *f)
{
	if (!f->started)
		return;
	pthread_mutex_lock(&f->mutex);
	f->closing = true;
	pthread_cond_broadcast(&f->wake);
	pthread_mutex_unlock(&f->mutex);
	etcd_wake(&f->listen);
	etcd_wake(&f->ask);
	pthread_join(f->listener, NULL);
	pthread_join(f->pulse, NULL);
	f->started = false;
}

void etcd_follow_release(struct etcd_follow *f)
{
	etcd_follow_stop(f);
	etcd_release(&f->listen);
	etcd_release(&f->ask);
	pthread_cond_destroy(&f->wake);
	pthread_mutex_destroy(&f->mutex);
}
