/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The open checkouts of one mount: which paths are taken through it, by whom,
 * and by how many uses: handles that can write, and operations on the name
 * that are under way.
 *
 * All uses of one owner share one checkout and one record: the first takes it
 * from the registry, the last gives it back.
 *
 *	checkouts_take() ... checkouts_flushed() ... checkouts_give_back()
 *
 * A close is a checkin before the next open is judged. The kernel tells of the
 * last close (RELEASE) only after close() returned, but of each close (FLUSH)
 * before: so when all handles of the holder have been flushed, another owner
 * waits for CHECKOUTS_GRACE_MS before he is refused. FLUSH alone ends nothing:
 * a forked child or a dup() flushes too, and a mapping outlives it.
 *
 * A save is one checkout, whatever its steps. So without any use left a
 * checkout still stays
 *  - while its name, which the owner has renamed away or deleted, does not
 *    exist again, but at most for CHECKOUTS_RESERVED_MS;
 *  - while the process that used it last can write to a scratch file in the
 *    same folder, which it is going to rename;
 *  - for the time to linger, if the mount was told one.
 */
#ifndef CORE_CHECKOUTS_H
#define CORE_CHECKOUTS_H

#include <sys/types.h>

#include "core/buffer.h"
#include "core/record.h"
#include "core/registry.h"

#define CHECKOUTS_GRACE_MS 250
#define CHECKOUTS_RESERVED_MS 10000

/* Another owner has the path. */
#define CHECKOUTS_REFUSED 1

struct checkouts;
struct checkout;

/* One path that is wanted; the checkout is set on success. */
struct checkout_claim {
	const char *path;
	bool tree;	/* a folder, with everything below it */
	bool operation; /* on the name: nobody takes the path over until
			   checkouts_operation_done() */
	struct checkout *checkout;
};

int checkouts_open(struct checkouts **ret_checkouts, struct registry *r,
		   unsigned linger_ms);

/* All checkouts must have been given back. NULL-safe. */
void checkouts_free(struct checkouts *c);

/* Takes all the paths, which differ, for one more use each by the owner that
 * `want` describes (user, host, seat; message, pid and app for the record), or
 * none. Returns 0; CHECKOUTS_REFUSED with what is in the way, for the caller
 * to release; or the -errno of registry_checkout(). */
int checkouts_take(struct checkouts *c, struct checkout_claim *claims, size_t n,
		   const struct record *want, const struct wait *w,
		   struct registry_conflict *ret_conflict);

/* Whether that would be refused, taking nothing. `after_close`: an owner who
 * has just given the path back is not. */
int checkouts_check(struct checkouts *c, const char *path, bool tree,
		    bool after_close, const struct record *want,
		    const struct wait *w,
		    struct registry_conflict *ret_conflict);

/* Who has a path through this mount just now, for the caller to release; one
 * who has closed it has it no more. Returns 0, -ENOENT if nobody has, or
 * -ENOMEM. */
int checkouts_holder(struct checkouts *c, const char *path,
		     struct record *ret_holder);

/* Appends the paths, each with a NUL behind it, of the files that another owner
 * has through this mount, or is just taking. Names that only wait to exist
 * again are not among them. Returns 0 or -ENOMEM. */
int checkouts_list_others(struct checkouts *c, const struct record *owner,
			  struct buffer *ret_paths);

/* Keeps the paths, as registry_keep(); others who have just closed one of them
 * are waited for. Returns 0; CHECKOUTS_REFUSED with what is in the way; or
 * -errno. */
int checkouts_keep(struct checkouts *c, const char *const *paths, size_t n,
		   const struct record *want, const struct wait *w,
		   size_t *ret_new, struct registry_conflict *ret_conflict);

/* A path that is being taken from whoever has it. The caller sets the path,
 * and the rest to zero. */
