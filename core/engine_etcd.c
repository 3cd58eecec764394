/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The engine on an etcd (core/etcd.h), for many sites or very many seats.
 *
 * Nobody is kept out while a decision is made: it is made on the view
 * (core/etcd_view.h), and its commit is one transaction that etcd makes only if
 * all that was looked at is still so (core/etcd_step.h). What was refused is
 * confirmed that way, too.
 *
 * A mount lives as long as `instances/ID`, which is bound to its etcd lease.
 * When that has ended, its mount may only be cut off, and its programs still
 * write: then it is given up, and whoever takes a path over from it sets the
 * file aside. A mount on this machine whose process is not there is gone
 * (core/station.h), and whoever sees it ends its instance.
 *
 * A mount whose own instance is gone takes a new lease, under the same id,
 * within its next decision, and puts back what nobody else has taken.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/base64.h"
#include "core/cleanup.h"
#include "core/engine.h"
#include "core/etcd_follow.h"
#include "core/etcd_step.h"
#include "core/record.h"
#include "core/registry.h"
#include "core/station.h"

#define LEASE_SECONDS 10 /* where it is not said */
#define FREE_WAIT_MS 1000

struct etcd_engine {
	struct engine engine;
	const char *host;
	char *where;
	bool observer;
	unsigned lease_seconds;
	struct etcd_address address;
	struct etcd_secrets secrets;
	char instance[sizeof(VIEW_INSTANCES) + LEASE_ID_SIZE];
	char station[sizeof(VIEW_STATIONS) + LEASE_ID_SIZE];
	char step_key[sizeof(VIEW_STEPS) + LEASE_ID_SIZE];

	struct etcd_view view;
	struct etcd_follow follow;

	/* All of who decides. */
	const struct wait *wait;
	struct etcd talk;
	struct etcd_step step;
	struct etcd_bond bond;
	/* The last step, if its answer was lost: it may have been made. */
	bool in_doubt;
	struct etcd_step doubted;
	char doubted_number[STEP_NUMBER_SIZE];
	/* One that was made, though those it was for were told that it was
	 * not: every step from then on undoes it, until one is made. */
	struct etcd_step wrong;
	int64_t wrong_at; /* the revision; 0: there is none */
};

static struct etcd_engine *of(struct engine *e)
{
	return (struct etcd_engine *)e;
}

static void new_number(struct etcd_bond *bond)
{
	uint64_t random = 0;

	if (getrandom(&random, sizeof(random), 0) < 0)
		random = clock_now();
	snprintf(bond->number, sizeof(bond->number), "%016llx",
		 (unsigned long long)random);
}

/* ---- our instance ---- */

static int grant(struct etcd_engine *x, int64_t *ret_lease)
{
	_cleanup_buffer_ struct buffer body = {};
	_cleanup_reply_ cJSON *reply = NULL;
	int r = buffer_printf(&body, "{\"TTL\":\"%u\"}", x->lease_seconds);

	if (r == 0)
		r = etcd_call(&x->talk, "lease/grant", &body, x->wait, &reply);
	if (r < 0)
		return r;
	*ret_lease = etcd_number(reply, "ID");
	return *ret_lease ? 0 : -EBADMSG;
}

static int append_put(struct buffer *b, struct etcd_engine *x, const char *key,
		      const char *value, size_t len, int64_t lease)
{
	int r = buffer_append_string(b, "{\"request_put\":{");

	if (r == 0)
		r = etcd_step_append_key(b, x->address.prefix, key, false);
	if (r == 0)
		r = buffer_append_string(b, ",\"value\":\"");
	if (r == 0)
		r = base64_encode(b, value, len);
	if (r == 0 && lease)
		r = buffer_printf(b, "\",\"lease\":\"%lld", (long long)lease);
	return r == 0 ? buffer_append_string(b, "\"}}") : r;
}

/* Not compared with anything: the key is ours, whatever its lease was. */
static int format_instance(struct etcd_engine *x, int64_t lease,
			   struct buffer *b)
{
	_cleanup_buffer_ struct buffer text = {};
	struct station here;
	int r;

