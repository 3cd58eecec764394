/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The registry: who has what. All records, wherever they are kept.
 *
 * The one guarantee: between looking whether a path is taken and recording
 * that it is taken now, nobody else can do either. A checkout that was told
 * yes is in the registry, and stays there until its checkin.
 *
 *	registry_open()
 *	registry_checkout() ... registry_checkin()	any number of threads
 *	registry_close()
 *
 * An *open* checkout belongs to the mount that took it and names its lease;
 * the registry remembers it, and puts it back if another program's rewrite
 * lost it ("reasserted"), unless another file is at the path by now: then it
 * was broken through another mount. An open record whose lease is stale is
 * nobody's: it is dropped ("reaped") at start, and whenever it is in somebody's
 * way. But who is gone may yet write: a host that was given up
 * (core/witness.h), or a program of this host's, to which the kernel gives the
 * file although its mount is gone (core/writers.h). Such a record can be seized
 * by whoever it is in the way of.
 *
 * Concurrent requests are combined: one thread takes the file lock, applies
 * all that wait, and writes once.
 *
 * Where the records are is an engine's business (core/engine.h). Callers see
 * only this page, whichever it is.
 *
 * Paths are relative to the share, with '/', no leading or trailing one.
 */
#ifndef CORE_REGISTRY_H
#define CORE_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>

#include "core/measures.h"
#include "core/record.h"
#include "core/signature.h"
#include "core/wait.h"

/* Outcomes of registry_checkout() */
#define REGISTRY_RECORDED 0 /* an open record of ours is in */
#define REGISTRY_KEPT 1	    /* covered by the owner's kept checkout */
#define REGISTRY_HELD 2	    /* another owner has it */

struct registry;
struct snapshot;

/* Told of what nobody asked for. Called with no mutex held, from whichever
 * thread noticed; must not call back into the registry. */
struct registry_event {
	enum {
		REGISTRY_REAPED,     /* path, record: its mount is gone */
		REGISTRY_REASSERTED, /* path, record: put back */
		REGISTRY_LOST,	     /* path, record: now another's, though we
					hold it */
		REGISTRY_REPLACED,   /* path, record: ours is gone, and so is
					the file from its path: it was broken
					from elsewhere */
		REGISTRY_MENDED,     /* path: where the damaged file went */
		REGISTRY_STUCK,	     /* error: checkins wait for the share */
		REGISTRY_UNSURE,     /* error; 0: what `path` says doesn't
					answer. See registry_is_sure() */
		REGISTRY_SURE,	     /* again */
	} type;
	const char *path;
	const struct record *record; /* NULL if there is none to show */
	int error;		     /* -errno */
	const char *why; /* REGISTRY_UNSURE: a sentence about it, or NULL */
};

struct registry_options {
	int share_dir;		/* borrowed; 0: files are not looked at */
	int state_dir;		/* `.camlock`; borrowed, outlives it */
	int locks_dir;		/* where locks.json is; borrowed */
	const char *locks_name; /* usually "locks.json" */
	const char *address;	/* of another engine than locks.json
				   (core/etcd_address.h); or NULL */
	bool on_share;		/* in locks.json, whatever the share says */
	const char *host;	/* ours */
	bool observer; /* takes no lease and no open checkouts; for tools */
	/* Other hosts may write to the share: the mount beats, and is given up
	 * after this time (core/pulse.h). 0: it does not. */
	unsigned silence_ms;
	unsigned lease_ms; /* the same, where the records are elsewhere; 0: ten
			      seconds */
	void (*on_event)(void *arg, const struct registry_event *event);
	void *on_event_arg;
	struct measures *measures; /* borrowed; NULL: nothing is counted */
	/* Borrowed, for registry_open() only: a sentence about why it failed is
	 * appended; NULL: nobody asks. */
	struct buffer *why;
	/* Whether another file is at a path of ours than the one that is open:
	 * then its record is not put back. Asked under the file lock, with no
	 * mutex held; NULL: it never is. */
	bool (*was_replaced)(void *on_event_arg, const char *path);
};

