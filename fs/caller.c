/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/caller.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FIRM_MS 250 /* as long as a close may be on its way to us */

/* Who is behind Samba is one person at one machine. */
static void find_seat(struct caller *c)
{
	if (!samba_find(c->fs->samba, &c->process, c->uid, &c->seat)) {
		c->seat = (struct samba_seat){};
		return;
	}
	c->uid = c->seat.uid;
	c->record.seat = c->seat.id;
	c->record.client = *c->seat.client ? c->seat.client : NULL;
}

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
	if (fs->seen)
		families_find(fs->families, ctx->pid, ctx->uid, &c->family);
	if (fs->seen && c->family.n) /* the process is in it */
		process_of(c->family.line[0].pid, &c->process);
	else
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
	find_seat(c);
	users_name(fs->users, c->uid, c->user);
}

bool caller_is_smbd(fuse_req_t req)
{
	struct process process;

	return process_of_thread(fuse_req_ctx(req)->pid, &process) == 0 &&
	       samba_is_smbd(&process);
}

bool caller_is(fuse_req_t req, const char *name)
{
	struct process process;

	return process_of_thread(fuse_req_ctx(req)->pid, &process) == 0 &&
	       !strcmp(process.name, name);
}

/* Samba has no word for EBUSY and says "access denied"; ETXTBSY it takes for a
 * sharing violation (source3/lib/errmap_unix.c). NFS-Ganesha has its clients
 * try again for ever after EBUSY; the kernel's nfsd makes an I/O error of it,
 * and of ETXTBSY, too. */
int caller_busy(const struct caller *who)
{
	const char *name = who->process.name;

	if (who->fs->options->busy_errno)
		return -who->fs->options->busy_errno;
	if (who->seat.id[0] || !strncmp(name, "ganesha", 7))
		return -ETXTBSY;
	return strcmp(name, "nfsd") ? -EBUSY : -EACCES;
}

/* Over io_uring the kernel tells nothing of a signal that comes before we have
 * the request (Linux 6.18, fuse_uring_prepare_send()), and libfuse may not pass
 * on one that comes just then. But he still has it. */
static bool was_interrupted(void *arg)
{
	fuse_req_t req = arg;

	return fuse_req_interrupted(req) ||
	       (camfs_of(req)->ring &&
		process_is_signalled(fuse_req_ctx(req)->pid));
}

/* Hardly any program expects EINTR of open(), and SA_RESTART is nothing to it:
 * a timer of its own must not fail it while all it waits for is an answer. */
struct wait caller_wait(const struct caller *who)
{
	struct wait w = wait_for_ms(who->fs->options->lock_timeout);

	w.interrupted = was_interrupted;
	w.interrupted_arg = who->req;
	w.firm_until = clock_now() + FIRM_MS * NSEC_PER_MSEC;
	return w;
}