	station_here(&here, x->host);
	here.silence_ms = x->lease_seconds * 1000;
	r = station_format(&here, &text);
	if (r == 0)
		r = buffer_append_string(b, "{\"success\":[");
	if (r == 0)
		r = append_put(b, x, x->instance, "", 0, lease);
	if (r == 0)
		r = buffer_append_string(b, ",");
	if (r == 0)
		r = append_put(b, x, x->station, text.data, text.len, 0);
	return r == 0 ? buffer_append_string(b, "]}") : r;
}

static int take_instance(struct etcd_engine *x)
{
	_cleanup_buffer_ struct buffer body = {};
	_cleanup_reply_ cJSON *reply = NULL;
	int64_t lease = 0;
	int r = grant(x, &lease);

	if (r == 0)
		r = format_instance(x, lease, &body);
	if (r == 0)
		r = etcd_call(&x->talk, "kv/txn", &body, x->wait, &reply);
	if (r < 0)
		return r;
	x->bond.instance_mod = etcd_revision(reply);
	if (!x->bond.instance_mod)
		return -EBADMSG;
	etcd_follow_set_lease(&x->follow, lease);
	return 0;
}

/* ---- a step in doubt ---- */

/* Once another step is made, the one in doubt never will be. Returns 1, or 0
 * if this is to be tried again, or -errno. */
static int overtake(struct etcd_engine *x)
{
	struct etcd_step nothing;
	_cleanup_buffer_ struct buffer body = {};
	_cleanup_reply_ cJSON *reply = NULL;
	struct etcd_bond bond = x->bond;
	int r;

	etcd_step_init(&nothing, &x->view);
	nothing.writes = true;
	bond.instance = NULL;
	bond.found[0] = '\0';
	new_number(&bond);
	r = etcd_step_format(&nothing, &bond, &body);
	if (r == 0)
		r = etcd_call(&x->talk, "kv/txn", &body, x->wait, &reply);
	if (r == 0)
		r = etcd_step_take(&nothing, &bond, reply);
	if (r < 0)
		return r;
	x->bond.step_mod = bond.step_mod;
	if (strcmp(bond.found, x->doubted_number) != 0)
		return r == ETCD_STEP_MADE;
	r = etcd_step_made(&x->doubted, bond.step_mod);
	if (r < 0)
		return r;
	etcd_step_move(&x->wrong, &x->doubted);
	x->wrong_at = bond.step_mod;
	return 1;
}

static int settle_doubt(struct etcd_engine *x)
{
	int r = 0;

	while (x->in_doubt && r == 0)
		r = overtake(x);
	if (r < 0)
		return r;
	x->in_doubt = false;
	etcd_step_clear(&x->doubted, true);
	return 0;
}

/* ---- a decision ---- */

static int begin(struct engine *e, const struct wait *w)
{
	of(e)->wait = w;
	etcd_view_freeze(&of(e)->view);
	return 0;
}

static void end(struct engine *e)
{
	etcd_step_clear(&of(e)->step, true);
	etcd_view_thaw(&of(e)->view);
	of(e)->wait = NULL;
}

static int load(struct engine *e)
{
	struct etcd_engine *x = of(e);
	bool lost = etcd_follow_is_lost(&x->follow);
	bool robbed;
	int r = settle_doubt(x);

	if (r == 0 && lost)
		r = take_instance(x);
	if (r == 0 && x->wrong_at)
		r = etcd_step_undo(&x->step, &x->wrong, x->wrong_at);
	if (r < 0)
		return r;
	pthread_mutex_lock(&x->view.mutex);
	robbed = x->view.robbed;
	x->view.robbed = false;
	pthread_mutex_unlock(&x->view.mutex);
	return lost || robbed ? ENGINE_CHANGED : 0;
}

static const char *find(struct engine *e, const char *key, size_t *ret_len)
{
	return etcd_step_find(&of(e)->step, key, ret_len);
}

