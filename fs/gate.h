/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The gate: every operation that writes a document passes here, and here only
 * is anybody refused.
 */
#ifndef FS_GATE_H
#define FS_GATE_H

#include "fs/camfs.h"

/* Who is asking, as a record would say it. */
struct caller {
	struct record record; /* borrows from what follows */
	char user[USER_NAME_SIZE];
	char app[64];
	char pid[16];
	char message[128];
};

void gate_caller(fuse_req_t req, struct caller *ret_caller);

/* Takes `path` for the caller of the request. Waits as SEMANTICS 4 says, and
 * stops waiting when the request is interrupted. Returns 0 with a checkout, or
 * the -errno to reply: -EBUSY if another owner has it, logged and in the
 * history; -ETIMEDOUT, logged; -EINTR; or what the registry met. */
int gate_take(fuse_req_t req, const char *path, struct checkout **ret_checkout);

/* The same for a known file. Without a name on the share (deleted, but still
 * open somewhere) it is no document: 0, and no checkout. -ESTALE if the name
 * now leads elsewhere: the kernel then looks again, and asks again. */
int gate_take_inode(fuse_req_t req, struct inode *inode,
		    struct checkout **ret_checkout);

/* Gives it back; `flushed`: it was counted as such; `written`: the document
 * was changed through it, which goes into the history with the last handle. */
void gate_give_back(struct camfs *fs, struct checkout *co, bool flushed,
		    bool written);

/* The registry's events, for registry_options. */
void gate_on_event(void *camfs, const struct registry_event *event);

#endif
