/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/gate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/process.h"
#include "fs/file.h"
#include "fs/log.h"

void gate_caller(fuse_req_t req, struct caller *ret_caller)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	struct camfs *fs = camfs_of(req);
	struct caller *c = ret_caller;
	static char no_seat[] = "";
	struct process process;

	users_name(fs->users, ctx->uid, c->user);
	process_of_thread(ctx->pid, &process);
	snprintf(c->app, sizeof(c->app), "%s", process.name);
	snprintf(c->pid, sizeof(c->pid), "%d", (int)process.pid);
	snprintf(c->message, sizeof(c->message), "opened for writing by %s",
		 c->app[0] ? c->app : "an unknown program");
	c->record = (struct record){
		.user = c->user,
		.message = c->message,
		.host = fs->host,
		.seat = no_seat,
		.pid = c->pid,
		.app = c->app,
	};
}

static const char *or_unknown(const char *s)
{
	return s && *s ? s : "unknown";
}

/* The only place where a conflict becomes an error number. */
static int refuse(struct camfs *fs, const char *path, const struct caller *who,
		  const struct record *holder)
{
	log_warning("refused '%s' to %s (%s, pid %s): checked out by %s on %s "
		    "since %s, \"%s\"",
		    path, who->user, or_unknown(who->app), who->pid,
		    holder->user, or_unknown(holder->host),
		    or_unknown(holder->timestamp),
		    holder->message ? holder->message : "");
	history_append(&fs->history, HISTORY_REFUSED, path, &who->record,
		       holder);
	return -EBUSY;
}

static int failed(struct camfs *fs, const char *path, int error)
{
	if (error == -ETIMEDOUT)
		log_error("cannot check out '%s': another program has held the "
			  "file lock '%s.lock' for more than %u ms; see who "
			  "with fuser(1)",
			  path, fs->share.locks_name,
			  fs->options->lock_timeout);
	else if (error != -EINTR)
		log_error("cannot check out '%s': recording it in '%s': %s",
			  path, fs->share.locks_name, strerror(-error));
	return error;
}

static bool was_interrupted(void *req)
{
	return fuse_req_interrupted(req);
}

int gate_take(fuse_req_t req, const char *path, struct checkout **ret_checkout)
{
	struct camfs *fs = camfs_of(req);
	_cleanup_record_ struct record holder = {};
	struct wait w = wait_for_ms(fs->options->lock_timeout);
	struct caller who;
	int r;

	w.interrupted = was_interrupted;
	w.interrupted_arg = req;
	gate_caller(req, &who);
	r = checkouts_take(fs->checkouts, path, &who.record, &w, ret_checkout,
			   &holder);
	if (r == CHECKOUTS_REFUSED)
		return refuse(fs, path, &who, &holder);
	return r < 0 ? failed(fs, path, r) : r;
}

/* Whether the last of its names is gone. */
static bool is_deleted(struct camfs *fs, struct inode *inode)
{
	_cleanup_close_ int fd = file_open_inode(fs, inode);
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && st.st_nlink == 0;
}

int gate_take_inode(fuse_req_t req, struct inode *inode,
		    struct checkout **ret_checkout)
{
	struct camfs *fs = camfs_of(req);
	_cleanup_free_ char *path = NULL;
	int r;

	if (!inodes_name_is_right(&fs->inodes, inode))
		return is_deleted(fs, inode) ? 0 : -ESTALE;
	path = inodes_path(&fs->inodes, inode, &r);
	return path ? gate_take(req, path, ret_checkout) : r;
}

void gate_give_back(struct camfs *fs, struct checkout *co, bool flushed,
		    bool written)
{
	_cleanup_free_ char *path = strdup(checkout_path(co));
	_cleanup_record_ struct record was = {};

	if (checkouts_give_back(fs->checkouts, co, flushed, written, &was) &&
	    path)
		history_append(&fs->history, HISTORY_SAVED, path, &was, NULL);
}

/* ---- what the registry has to tell ---- */

static void on_record_event(struct camfs *fs, const struct registry_event *e)
{
	const struct record *r = e->record;
	const char *user = r ? r->user : "unknown";
	const char *since = r ? or_unknown(r->timestamp) : "unknown";

	switch (e->type) {
	case REGISTRY_REAPED:
		log_warning("reaped '%s': checked out by %s on %s since %s by "
			    "a mount that is gone",
			    e->path, user, or_unknown(r ? r->host : NULL),
			    since);
		history_append(&fs->history, HISTORY_REAPED, e->path, r, NULL);
		break;
	case REGISTRY_REASSERTED:
		log_warning("reasserted '%s': its record (%s, since %s) was "
			    "lost from '%s' while the file is open",
			    e->path, user, since, fs->share.locks_name);
		history_append(&fs->history, HISTORY_REASSERTED, e->path, r,
			       NULL);
		break;
	default:
		log_error("lost '%s': %s has recorded it in '%s', though it is "
			  "open for writing here; both may write",
			  e->path, user, fs->share.locks_name);
		history_append(&fs->history, HISTORY_LOST, e->path, NULL, r);
	}
}

void gate_on_event(void *camfs, const struct registry_event *e)
{
	struct camfs *fs = camfs;

	switch (e->type) {
	case REGISTRY_MENDED:
		log_error("'%s' was damaged; it is kept as '%s', and the last "
			  "good state is back in its place",
			  fs->share.locks_name, e->path);
		history_append(&fs->history, HISTORY_DAMAGED, e->path, NULL,
			       NULL);
		break;
	case REGISTRY_STUCK:
		log_error("cannot write checkins to '%s': %s; they wait, and "
			  "the paths stay checked out until it can be written",
			  fs->share.locks_name, strerror(-e->error));
		break;
	default:
		on_record_event(fs, e);
	}
}
