/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/etcd_judge.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"

/* google.golang.org/grpc/codes, which the gateway hands on */
#define GRPC_INVALID_ARGUMENT 3
#define GRPC_NOT_FOUND 5
#define GRPC_PERMISSION_DENIED 7
#define GRPC_RESOURCE_EXHAUSTED 8
#define GRPC_FAILED_PRECONDITION 9
#define GRPC_UNAVAILABLE 14
#define GRPC_UNAUTHENTICATED 16

/* So often in a row is no accident. */
#define SLAMS 3

static const char *member(const struct etcd *c)
{
	return strstr(c->address->urls[c->at], "://") + 3;
}

static bool is_tls(const struct etcd *c)
{
	return !strncmp(c->address->urls[c->at], "https:", 6);
}

__attribute__((format(printf, 2, 3))) static void say(struct etcd *c,
						      const char *format, ...)
{
	va_list ap;

	LOCK_SCOPE(&c->mutex);
	c->why.len = 0;
	va_start(ap, format);
	if (buffer_vprintf(&c->why, format, ap) < 0)
		c->why.len = 0;
	va_end(ap);
}

static void say_nothing(struct etcd *c)
{
	LOCK_SCOPE(&c->mutex);
	c->why.len = 0;
}

/* ---- no answer ---- */

/* Curl's and the TLS library's words are for the details only. */
static int refuse_its_certificate(struct etcd *c, const char *said)
{
	const char *ca = c->secrets->ca;

	say(c,
	    "'%s' does not prove that it is your etcd (%s): its certificate "
	    "must be for that host, valid, and signed by %s '%s'",
	    member(c), said,
	    ca ? "one in" : "one this machine trusts, or by the 'ca' of",
	    ca ? ca : c->secrets->file);
	return -EACCES;
}

static int our_certificate_refused(struct etcd *c, const char *said)
{
	const char *cert = c->secrets->cert;

	if (cert)
		say(c,
		    "'%s' refuses our certificate '%s' (%s): it must be valid, "
		    "for a client, and signed by whom the etcd trusts",
		    member(c), cert, said);
	else
		say(c,
		    "'%s' wants a certificate of us (%s): 'cert' and 'key' in "
		    "'%s' name one%s",
		    member(c), said, c->secrets->file,
		    c->secrets->is_hidden ? ", but that is not for us to read"
					  : "");
	return -EACCES;
}

/* An unfit file of ours, which was there when we began. */
static int our_file_is_unfit(struct etcd *c, CURLcode code, const char *said)
{
	const struct etcd_secrets *s = c->secrets;

	if (code == CURLE_SSL_CACERT_BADFILE)
		say(c, "cannot use the certificates in '%s' (%s)",
		    s->ca ? s->ca : "this machine's store", said);
	else
		say(c,
		    "cannot use the certificate '%s' with the key '%s' (%s): "
		    "both must be PEM, belong together, and have no pass "
		    "phrase",
		    s->cert ? s->cert : "",
		    s->key    ? s->key
		    : s->cert ? s->cert
			      : "",
		    said);
	return -EACCES;
}

/* With TLS 1.3 a server refuses a client's certificate when that believes all
 * is well; its word on it may be lost with the connection. */
static int was_slammed(struct etcd *c, const struct etcd_outcome *o,
		       unsigned before)
{
	const char *said = *o->said ? o->said : "it ends the connection";

	c->slams = before + 1;
	if (strstr(o->said, "alert") || (o->secured && c->slams >= SLAMS))
		return our_certificate_refused(c, said);
	say(c, "cannot agree on TLS with '%s' (%s)%s", member(c), said,
	    o->secured ? ""
		       : "; to an etcd without it write etcd:, not etcds:");
	return c->slams >= SLAMS ? -EACCES : 0;
}

static bool is_slam(const struct etcd *c, const struct etcd_outcome *o)
{
	if (!is_tls(c) || !o->fresh || o->status != 0)
		return false;
	return o->code == CURLE_SSL_CONNECT_ERROR ||
	       o->code == CURLE_SEND_ERROR || o->code == CURLE_RECV_ERROR ||
	       o->code == CURLE_GOT_NOTHING;
}

static bool has_said(struct etcd *c)
{
	LOCK_SCOPE(&c->mutex);
	return c->why.len > 0;
}

/* Too late an answer says less than whatever was before it. */
static int say_no_answer(struct etcd *c, const struct etcd_outcome *o)
{
	if (o->code == CURLE_ABORTED_BY_CALLBACK ||
	    (o->code == CURLE_OPERATION_TIMEDOUT && has_said(c)))
		return 0;
	if (o->code == CURLE_GOT_NOTHING && !is_tls(c))
		say(c,
		    "'%s' ends the connection without an answer; to an etcd "
		    "with TLS write etcds:, not etcd:",
		    member(c));
	else
		say(c, "'%s': %s", member(c),
		    *o->said ? o->said : curl_easy_strerror(o->code));
	return 0;
}

static int judge_silence(struct etcd *c, const struct etcd_outcome *o,
			 unsigned slams)
{
	c->only_here = true;
	switch (o->code) {
	case CURLE_OUT_OF_MEMORY:
		c->only_here = false;
		return -ENOMEM;
	case CURLE_PEER_FAILED_VERIFICATION:
		return refuse_its_certificate(c, o->said);
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
		return our_file_is_unfit(c, o->code, o->said);
	case CURLE_COULDNT_CONNECT:
	case CURLE_COULDNT_RESOLVE_HOST:
		return say_no_answer(c, o);
	default:
		break;
	}
	c->maybe = true;
	return is_slam(c, o) ? was_slammed(c, o, slams) : say_no_answer(c, o);
}

