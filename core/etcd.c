/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/etcd.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/base64.h"
#include "core/cleanup.h"
#include "core/etcd_judge.h"
#include "core/json.h"

#define CONNECT_MS 1000L /* where there is no other limit */
#define PATIENCE_MAX_MS 60000
#define PAUSE (20 * NSEC_PER_MSEC) /* when all members were asked once */
#define REPLY_MAX (1UL << 28)
#define LOOK_EVERY_MS 20
#define LISTEN_LOOK_MS 10000 /* or when woken */

/* ---- what is in a reply ---- */

const cJSON *etcd_field(const cJSON *object, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(object, name);
}

int64_t etcd_number(const cJSON *object, const char *name)
{
	const cJSON *field = etcd_field(object, name);

	if (cJSON_IsString(field))
		return strtoll(field->valuestring, NULL, 10);
	return cJSON_IsNumber(field) ? field->valueint : 0;
}

bool etcd_is_true(const cJSON *object, const char *name)
{
	return cJSON_IsTrue(etcd_field(object, name));
}

int64_t etcd_revision(const cJSON *reply)
{
	return etcd_number(etcd_field(reply, "header"), "revision");
}

int etcd_bytes(const cJSON *object, const char *name, struct buffer *b)
{
	const cJSON *field = etcd_field(object, name);

	if (!field)
		return buffer_append(b, "", 0);
	return cJSON_IsString(field) ? base64_decode(b, field->valuestring)
				     : -EBADMSG;
}

/* ---- one request ---- */

/* What comes is taken here: whole, or line by line. */
struct answer {
	struct buffer text;
	bool (*on_line)(void *arg, cJSON *line); /* NULL: whole */
	void *arg;
	bool enough; /* on_line() wants no more */
};

static bool take_line(struct answer *a, const char *line, size_t len)
{
	_cleanup_reply_ cJSON *json = cJSON_ParseWithLength(line, len);

	return json && a->on_line(a->arg, json);
}

static size_t take(char *data, size_t one, size_t n, void *arg)
{
	struct answer *a = arg;
	size_t begin = 0, seen = a->text.len;
	char *end;

	if (a->text.len + n > REPLY_MAX || buffer_append(&a->text, data, n) < 0)
		return 0;
	while (a->on_line && !a->enough &&
	       (end = memchr(a->text.data + seen, '\n', a->text.len - seen))) {
		a->enough = !take_line(a, a->text.data + begin,
				       (size_t)(end - a->text.data) - begin);
		seen = begin = (size_t)(end - a->text.data) + 1;
	}
	memmove(a->text.data, a->text.data + begin, a->text.len - begin);
	a->text.len -= begin;
	return a->enough ? 0 : n;
}

static long time_left_ms(const struct wait *w)
{
	uint64_t now = clock_now();

	if (w->deadline <= now)
		return 1;
	if (w->deadline - now > 3600 * NSEC_PER_SEC)
		return 3600 * 1000;
	return (long)((w->deadline - now) / NSEC_PER_MSEC) + 1;
}

static struct curl_slist *make_headers(const struct etcd *c)
{
	struct curl_slist *list = curl_slist_append(NULL, "Content-Type: "
							  "application/json");
	_cleanup_buffer_ struct buffer b = {};

	if (c->token && buffer_printf(&b, "Authorization: %s", c->token) == 0)
		list = curl_slist_append(list, b.data);
	return list;
}

/* Looks now and then whether it still is right to wait. */
static CURLcode transfer(struct etcd *c, const struct wait *w, int look_every)
{
	CURLcode code = CURLE_ABORTED_BY_CALLBACK;
	int running = 1, left;
	CURLMsg *message;
	CURLMcode m = curl_multi_add_handle(c->multi, c->curl);

	while (m == CURLM_OK) {
		m = curl_multi_perform(c->multi, &running);
		if (m != CURLM_OK || !running || wait_check(w) < 0)
			break;
		m = curl_multi_poll(c->multi, NULL, 0, look_every, NULL);
	}
	while ((message = curl_multi_info_read(c->multi, &left)))
		if (message->msg == CURLMSG_DONE)
			code = message->data.result;
	curl_multi_remove_handle(c->multi, c->curl);
	return code;
}

