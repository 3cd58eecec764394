/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/caller.h"

#include <stdio.h>

void caller_get(fuse_req_t req, const char *verb, struct caller *ret_caller)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	struct camfs *fs = camfs_of(req);
	struct caller *c = ret_caller;
	static char no_seat[] = "";
	const char *app;

	c->req = req;
	c->fs = fs;
	c->uid = ctx->uid;
	users_name(fs->users, ctx->uid, c->user);
	process_of_thread(ctx->pid, &c->process);
	app = c->process.name;
	snprintf(c->pid, sizeof(c->pid), "%d", (int)c->process.pid);
	snprintf(c->message, sizeof(c->message), "%s by %s", verb,
		 *app ? app : "an unknown program");
	c->record = (struct record){
		.user = c->user,
		.message = c->message,
		.host = fs->host,
		.seat = no_seat,
		.pid = c->pid,
		.app = c->process.name,
	};
}

static bool was_interrupted(void *req)
{
	return fuse_req_interrupted(req);
}

struct wait caller_wait(const struct caller *who)
{
	struct wait w = wait_for_ms(who->fs->options->lock_timeout);

	w.interrupted = was_interrupted;
	w.interrupted_arg = who->req;
	return w;
}
