/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Versions: documents as they were before they were written.
 *
 *	.camlock/versions/tree/PATH/TIME-USER
 *
 * TIME is when it ceased to be the document, USER who wrote then
 * (core/stamp.h). Each file has the owner, mode and ACL of the document, and
 * the folders of `tree` those of the folders on the share: so who is let in by
 * them may see what he could have read then. `versions` itself lets nobody in
 * but the daemon, who opens `tree` for him.
 *
 * A file that is about to lose its last name, and that nobody has open, is
 * linked in, at no cost; of all others a copy is made, which shares the blocks
 * where the file system can do that.
 *
 * Per document the newest ones are left, and of all of them no more than some
 * space, and only while the file system has room for the saves themselves: the
 * oldest go first.
 */
#ifndef CORE_VERSIONS_H
#define CORE_VERSIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VERSIONS_DIR "versions"
#define VERSIONS_TREE VERSIONS_DIR "/tree"

struct versions;

struct versions_options {
	int share_dir;	   /* borrowed, as the next */
	int state_dir;	   /* `.camlock` */
	unsigned keep;	   /* of each document, > 0 */
	uint64_t space;	   /* bytes for all; 0: a tenth of the file system */
	uint64_t copy_max; /* larger files are kept only if it is no work */
};

int versions_open(struct versions **ret_versions,
		  const struct versions_options *options);
void versions_free(struct versions *v); /* NULL-safe */

/* Where all are, for who is let in; borrowed. */
int versions_tree(const struct versions *v);

/* What is to be kept. */
struct versions_source {
	int fd;		  /* of the file, for reading */
	int dir;	  /* where it may be linked from, or -1 */
	const char *name; /* there */
};

/* How much stays free beside versions, on the file system of a folder. */
uint64_t versions_reserve(int dir);

/* Keeps the document at `path`, which `user` is about to write. Returns 1 with
 * the version's name; 0 if it is empty, or no regular file; -EFBIG if it is too
 * large to be copied, or for the space of all; -ENOSPC if there is no room; or
 * another -errno. */
int versions_keep(struct versions *v, const char *path,
		  const struct versions_source *from, const char *user,
		  char **ret_name);

/* It was not needed. */
void versions_drop(struct versions *v, const char *path, const char *name);

/* After a document was written: removes what is too much. */
void versions_prune(struct versions *v, const char *path);

#endif