struct seizure {
	const char *path;
	struct checkout *checkout; /* our use of it, to be given up. NULL: the
				      path was named before */
	struct checkout *old;	   /* his, if he has it through this mount */
	struct record was;	   /* user NULL: nobody had it */
	char *writer; /* who can still write, by handles of this mount: a
			 user; whatever the record says. NULL: nobody */
};

/* Takes the paths from whoever has them, or none, as registry_seize(). When
 * what he may still write to a path is out of the way, checkouts_seized() makes
 * it final: his uses of it are nobody's from then on, and end without a
 * checkin. Or checkouts_unseize() gives it back to him. Both release `was`.
 * Who else takes a path over waits until its checkout is given up.
 * checkouts_seize() returns 0; CHECKOUTS_REFUSED with what is in the way; or
 * -errno. */
int checkouts_seize(struct checkouts *c, struct seizure *s, size_t n,
		    const struct record *want, const char *only_user,
		    const char *only_lease, const struct wait *w,
		    struct registry_conflict *ret_conflict);
void checkouts_seized(struct checkouts *c, struct seizure *s);
void checkouts_unseize(struct checkouts *c, struct seizure *s);
void checkouts_give_up(struct checkouts *c, struct checkout *co);

/* Whether the path has uses just now. */
bool checkouts_in_use(struct checkouts *c, const char *path);

/* The path was taken from its owner through another mount: his uses of it are
 * nobody's from now on. */
void checkouts_lost(struct checkouts *c, const char *path);

/* A handle was flushed for the first time, or is known to be in use again. */
void checkouts_flushed(struct checkouts *c, struct checkout *co, bool flushed);

/* The owner has one use more: a handle came along when its file was renamed. */
void checkouts_add_use(struct checkouts *c, struct checkout *co, bool flushed);

/* An operation on the name is over; its use still is to be given back. */
void checkouts_operation_done(struct checkouts *c, struct checkout *co);

/* What became of the name, while it is in use. */
void checkouts_name_gone(struct checkouts *c, struct checkout *co);
void checkouts_name_exists(struct checkouts *c, struct checkout *co);

/* Something was made under a name, without taking it. */
void checkouts_name_made(struct checkouts *c, const char *path);

/* One use less; `flushed`: it was counted as flushed; `written`: something was
 * written by it; `pid`: the process it was of. Returns whether the document is
 * done with and was written, and then ret_record is what the record said, for
 * the caller to release. If it was done with and not written, ret_version is
 * set to the version that was not needed, if there is one; for him, too. It may
 * be NULL. */
bool checkouts_give_back(struct checkouts *c, struct checkout *co, bool flushed,
			 bool written, pid_t pid, struct record *ret_record,
			 char **ret_version);

/* Of what a document was before it is written, a version is kept once for all
 * uses without a gap. Whether that is now to be done; whoever else asks waits
 * until checkouts_end_version(). `surely`: an operation on the name, which will
 * not leave the file as it is; a handle may be closed with nothing written. */
bool checkouts_begin_version(struct checkouts *c, struct checkout *co,
			     bool surely);

/* `name`, on the heap and taken over: what was kept for a handle, by the name
 * that checkouts_give_back() says if it was not needed; or NULL. */
void checkouts_end_version(struct checkouts *c, struct checkout *co,
			   char *name);

/* A process opened (+1) or closed (-1) a scratch file in a folder ("" or a
 * path) for writing. */
void checkouts_scratch(struct checkouts *c, pid_t pid, const char *folder,
		       int change);

/* The folder `from` is now `to`: the owner's checkouts below it follow. With
 * `exchange`, `to` is now `from`, too. */
void checkouts_move(struct checkouts *c, const char *from, const char *to,
		    bool exchange, const struct record *owner);

/* The folder is gone: no name below it is waited for. */
void checkouts_folder_gone(struct checkouts *c, const char *folder,
			   const struct record *owner);

/* A copy of its path, which changes with a folder above it; NULL when memory is
 * short. */
char *checkouts_path(struct checkouts *c, const struct checkout *co);

bool checkout_is_owned_by(const struct checkout *co, const struct record *want);

#endif
