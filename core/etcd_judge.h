/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What came of one request to an etcd: an answer, a reason to try again, or one
 * not to; and whose fault that is, in a sentence. The inside of core/etcd.h.
 *
 * Nothing in a reply is believed but what it says of itself: whoever answers
 * may be no etcd.
 */
#ifndef CORE_ETCD_JUDGE_H
#define CORE_ETCD_JUDGE_H

#include "core/etcd.h"

/* What libcurl says of the transfer. */
struct etcd_outcome {
	CURLcode code;
	long status;		   /* of HTTP; 0: no answer */
	bool fresh;		   /* over a new connection */
	bool secured;		   /* on which TLS was agreed on */
	const char *said;	   /* libcurl's words, "" if it has none */
	const struct buffer *text; /* of the answer */
};

/* Returns ETCD_ANSWERED with the reply, 0 to try again, maybe of another
 * member; or -errno for good. Sets maybe, only_here and the sentence of `c`,
 * and forgets its token if that is good for nothing any more. */
#define ETCD_ANSWERED 1
int etcd_judge(struct etcd *c, const struct etcd_outcome *o, cJSON **ret_reply);

#endif