/* ---- what etcd says of a request ---- */

static int want_user(struct etcd *c)
{
	const struct etcd_secrets *s = c->secrets;

	say(c, "the etcd wants a user: 'user' and 'password' in '%s' %s",
	    s->file,
	    s->is_hidden   ? "would say who, but that is not for us to read"
	    : s->is_untold ? "are not told to all of this address's hosts: see "
			     "'hosts'"
			   : "say who");
	return -EACCES;
}

static int refuse_user(struct etcd *c)
{
	say(c, "the etcd doesn't know the user '%s' with the password in '%s'",
	    c->secrets->user ? c->secrets->user : "", c->secrets->file);
	return -EACCES;
}

static int refuse_prefix(struct etcd *c)
{
	const char *user = c->secrets->user;
	const char *prefix = c->address->prefix;

	say(c,
	    "the user '%s' may not read and write all below '%s/' in the "
	    "etcd: `etcdctl role grant-permission ROLE readwrite --prefix=true "
	    "%s/` lets a role of his",
	    user ? user : "", prefix, prefix);
	return -EACCES;
}

/* The token was for a while, or of a state of users and roles that is not any
 * more. To get another is another request. */
static int forget_token(struct etcd *c, const char *says)
{
	if (!c->token)
		return want_user(c);
	say(c, "the etcd says: %s", says);
	free(take_ptr(c->token));
	return 0;
}

static int judge_argument(struct etcd *c, const char *says)
{
	if (strstr(says, "authentication failed"))
		return refuse_user(c);
	if (strstr(says, "user name is empty"))
		return want_user(c);
	if (strstr(says, "revision of auth store"))
		return forget_token(c, says);
	say(c, "the etcd says: %s", says);
	if (strstr(says, "too large") || strstr(says, "too many"))
		return -E2BIG;
	return strstr(says, "user") || strstr(says, "auth") ? -EACCES : -EIO;
}

static int judge_precondition(struct etcd *c, const char *says)
{
	if (!strstr(says, "authentication is not enabled"))
		return 0;
	say(c,
	    "there is a user in '%s', but the etcd lets everybody in: "
	    "`etcdctl auth enable`, or take 'user' and 'password' out",
	    c->secrets->file);
	return -EACCES;
}

/* The gateway is a client of its own etcd, by that one's certificate. */
static int judge_unavailable(struct etcd *c, const char *says)
{
	if (is_tls(c) && strncmp(says, "etcdserver:", 11) != 0)
		say(c,
		    "'%s' says: %s; with --client-cert-auth its own "
		    "certificate must be good for a client, too "
		    "(extendedKeyUsage)",
		    member(c), says);
	return 0;
}

static int judge_refusal(struct etcd *c, const cJSON *reply)
{
	const cJSON *error = etcd_field(reply, "error");
	const char *says = cJSON_IsString(error) ? error->valuestring : "";

	say(c, "'%s' says: %s", member(c), says);
	switch (etcd_number(reply, "code")) {
	case GRPC_INVALID_ARGUMENT:
		return judge_argument(c, says);
	case GRPC_NOT_FOUND:
		return -ENOKEY;
	case GRPC_PERMISSION_DENIED:
		return refuse_prefix(c);
	case GRPC_RESOURCE_EXHAUSTED:
		return strstr(says, "space") ? -ENOSPC : -E2BIG;
	case GRPC_FAILED_PRECONDITION:
		return judge_precondition(c, says);
	case GRPC_UNAVAILABLE:
		return judge_unavailable(c, says);
	case GRPC_UNAUTHENTICATED:
		return forget_token(c, says);
	default:
		return 0;
	}
}

/* To its other clients a certificate's name is that of a user. */
static int refuse_our_name(struct etcd *c)
{
	const char *cert = c->secrets->cert;

	say(c,
	    "the etcd has users, and its gateway refuses a certificate with a "
	    "CommonName: '%s' must be one without, and 'user' and 'password' "
	    "in '%s' say who we are",
	    cert ? cert : "ours", c->secrets->file);
	return -EACCES;
}

/* Whoever it is; but what stands before an etcd may answer for it, when it is
 * not there just now. */
static int judge_stranger(struct etcd *c, const struct etcd_outcome *o)
{
	const char *text = o->text->len ? o->text->data : "";
	size_t line = strcspn(text, "\r\n");

	if (strstr(text, "CommonName"))
		return refuse_our_name(c);
	c->only_here = true;
	say(c, "'%s' does not answer as an etcd does (HTTP %ld: %.*s)",
	    member(c), o->status, line < 100 ? (int)line : 100, text);
	if (o->status < 500)
		return -EBADMSG;
	c->maybe = true;
	return 0;
}

int etcd_judge(struct etcd *c, const struct etcd_outcome *o, cJSON **ret_reply)
{
	_cleanup_reply_ cJSON *reply = NULL;
	bool had_token = c->token;
	unsigned slams = c->slams;
	int r;

	c->only_here = false;
	c->slams = 0;
	if (o->code != CURLE_OK)
		return judge_silence(c, o, slams);
	reply = cJSON_ParseWithLength(o->text->len ? o->text->data : "",
				      o->text->len);
	if (!cJSON_IsObject(reply))
		return judge_stranger(c, o);
	if (o->status == 200) {
		say_nothing(c);
		*ret_reply = take_ptr(reply);
		return ETCD_ANSWERED;
	}
	r = judge_refusal(c, reply);
	c->maybe |= r == 0 && had_token == !!c->token;
	return r;
}

void etcd_explain(struct etcd *c, struct buffer *b)
{
	LOCK_SCOPE(&c->mutex);
	if (c->why.len > 0)
		buffer_append(b, c->why.data, c->why.len);
}
