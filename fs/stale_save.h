/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The stale save: what the gate and the operations tell core/seen.h, and what
 * a person is told of it.
 *
 * Files go by the numbers of inode_name_hash(). Only documents are judged, once
 * they are checked out and before anything is touched. With --stale-save=allow
 * nothing is done here at all.
 */
#ifndef FS_STALE_SAVE_H
#define FS_STALE_SAVE_H

#include "core/seen.h"
#include "core/timestamp.h"
#include "fs/caller.h"

/* Outcome of stale_save_begin() */
#define STALE_SAVE 1

/* What may become of a file's content by a write. */
enum stale_save_kind {
	STALE_SAVE_REPLACES,
	STALE_SAVE_APPENDS, /* nothing is lost */
	STALE_SAVE_REREADS, /* it can be read by the same handle: LibreOffice
			       and SQLite load what they have so opened */
};

enum stale_save_kind stale_save_kind(int open_flags);

/* Why a save is stale: for the log, and for the history as its `holder`. */
struct stale_save {
	struct record changer; /* borrows from what follows */
	struct seen_change change;
	char when[TIMESTAMP_SIZE];
	char host[256]; /* if it was another */
	char text[768];
};

/* An inode is opened for reading only, by this descriptor. */
void stale_save_read(fuse_req_t req, struct inode *inode, int fd);

/* A name, and what is there. */
struct stale_save_file {
	uint64_t name;
	const char *path; /* for people */
	struct seen_version now;
};

/* A document that is checked out is about to be written. Returns 0, and the
 * write, for seen_end(); or STALE_SAVE, if it is to be refused. */
int stale_save_begin(const struct caller *who,
		     const struct stale_save_file *file,
		     enum stale_save_kind kind, struct seen_write **ret_write,
		     struct stale_save *ret_why);

/* A handle's file is about to be emptied. Samba opens all there is to write so
 * that it could be read, and saves by emptying: what its program had not read
 * when it opened the file is not to be lost then. Outcomes as above. */
int stale_save_empty(const struct caller *who, const struct seen_write *write,
		     const char *path, struct stale_save *ret_why);

/* The same for a scratch file, which may become a document. */
struct seen_write *stale_save_begin_scratch(const struct caller *who,
					    uint64_t name);

/* Something was made under a name without checking it out. */
void stale_save_made(const struct caller *who, uint64_t name,
		     const struct seen_version *now);

/* What a descriptor's file is now, or a name in a folder; nothing, if nobody
 * asks, or no name is given. */
struct seen_version stale_save_version(struct camfs *fs, int fd);
struct seen_version stale_save_version_of(struct camfs *fs, int dirfd,
					  const char *name);

/* Around setting an inode's times. */
void stale_save_touched(struct camfs *fs, struct inode *inode, int fd,
			const struct seen_version *before);

/* Around putting a copy of a document in its place: what is at its path, and
 * that it is the same by another inode now. */
struct seen_version stale_save_version_at(struct camfs *fs, const char *path);
void stale_save_copied(struct camfs *fs, const char *path,
		       const struct seen_version *before);

#endif