static int list(struct engine *e, const char *folder, struct buffer *ret_keys)
{
	return etcd_step_list(&of(e)->step, folder, ret_keys);
}

/* Whether the lease's holder was on this machine, and is not there any more. */
static bool is_gone_here(struct etcd_engine *x, const char *lease)
{
	char key[sizeof(VIEW_STATIONS) + LEASE_ID_SIZE];
	const char *text;
	struct station station;

	snprintf(key, sizeof(key), VIEW_STATIONS "%s", lease);
	text = etcd_view_station(&x->view, key);
	return text && station_parse(&station, text, strlen(text)) == 0 &&
	       station_is_gone(&station);
}

static int judge(struct engine *e, const char *lease)
{
	struct etcd_engine *x = of(e);
	char key[sizeof(VIEW_INSTANCES) + LEASE_ID_SIZE];
	bool here;

	if (!lease_id_is_valid(lease))
		return -EINVAL;
	snprintf(key, sizeof(key), VIEW_INSTANCES "%s", lease);
	here = etcd_step_has(&x->step, key);
	if (is_gone_here(x, lease))
		return here && etcd_step_write(&x->step, key, NULL, 0) < 0
			       ? LEASE_LIVE
			       : LEASE_STALE;
	return here ? LEASE_LIVE : LEASE_GIVEN_UP;
}

static int write_record(struct engine *e, const char *key, const char *value,
			size_t len)
{
	_cleanup_free_ char *whole = NULL;

	if (!*key)
		return -EINVAL;
	if (asprintf(&whole, VIEW_LOCKS "%s", key) < 0) {
		whole = NULL;
		return -ENOMEM;
	}
	return etcd_step_write(&of(e)->step, whole, value, len);
}

static int put(struct engine *e, const char *key, const char *value, size_t len)
{
	return write_record(e, key, value, len);
}

static void remove_key(struct engine *e, const char *key)
{
	if (write_record(e, key, NULL, 0) < 0)
		of(e)->step.broken = true;
}

/* What was wrong is right again. */
static void forget_wrong(struct etcd_engine *x)
{
	etcd_step_clear(&x->wrong, true);
	x->wrong_at = 0;
}

/* Its answer is lost. */
static void doubt(struct etcd_engine *x)
{
	etcd_step_move(&x->doubted, &x->step);
	strcpy(x->doubted_number, x->bond.number);
	x->in_doubt = true;
}

static int commit(struct engine *e, bool edited, bool durable)
{
	struct etcd_engine *x = of(e);
	_cleanup_buffer_ struct buffer body = {};
	_cleanup_reply_ cJSON *reply = NULL;
	int64_t before = x->bond.step_mod;
	bool maybe = false;
	int r;

	if (!x->step.first && !x->step.listed && !x->step.broken &&
	    !x->step.writes) {
		forget_wrong(x); /* others have changed all of it since */
		return 0;
	}
	new_number(&x->bond);
	r = etcd_step_format(&x->step, &x->bond, &body);
	if (r == 0) {
		r = etcd_call(&x->talk, "kv/txn", &body, x->wait, &reply);
		maybe = r == 0 || x->talk.maybe;
	}
	if (r == 0)
		r = etcd_step_take(&x->step, &x->bond, reply);
	if (r < 0 && maybe && x->step.writes) {
		x->bond.step_mod = before;
		doubt(x);
	}
	if (r == ETCD_STEP_MADE)
		forget_wrong(x);
	etcd_step_clear(&x->step, false);
	if (r == ETCD_STEP_NO_INSTANCE)
		etcd_follow_lose(&x->follow);
	if (r == ETCD_STEP_MADE)
		return 0;
	if (r > 0)
		r = wait_check(x->wait);
	return r < 0 ? r : ENGINE_AGAIN;
}

static void discard(struct engine *e)
{
	etcd_step_clear(&of(e)->step, false);
}

static bool is_untouched(struct engine *e)
{
	struct etcd_engine *x = of(e);

	if (x->in_doubt || x->wrong_at || etcd_follow_is_lost(&x->follow))
		return false;
	LOCK_SCOPE(&x->view.mutex);
	return !x->view.robbed;
}

