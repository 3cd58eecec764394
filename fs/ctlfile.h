/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The open files of `.locks`: what a handle reads, and what writing to it does.
 */
#ifndef FS_CTLFILE_H
#define FS_CTLFILE_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/buffer.h"
#include "fs/camfs.h"

/* A reply is made from it, and as soon as the kernel has that, it may release
 * the handle: so it is counted. */
struct ctlfile {
	struct ctlfile *next, *previous; /* in ctldir.files */
	atomic_int refs;
	enum {
		CTLFILE_TEXT,	 /* `text`, as it was when opened; a listing */
		CTLFILE_FILE,	 /* `fd` */
		CTLFILE_MESSAGE, /* a record: what is written is its message */
		CTLFILE_CONTROL, /* what is written is a request */
		CTLFILE_CHANGES, /* tells when something changed */
	} kind;
	int fd;	   /* else -1 */
	uid_t uid; /* who opened it */
	gid_t gid;
	struct quota *quota; /* where it counts as one of his; or NULL */
	enum quota_of counts_as;
	char *path; /* CTLFILE_MESSAGE */
	struct watch *watch;

	pthread_mutex_t mutex; /* a leaf */
	struct buffer text;    /* under mutex while it can be written */
	off_t answer_at; /* under mutex: CTLFILE_CONTROL: -1: none is due */
	bool busy;	 /* under mutex: the request is being done */
};

static inline struct ctlfile *ctlfile_of(const struct fuse_file_info *fi)
{
	return (struct ctlfile *)(uintptr_t)fi->fh;
}

/* A handle for a path below `.locks`, as the caller opens it with those flags.
 * Returns 0 or -errno. */
int ctlfile_open(fuse_req_t req, const char *path, int flags,
		 struct ctlfile **ret_file);

/* A handle on a text, which is taken over. Returns 0 or -errno. */
int ctlfile_new(fuse_req_t req, struct buffer *text, struct ctlfile **ret_file);
void ctlfile_unref(struct ctlfile *f);

/* They reply. */
void ctlfile_read(fuse_req_t req, struct ctlfile *f, size_t size, off_t offset);
void ctlfile_write(fuse_req_t req, struct ctlfile *f, struct fuse_bufvec *data);
void ctlfile_poll(fuse_req_t req, struct ctlfile *f,
		  struct fuse_pollhandle *ph);

/* Keeps the document of that path. Returns 0 or -errno. */
int ctlfile_keep(fuse_req_t req, const char *path, const char *message);

/* Its checkin, or an admin's break. */
int ctlfile_remove(fuse_req_t req, const char *path);

#endif
