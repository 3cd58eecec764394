/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Who is behind a request, as a record would say it.
 */
#ifndef FS_CALLER_H
#define FS_CALLER_H

#include "core/process.h"
#include "fs/camfs.h"
#include "fs/samba.h"

struct caller {
	fuse_req_t req;
	struct camfs *fs;
	uid_t uid;	      /* behind Samba: of the user there */
	struct record record; /* borrows from what follows */
	struct samba_seat seat;
	struct process process;
	struct family family; /* if stale saves are told */
	char user[USER_NAME_SIZE];
	char pid[16];
	char message[128];
};

/* `verb`: what the record's message says he does, "opened for writing". */
void caller_get(fuse_req_t req, const char *verb, struct caller *ret_caller);

/* Whether it is an smbd's request, whoever is behind that. */
bool caller_is_smbd(fuse_req_t req);

/* Whether it is one of a program, or a thread of the kernel, of that name. */
bool caller_is(fuse_req_t req, const char *name);

/* The error that tells him a file is in use. */
int caller_busy(const struct caller *who);

/* How long he may be kept waiting: for the file lock, and not beyond a signal
 * that interrupts the request, but for the first moment. */
struct wait caller_wait(const struct caller *who);

#endif