/* ---- reading ---- */

/* The view may be behind, and a mount that asks wants to know. */
static int peek(struct engine *e, const char *key, struct buffer *ret_text)
{
	size_t len;
	const char *text;
	int r;

	LOCK_SCOPE(&of(e)->view.mutex);
	text = etcd_view_record(&of(e)->view, key, &len);
	r = text ? buffer_append(ret_text, text, len) : 0;
	return r < 0 ? r : -EAGAIN;
}

/* What was written before we wrote is seen before it. */
static void mark(struct engine *e)
{
	of(e)->step.writes = true;
}

static int catch_up(struct engine *e, const struct wait *w)
{
	return etcd_view_catch_up(&of(e)->view, w);
}

static int copy(struct engine *e, struct entries *ret_entries,
		struct signature *ret_state)
{
	struct etcd_view *v = &of(e)->view;
	_cleanup_buffer_ struct buffer text = {};
	int r;

	pthread_mutex_lock(&v->mutex);
	r = buffer_append(&text, v->entries.text.data, v->entries.text.len);
	*ret_state = (struct signature){ .ino = 1, .size = v->version };
	pthread_mutex_unlock(&v->mutex);
	return r == 0 ? entries_parse(ret_entries, &text) : r;
}

static bool is_current(struct engine *e, const struct signature *state)
{
	LOCK_SCOPE(&of(e)->view.mutex);
	return state->size == of(e)->view.version;
}

static void sign(struct engine *e, struct signature *ret_state)
{
	LOCK_SCOPE(&of(e)->view.mutex);
	*ret_state =
		(struct signature){ .ino = 1, .size = of(e)->view.version };
}

/* Whether any instance lives, by what is known of this moment. */
static int is_in_use(struct engine *e)
{
	_cleanup_buffer_ struct buffer keys = {};
	int r;

	LOCK_SCOPE(&of(e)->view.mutex);
	r = etcd_view_list(&of(e)->view, VIEW_INSTANCES, &keys);
	return r < 0 ? r : keys.len > 0;
}

static void explain(struct engine *e, int error, struct buffer *b)
{
	_cleanup_buffer_ struct buffer why = {};

	etcd_explain(&of(e)->talk, &why);
	if (error == -ETIMEDOUT)
		buffer_printf(b,
			      "no answer from '%s'%s%s; more than half of its "
			      "members must be up and reached",
			      e->where, why.len ? ": " : "",
			      why.len ? why.data : "");
	else if (error == -E2BIG)
		buffer_printf(b, "'%s': that is more than it takes at once",
			      e->where);
	else
		buffer_printf(b, "'%s': %s", e->where,
			      why.len ? why.data : strerror(-error));
}

static uint64_t others(struct engine *e)
{
	LOCK_SCOPE(&of(e)->view.mutex);
	return of(e)->view.others;
}

static int probe(struct engine *e, const char *lease)
{
	struct etcd_engine *x = of(e);
	char key[sizeof(VIEW_INSTANCES) + LEASE_ID_SIZE];

	if (!lease_id_is_valid(lease))
		return -EINVAL;
	snprintf(key, sizeof(key), VIEW_INSTANCES "%s", lease);
	LOCK_SCOPE(&x->view.mutex);
	if (is_gone_here(x, lease))
		return LEASE_STALE;
	return etcd_view_revision(&x->view, key) ? LEASE_LIVE : LEASE_GIVEN_UP;
}

/* ---- beginning and end ---- */

static int join(struct engine *e)
{
	struct etcd_engine *x = of(e);

	lease_make_id(e->lease, x->host);
	snprintf(x->instance, sizeof(x->instance), VIEW_INSTANCES "%s",
		 e->lease);
	snprintf(x->station, sizeof(x->station), VIEW_STATIONS "%s", e->lease);
	snprintf(x->step_key, sizeof(x->step_key), VIEW_STEPS "%s", e->lease);
	x->bond.instance = x->instance;
	return take_instance(x);
}