/* Reads the records, takes a lease, reaps what dead mounts left behind.
 * Returns 0 or -errno. */
int registry_open(struct registry **ret_registry,
		  const struct registry_options *options, const struct wait *w);

/* Checks in what is still out, and gives the lease up. NULL-safe. */
void registry_close(struct registry *r);

/* Whether anything may be checked out: not while the mount is cut off from the
 * share, or was for so long that other hosts may have given it up. Then
 * registry_checkout(), _keep() and _seize() return -EIO. Asks nobody. */
bool registry_is_sure(const struct registry *r);

/* Appends a sentence about why a request failed with that -errno. */
void registry_explain(struct registry *r, int error, struct buffer *b);

/* Where the records are, for messages. */
const char *registry_where(const struct registry *r);

/* Which state the records are in just now: another one after each change.
 * Cheap; any thread. */
struct signature registry_state(struct registry *r);

/* The lease our open records carry; "" for an observer. */
const char *registry_lease(const struct registry *r);

/* What it was told to count by. */
struct measures *registry_measures(const struct registry *r);

/* What is wanted of a path. */
struct registry_claim {
	const char *path;
	bool tree;   /* a folder, with everything below it */
	int outcome; /* set by registry_checkout(): RECORDED or KEPT */
};

/* What is in the way: at the path asked for, or above or below it. */
struct registry_conflict {
	char *path;
	struct record holder;
	bool given_up; /* registry_seize() with his lease will do */
};

void registry_conflict_release(struct registry_conflict *c);

/* Takes all the paths for the owner, or none, with open records made from
 * `want`; their lease is ours, their timestamp now if `want` has none. A claim
 * on a tree keeps others from all that is below, for as long as it is held.
 * Returns 0 with each claim's outcome; REGISTRY_HELD with what is in the way,
 * for the caller to release; or -ETIMEDOUT, -EINTR (the file lock was not to
 * be had), or the -errno of reading or writing, and then nothing is recorded. */
int registry_checkout(struct registry *r, struct registry_claim *claims,
		      size_t n, const struct record *want, const struct wait *w,
		      struct registry_conflict *ret_conflict);

/* Whether registry_checkout() would be refused just now. Takes nothing, and
 * mostly not even the file lock. Returns 0, REGISTRY_HELD or -errno. */
int registry_check(struct registry *r, const char *path, bool tree,
		   const struct owner *owner, const struct wait *w,
		   struct registry_conflict *ret_conflict);

/* What the record at a path says, if it can be seen without the file lock, or
 * is thought to say. Returns whether ret_record, for the caller to release, is
 * set. */
bool registry_peek(struct registry *r, const char *path,
		   struct record *ret_record);

/* Gives our open checkouts of these paths back. Never fails and does not wait:
 * it is written with the next request, or by a thread of the registry after a
 * millisecond, which goes on trying if the file lock or the disk is not to be
 * had. Any later request is judged after it. */
void registry_checkin(struct registry *r, const char *const *paths, size_t n);

/* Takes the paths on purpose, or none of them: kept records made from `want`
 * (user, host, seat, message), on the disk when this returns, which stay until
 * registry_unkeep() or a break. An open record of ours becomes a kept one. The
 * owner's own kept record gets the new message, if `want` has one. Without a
 * mount, another's kept record gives way if it is of the user `over` (NULL:
 * none does; REGISTRY_ANYBODY); an open one never does. ret_was[i], zeroed by
 * the caller, who releases it, is what gave way (no user: nothing did); without
 * `over` it may be NULL. Outcomes as for registry_checkout(); ret_new, which
 * may be NULL: how many were not kept before. */
#define REGISTRY_ANYBODY ""
int registry_keep(struct registry *r, const char *const *paths, size_t n,
		  const struct record *want, const char *over,
		  const struct wait *w, size_t *ret_new, struct record *ret_was,
		  struct registry_conflict *ret_conflict);

/* Ends the owner's kept checkouts of all the paths, or of none. A file that is
 * open for writing through this mount stays checked out, by an open record.
 * Returns 0; REGISTRY_HELD with the record that is no kept one of his (it may
 * be his own, and open); -ENOENT with only the conflict's path set, if there
 * is no record; or an error as above. */