static CURLcode perform(struct etcd *c, const char *what,
			const struct buffer *body, const struct wait *w,
			long ms, struct answer *a, long *ret_status)
{
	struct curl_slist *headers = make_headers(c);
	_cleanup_buffer_ struct buffer url = {};
	CURLcode code = CURLE_OUT_OF_MEMORY;

	c->said[0] = '\0';
	if (buffer_printf(&url, "%s/v3/%s", c->address->urls[c->at], what) ==
	    0) {
		curl_easy_setopt(c->curl, CURLOPT_URL, url.data);
		curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, headers);
		curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE_LARGE,
				 (curl_off_t)body->len);
		curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, body->data);
		curl_easy_setopt(c->curl, CURLOPT_TIMEOUT_MS, ms);
		curl_easy_setopt(c->curl, CURLOPT_CONNECTTIMEOUT_MS,
				 ms ? (ms + 1) / 2 : CONNECT_MS);
		curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, a);
		code = transfer(c, w, ms ? LOOK_EVERY_MS : LISTEN_LOOK_MS);
		curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, NULL);
	}
	curl_slist_free_all(headers);
	*ret_status = 0;
	curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, ret_status);
	return code;
}

/* ---- who we are ---- */

static int log_in(struct etcd *c, const struct wait *w);

static int try_once(struct etcd *c, const char *what, const struct buffer *body,
		    const struct wait *w, long patience, cJSON **ret_reply)
{
	struct answer a = {};
	struct etcd_outcome o = { .text = &a.text, .said = c->said };
	long left = time_left_ms(w);
	curl_off_t secured = 0;
	long connects = 0;
	int r;

	o.code = perform(c, what, body, w, left < patience ? left : patience,
			 &a, &o.status);
	curl_easy_getinfo(c->curl, CURLINFO_APPCONNECT_TIME_T, &secured);
	curl_easy_getinfo(c->curl, CURLINFO_NUM_CONNECTS, &connects);
	o.secured = secured > 0;
	o.fresh = connects > 0;
	r = etcd_judge(c, &o, ret_reply);
	buffer_release(&a.text);
	return r;
}

static int try_all(struct etcd *c, const char *what, const struct buffer *body,
		   const struct wait *w, cJSON **ret_reply)
{
	long patience = ETCD_ANSWER_MS;
	size_t refusals = 0; /* in a row */

	for (size_t tries = 1;; tries++) {
		int r = try_once(c, what, body, w, patience, ret_reply);

		if (r > 0)
			return 0;
		refusals = r < 0 ? refusals + 1 : 0;
		if (r < 0 && (!c->only_here || refusals >= c->address->n))
			return r;
		etcd_turn_away(c);
		if (tries % c->address->n == 0 && patience < PATIENCE_MAX_MS)
			patience *= 2; /* they may all be slow */
		r = tries % c->address->n ? wait_check(w)
					  : wait_sleep(w, PAUSE);
		if (r < 0)
			return r;
		if (c->secrets->user && !c->token &&
		    strcmp(what, "auth/authenticate") != 0) {
			r = log_in(c, w);
			if (r < 0)
				return r;
		}
	}
}

/* It becomes a line of a request's head. */
static bool is_token(const char *text)
{
	while (*text > ' ' && *text < 127)
		text++;
	return !*text;
}

static int log_in(struct etcd *c, const struct wait *w)
{
	_cleanup_buffer_ struct buffer body = {};
	_cleanup_reply_ cJSON *reply = NULL;
	const struct etcd_secrets *s = c->secrets;
	const cJSON *token;
	int r = buffer_append_string(&body, "{\"name\":");

	if (r == 0)
		r = json_append_string(&body, s->user);
	if (r == 0)
		r = buffer_append_string(&body, ",\"password\":");
	if (r == 0)
		r = json_append_string(&body, s->password);
	if (r == 0)
		r = buffer_append_string(&body, "}");
	if (r == 0)
		r = try_all(c, "auth/authenticate", &body, w, &reply);
	if (body.data)
		explicit_bzero(body.data, body.cap);
	if (r < 0)
		return r;
	token = etcd_field(reply, "token");
	if (!cJSON_IsString(token) || !is_token(token->valuestring))
		return -EBADMSG;
	c->token = strdup(token->valuestring);
	return c->token ? 0 : -ENOMEM;
}