/* Whether a record names that lease. */
static bool is_named(struct etcd_engine *x, const char *lease)
{
	const struct entries *entries = &x->view.entries;

	for (const struct entry *at = entries->head; at; at = at->next) {
		size_t len;
		const char *text = entries_value(entries, at, &len);

		if (record_text_has_lease(text, len, lease))
			return true;
	}
	return false;
}

/* Whoever was on this machine and is not there any more. */
static void end_the_gone(struct etcd_engine *x)
{
	_cleanup_buffer_ struct buffer keys = {};

	etcd_view_list(&x->view, VIEW_INSTANCES, &keys);
	for (size_t at = 0; at < keys.len; at += strlen(keys.data + at) + 1)
		if (is_gone_here(x, keys.data + at + strlen(VIEW_INSTANCES)))
			etcd_step_write(&x->step, keys.data + at, NULL, 0);
}

static void tidy_below(struct etcd_engine *x, const char *prefix)
{
	_cleanup_buffer_ struct buffer keys = {};

	etcd_view_list(&x->view, prefix, &keys);
	for (size_t at = 0; at < keys.len; at += strlen(keys.data + at) + 1) {
		const char *id = keys.data + at + strlen(prefix);
		char instance[sizeof(VIEW_INSTANCES) + LEASE_ID_SIZE];

		snprintf(instance, sizeof(instance), VIEW_INSTANCES "%s", id);
		if (strcmp(id, x->engine.lease) != 0 && !is_named(x, id) &&
		    !etcd_step_has(&x->step, instance))
			etcd_step_write(&x->step, keys.data + at, NULL, 0);
	}
}

static void tidy(struct engine *e)
{
	struct etcd_engine *x = of(e);

	do { /* a dead one's last step may have come between */
		end_the_gone(x);
		tidy_below(x, VIEW_STATIONS);
		tidy_below(x, VIEW_STEPS);
	} while (commit(e, true, false) == ENGINE_AGAIN);
	/* what fails otherwise is left to whoever comes next */
}

static int start(struct engine *e, const struct engine_hooks *hooks)
{
	struct etcd_engine *x = of(e);

	return etcd_follow_start(&x->follow, x->lease_seconds * 1000 / 4,
				 hooks);
}

static bool stop(struct engine *e)
{
	etcd_follow_stop(&of(e)->follow);
	return true;
}

/* What nobody will need: our own keys, at once and in any case. */
static void leave(struct etcd_engine *x)
{
	struct wait w = wait_for_ms(FREE_WAIT_MS);
	const char *keys[] = { x->instance, x->station, x->step_key };
	_cleanup_buffer_ struct buffer body = {};
	_cleanup_reply_ cJSON *reply = NULL;
	int r = buffer_append_string(&body, "{\"success\":[");

	for (size_t i = 0; r == 0 && i < 3; i++) {
		if (!*keys[i])
			continue;
		if (body.data[body.len - 1] != '[')
			r = buffer_append_string(&body, ",");
		if (r == 0)
			r = buffer_append_string(&body, "{\"request_delete_"
							"range\":{");
		if (r == 0)
			r = etcd_step_append_key(&body, x->address.prefix,
						 keys[i], false);
		if (r == 0)
			r = buffer_append_string(&body, "}}");
	}
	if (r == 0)
		r = buffer_append_string(&body, "]}");
	if (r == 0)
		etcd_call(&x->talk, "kv/txn", &body, &w, &reply);
}

static void end_lease(struct etcd_engine *x)
{
	struct wait w = wait_for_ms(FREE_WAIT_MS);
	int64_t lease = etcd_follow_lease(&x->follow);
	_cleanup_buffer_ struct buffer body = {};
	_cleanup_reply_ cJSON *reply = NULL;

	if (lease &&
	    buffer_printf(&body, "{\"ID\":\"%lld\"}", (long long)lease) == 0)
		etcd_call(&x->talk, "lease/revoke", &body, &w, &reply);
}

