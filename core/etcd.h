/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A conversation with an etcd, by its JSON gateway (etcd 3.4 and newer, "gRPC
 * gateway" in its documentation): POST to /v3/..., JSON both ways. Its traps:
 * 64-bit integers are strings, what is false, empty or 0 is left out, keys and
 * values are base64.
 *
 * A member that does not answer within ETCD_ANSWER_MS is left for the next one,
 * and the same request is made again: it must be one that may be made twice.
 * When all have been asked, they are given twice as long. So it is with one who
 * refuses us, or whom we refuse, by a certificate, until all do.
 *
 * Who has a user and a password gets a token for them, and another one when
 * that has run out.
 *
 * One conversation serves one thread at a time.
 */
#ifndef CORE_ETCD_H
#define CORE_ETCD_H

#include <cjson/cJSON.h>
#include <curl/curl.h>
#include <pthread.h>
#include <stdint.h>

#include "core/buffer.h"
#include "core/etcd_address.h"
#include "core/etcd_secrets.h"
#include "core/wait.h"

#define ETCD_ANSWER_MS 1000

struct etcd {
	const struct etcd_address *address; /* borrowed */
	const struct etcd_secrets *secrets; /* borrowed */
	CURLM *multi;
	CURL *curl;
	char said[CURL_ERROR_SIZE]; /* by curl */
	_Atomic size_t at;	    /* which member we talk to */
	bool maybe; /* etcd_call(): the last request failed, but may have been
		       served, or will be */
	bool only_here; /* the last request failed, but another member may be
			   in order */
	unsigned slams; /* so often in a row TLS came to nothing */
	char *token;	/* of the user, once he is known there */

	pthread_mutex_t mutex; /* a leaf */
	struct buffer why;     /* under mutex: see etcd_explain() */
};

/* Returns 0 or -ENOMEM. */
int etcd_init(struct etcd *c, const struct etcd_address *address,
	      const struct etcd_secrets *secrets);
void etcd_release(struct etcd *c);

/* Makes a request, until a member answers it. Returns 0 with the reply, for
 * cJSON_Delete(); -ETIMEDOUT or -EINTR; or what etcd says of it: -EACCES (a
 * user, password or certificate), -E2BIG, -ENOSPC, -ENOKEY (there is no such
 * lease), -EBADMSG (that is no etcd's answer), -EIO. */
int etcd_call(struct etcd *c, const char *what, const struct buffer *body,
	      const struct wait *w, cJSON **ret_reply);

/* The same, of the current member only, and its answer goes on: on_line() gets
 * each line of it, until it returns false or `w` is over. Returns 0 when the
 * answer ended, or as above. */
int etcd_listen(struct etcd *c, const char *what, const struct buffer *body,
		const struct wait *w, bool (*on_line)(void *arg, cJSON *line),
		void *arg);

/* The next member is to be asked. */
void etcd_turn_away(struct etcd *c);

/* Who we are must be said anew. */
void etcd_log_out(struct etcd *c);

/* Any thread: appends a sentence about what was wrong with the last attempt, if
 * there is one to say. */
void etcd_explain(struct etcd *c, struct buffer *b);

/* From another thread: whether it still is right to wait is to be looked at. */
void etcd_wake(struct etcd *c);

/* ---- what is in a reply ---- */

/* NULL-safe: what is not there is 0, false, or NULL. */
int64_t etcd_number(const cJSON *object, const char *name);
const cJSON *etcd_field(const cJSON *object, const char *name);
bool etcd_is_true(const cJSON *object, const char *name);

/* The revision a reply tells of. */
int64_t etcd_revision(const cJSON *reply);

/* Appends the bytes of a field. Returns 0, -ENOMEM or -EBADMSG. */
int etcd_bytes(const cJSON *object, const char *name, struct buffer *b);

static inline void cleanup_reply(cJSON **reply)
{
	cJSON_Delete(*reply);
}
#define _cleanup_reply_ __attribute__((cleanup(cleanup_reply)))

#endif