int registry_unkeep(struct registry *r, const char *const *paths, size_t n,
		    const struct owner *owner, const struct wait *w,
		    struct registry_conflict *ret_conflict);

/* Puts open records of ours, made from `want`, in the place of whatever stands
 * at the paths, or none; ret_was[i], zeroed by the caller, who releases it, is
 * what stood there (no user: nothing did). With `only_user` only that user's
 * records give way, and the others are REGISTRY_HELD; with `only_lease`, only
 * open ones of that mount, if it is given up. The caller then fences
 * who may still write (core/recovered.h), and keeps the paths or gives them
 * back. */
int registry_seize(struct registry *r, const char *const *paths, size_t n,
		   const struct record *want, const char *only_user,
		   const char *only_lease, const struct wait *w,
		   struct record *ret_was,
		   struct registry_conflict *ret_conflict);

/* Undoes that for one path: what stood there does again. */
int registry_unseize(struct registry *r, const char *path,
		     const struct record *was, const struct wait *w);

/* The folder `from` is now `to`: the owner's records below it follow. With
 * `exchange`, `to` is now `from`, too. It is one step, unless there are more
 * than the engine takes at once: then the caller must hold both folders, for
 * others to see no half. When it failed it can be called again, to go on; `at`,
 * NULL at first, is how far it has come, for the caller to free. */
int registry_move(struct registry *r, const char *from, const char *to,
		  bool exchange, const struct owner *owner,
		  const struct wait *w, char **at);

/* Copies the records from..to of another registry, or none of them: not if one
 * of another content is at its path, which is REGISTRY_HELD. Open ones, which
 * are a mount's, are left out. They are on the disk when this returns. */
int registry_copy(struct registry *r, const struct snapshot *s, size_t from,
		  size_t to, const struct wait *w,
		  struct registry_conflict *ret_conflict);

/* Whether a mount lives that has its records there. Returns 1, 0 or -errno. */
int registry_is_in_use(struct registry *r);

/* Removes whatever records are at the paths, for an admin. ret_broken[i],
 * zeroed by the caller, who releases it, is what it was (no user: there was
 * none). Returns 0 or -errno, and then nothing is removed. */
int registry_break(struct registry *r, const char *const *paths, size_t n,
		   const struct wait *w, struct record *ret_broken);

/* All records at one moment, sorted by path, without what was checked in,
 * unless the file lock is another's just now: it is not waited for. Cheap while
 * nothing has changed. The caller releases it. */
int registry_snapshot(struct registry *r, struct snapshot **ret_snapshot);
void snapshot_release(struct snapshot *s);

/* The same without this mount's own open records: what those do not change, so
 * that it is cheap while nobody else comes or goes. */
int registry_snapshot_others(struct registry *r,
			     struct snapshot **ret_snapshot);

/* A snapshot may be late by a moment, where the records are far away; one that
 * is made after this has all that was recorded before it. Returns 0, or -errno
 * as of a checkout. */
int registry_catch_up(struct registry *r, const struct wait *w);

size_t snapshot_count(const struct snapshot *s);
const char *snapshot_path(const struct snapshot *s, size_t i);
const char *snapshot_text(const struct snapshot *s, size_t i, size_t *ret_len);

/* The index of the first path that is not before `path` in strcmp() order. */
size_t snapshot_search(const struct snapshot *s, const char *path);

/* All of locks.json as it stood. */
const char *snapshot_whole(const struct snapshot *s, size_t *ret_len);

/* Whether a record's mount is gone, so that the record holds nothing; a tool
 * never can tell of one that is only to be given up. */
bool registry_is_stale(struct registry *r, const struct record *record);

/* Whether a record's mount surely lives. */
bool registry_is_live(struct registry *r, const struct record *record);

#define _cleanup_conflict_ __attribute__((cleanup(registry_conflict_release)))
#define _cleanup_snapshot_ __attribute__((cleanup(cleanup_snapshot)))
static inline void cleanup_snapshot(struct snapshot **s)
{
	snapshot_release(*s);
}

#endif