/* Of those who died in our time, and whose last record was taken over. */
static void tidy_once_more(struct etcd_engine *x)
{
	struct wait w = wait_for_ms(FREE_WAIT_MS);

	if (!*x->engine.lease || x->in_doubt)
		return;
	begin(&x->engine, &w);
	tidy(&x->engine);
	end(&x->engine);
}

static void free_engine(struct engine *e)
{
	struct etcd_engine *x = of(e);

	etcd_follow_stop(&x->follow);
	tidy_once_more(x);
	if (!x->observer || x->bond.step_mod)
		leave(x);
	end_lease(x);
	etcd_follow_release(&x->follow);
	etcd_release(&x->talk);
	etcd_step_release(&x->step);
	etcd_step_release(&x->doubted);
	etcd_step_release(&x->wrong);
	etcd_view_release(&x->view);
	etcd_secrets_release(&x->secrets);
	etcd_address_release(&x->address);
	free(x->where);
	free(x);
}

static const struct engine_type etcd_engine_type = {
	.join = join,
	.tidy = tidy,
	.free = free_engine,
	.start = start,
	.stop = stop,
	.begin = begin,
	.load = load,
	.find = find,
	.list = list,
	.judge = judge,
	.put = put,
	.remove = remove_key,
	.commit = commit,
	.discard = discard,
	.end = end,
	.is_untouched = is_untouched,
	.mark = mark,
	.catch_up = catch_up,
	.peek = peek,
	.copy = copy,
	.is_current = is_current,
	.others = others,
	.probe = probe,
	.sign = sign,
	.is_in_use = is_in_use,
	.explain = explain,
};

/* A tool's steps have a key, too, for as long as it runs. */
static void name_observer(struct etcd_engine *x)
{
	struct etcd_bond bond = {};

	new_number(&bond);
	snprintf(x->step_key, sizeof(x->step_key), VIEW_STEPS "tool-%s",
		 bond.number);
}

static int connect_to(struct etcd_engine *x, const char *address,
		      struct buffer *why, const struct wait *w)
{
	int r = etcd_address_parse(&x->address, address);

	if (r == 0)
		r = etcd_secrets_read(&x->secrets, &x->address, why);
	if (r == 0 && !(x->where = strdup(address)))
		r = -ENOMEM;
	if (r == 0)
		r = etcd_init(&x->talk, &x->address, &x->secrets);
	if (r == 0)
		r = etcd_follow_init(&x->follow, &x->address, &x->secrets,
				     &x->view, x->instance);
	if (r < 0)
		return r;
	x->engine.where = x->where;
	x->engine.keeper = x->where;
	x->bond.prefix = x->address.prefix;
	x->bond.step_key = x->step_key;
	return etcd_follow_read(&x->talk, &x->view, x->address.prefix, w);
}

int engine_etcd_open(struct engine **ret_engine,
		     const struct registry_options *options,
		     const char *address, const struct wait *w)
{
	struct etcd_engine *x = calloc(1, sizeof(*x));
	_cleanup_buffer_ struct buffer why = {};
	int r;

	if (!x)
		return -ENOMEM;
	x->engine.type = &etcd_engine_type;
	x->engine.confirms = true;
	x->host = options->host;
	x->observer = options->observer;
	x->lease_seconds = options->lease_ms ? options->lease_ms / 1000
					     : LEASE_SECONDS;
	r = etcd_view_init(&x->view, x->engine.lease);
	etcd_step_init(&x->step, &x->view);
	etcd_step_init(&x->doubted, &x->view);
	etcd_step_init(&x->wrong, &x->view);
	if (x->observer)
		name_observer(x);
	if (r == 0)
		r = connect_to(x, address, &why, w);
	if (r < 0 && options->why) {
		if (why.len)
			buffer_append(options->why, why.data, why.len);
		else if (x->engine.where)
			explain(&x->engine, r, options->why);
	}
	if (r < 0) {
		x->observer = true; /* there is nothing to leave */
		free_engine(&x->engine);
		return r;
	}
	*ret_engine = &x->engine;
	return 0;
}