int etcd_call(struct etcd *c, const char *what, const struct buffer *body,
	      const struct wait *w, cJSON **ret_reply)
{
	int r = 0;

	if (c->secrets->user && !c->token)
		r = log_in(c, w);
	c->maybe = false;
	return r < 0 ? r : try_all(c, what, body, w, ret_reply);
}

int etcd_listen(struct etcd *c, const char *what, const struct buffer *body,
		const struct wait *w, bool (*on_line)(void *arg, cJSON *line),
		void *arg)
{
	struct answer a = { .on_line = on_line, .arg = arg };
	struct wait for_login = wait_for_ms(ETCD_ANSWER_MS);
	long status = 0;
	int r = 0;

	for_login.interrupted = w->interrupted;
	for_login.interrupted_arg = w->interrupted_arg;
	for_login.firm_until = w->firm_until;
	if (c->secrets->user && !c->token)
		r = log_in(c, &for_login);
	if (r == 0)
		perform(c, what, body, w, 0, &a, &status);
	if (r == 0 && status == 401)
		etcd_log_out(c);
	buffer_release(&a.text);
	return r == 0 && !a.enough ? wait_check(w) : r;
}

void etcd_wake(struct etcd *c)
{
	curl_multi_wakeup(c->multi);
}

void etcd_log_out(struct etcd *c)
{
	free(take_ptr(c->token));
}

void etcd_turn_away(struct etcd *c)
{
	c->at = (c->at + 1) % c->address->n;
}

/* ---- beginning and end ---- */

static void init_curl(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

static void set_tls(CURL *curl, const struct etcd_secrets *s)
{
	curl_easy_setopt(curl, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
	/* a certificate that was renewed counts from the next connection on */
	curl_easy_setopt(curl, CURLOPT_CA_CACHE_TIMEOUT, 0L);
	if (s->ca) {
		curl_easy_setopt(curl, CURLOPT_CAINFO, s->ca);
		curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
	}
	if (s->cert)
		curl_easy_setopt(curl, CURLOPT_SSLCERT, s->cert);
	if (s->key)
		curl_easy_setopt(curl, CURLOPT_SSLKEY, s->key);
	/* none, or the terminal would be asked for one */
	curl_easy_setopt(curl, CURLOPT_KEYPASSWD, "");
}

/* Nothing of the environment's: no proxy, no signal, no redirection. */
static void set_options(struct etcd *c)
{
	curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c->curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(c->curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c->curl, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(c->curl, CURLOPT_TCP_KEEPIDLE, 5L);
	curl_easy_setopt(c->curl, CURLOPT_TCP_KEEPINTVL, 2L);
	curl_easy_setopt(c->curl, CURLOPT_POST, 1L);
	curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(c->curl, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, c->said);
	set_tls(c->curl, c->secrets);
}

int etcd_init(struct etcd *c, const struct etcd_address *address,
	      const struct etcd_secrets *secrets)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, init_curl);
	*c = (struct etcd){ .address = address,
			    .secrets = secrets,
			    .multi = curl_multi_init(),
			    .curl = curl_easy_init() };
	pthread_mutex_init(&c->mutex, NULL);
	if (!c->curl || !c->multi) {
		etcd_release(c);
		return -ENOMEM;
	}
	set_options(c);
	return 0;
}

void etcd_release(struct etcd *c)
{
	if (!c->address)
		return;
	if (c->curl)
		curl_easy_cleanup(c->curl);
	if (c->multi)
		curl_multi_cleanup(c->multi);
	free(c->token);
	buffer_release(&c->why);
	pthread_mutex_destroy(&c->mutex);
	*c = (struct etcd){};
}
