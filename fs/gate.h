/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The gate: every operation that writes a document, its name or its attributes
 * passes here, and here only is anybody refused.
 *
 *	an open		gate_open(), then gate_close() with the handle
 *	a name		gate_name() for each one involved, gate_enter(), the
 *			operation, gate_leave()
 *	an attribute	gate_check()
 *
 * Each is told who is asking: caller_get(), once per request.
 *
 * What returns int returns 0 or the -errno to reply: -EBUSY if another owner
 * has it, or has changed it unread (fs/stale_save.h), logged and in the
 * history; -ETIMEDOUT, logged; -EINTR; -ESTALE if
 * the name now leads elsewhere, and then the kernel looks and asks again; or
 * what the registry met.
 */
#ifndef FS_GATE_H
#define FS_GATE_H

#include "fs/caller.h"
#include "fs/camfs.h"
#include "fs/stale_save.h"

/* What a handle that can write has. */
struct grant {
	struct checkout *checkout; /* of a document */
	char *folder; /* of a scratch file: the path of its folder */
	struct seen_write *write;  /* NULL if nobody asks for it */
	struct seen_version after; /* if it was written: what it is now */
	bool mapped;		   /* it was, when its handle was released */
	uid_t uid;		   /* who opened it */
	pid_t pid;		   /* the whole process */
};

/* For a handle on a known file, with open(2)'s flags, or on a name about to be
 * created. A file that is deleted, but open somewhere, has no name: nothing is
 * taken, or refused. */
int gate_open(const struct caller *who, struct inode *inode, int flags,
	      struct grant *ret_grant);

/* For emptying the file of a handle that can write. */
int gate_empty(const struct caller *who, struct inode *inode,
	       const struct grant *grant);

int gate_create(const struct caller *who, struct inode *dir, const char *name,
		struct grant *ret_grant);

/* For a handle on a new file without a name: only when it is given one,
 * anything is taken, or refused. */
int gate_tmpfile(const struct caller *who, struct grant *ret_grant);

/* Whether a path that was taken for an inode is still one of its names. */
bool gate_still_leads(struct camfs *fs, const char *path, struct inode *inode);

/* Gives it back; `flushed`: it was counted as such; `written`: the document
 * was changed through it (and grant->after is set), which goes into the history
 * with the last handle. */
void gate_close(struct camfs *fs, struct grant *grant, bool flushed,
		bool written);

/* A name that is made, removed or moved. */
struct gate_name {
	struct inode *dir;
	int dirfd;
	const char *name;
	struct inodes *inodes;
	struct inode *inode; /* what it leads to, if the kernel knows; kept */
	struct stat st;	     /* of that; st_nlink 0: there is nothing */
	char *path;
	bool document;
	struct checkout *checkout; /* while it is taken */
	struct seen_write *write;  /* so long */
	struct history *history;
	struct record saved; /* a checkout that ended with it; else no user */
	char *version;	     /* that was kept: fs/undo.h */
};

/* What was saved goes into the history with the release: the caller need not
 * wait for that. */
int gate_name(struct camfs *fs, struct inode *dir, int dirfd, const char *name,
	      struct gate_name *ret_name);
void gate_name_release(struct gate_name *n);

/* Takes the documents among the names, and the folders with all below them. */
int gate_enter(const struct caller *who, struct gate_name *names, size_t n);

/* It is done, with this result (0 or -errno): each name that changed now
 * exists or not, and was `written` or not. */
void gate_leave(const struct caller *who, struct gate_name *n, int result,
		bool exists, bool written);

/* Whether another has a name, taking nothing. When something was made there,
 * gate_made() ends what waited for that. */
int gate_check_name(const struct caller *who, struct gate_name *n);
void gate_made(const struct caller *who, const struct gate_name *n);

/* The same for a file's attributes, which its owner may also change right
 * after he closed it. */
int gate_check(const struct caller *who, struct inode *inode);

/* A folder was renamed, or removed: what its owner has below follows, or ends.
 * `exchange`: what was at `to` is now at `from`, and is a folder, too. */
void gate_folder_moved(const struct caller *who, const char *from,
		       const char *to, bool exchange);
void gate_folder_gone(const struct caller *who, const char *path);

/* Whether a name is a document's. */
bool gate_is_document(const struct caller *who, const char *path);

/* Says that something was deleted or renamed, by whom. */
void gate_note(const struct caller *who, const char *event, const char *path);

#define _cleanup_name_ __attribute__((cleanup(gate_name_release)))

#endif
