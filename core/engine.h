/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What stands behind the registry: where the records are kept, who is alive,
 * and how something is decided about them that nobody else decides meanwhile.
 *
 * One decision after the other, by one thread at a time:
 *
 *	engine_begin()		wait for one's turn
 *	engine_load()		see what others did since
 *	engine_find(), _list(), _judge(), _put(), _remove()
 *				decide and edit, in memory
 *	engine_commit()		all the edits or none; or engine_discard()
 *	engine_end()
 *
 * An engine may keep others out from begin to end, or find out at the commit
 * that somebody was faster: ENGINE_AGAIN, and it is to be decided again, from
 * engine_load() on.
 *
 * Reading and waiting for a change is for any thread at any time.
 */
#ifndef CORE_ENGINE_H
#define CORE_ENGINE_H

#include <stdbool.h>

#include "core/entries.h"
#include "core/lease.h"
#include "core/signature.h"
#include "core/wait.h"

/* What engine_load() found. */
#define ENGINE_CHANGED \
	1		/* others' edits, which may have cost records of ours */
#define ENGINE_MENDED 2 /* damage; the last good state is back */

/* What engine_commit() found. */
#define ENGINE_AGAIN 1 /* what was decided on is not so any more */

struct engine;
struct registry_options;

/* What an engine that can be cut off asks of the registry. */
struct engine_hooks {
	void *arg;
	/* Has a decision made about nothing, however long that takes, unless
	 * it is interrupted: returns its result. */
	int (*decide)(void *arg, const struct wait *w);
	/* engine_is_sure() has become false, `error` (0: no answer) being the
	 * reason, with a sentence about it or NULL; or is true again. */
	void (*on_unsure)(void *arg, int error, const char *why);
	void (*on_sure)(void *arg);
};

struct engine_type {
	/* Takes our lease, within begin and end. */
	int (*join)(struct engine *e);
	/* Clears up behind instances that are gone; their records are. */
	void (*tidy)(struct engine *e);
	void (*free)(struct engine *e);
	/* All three may be NULL. */
	int (*start)(struct engine *e, const struct engine_hooks *hooks);
	bool (*stop)(struct engine *e);
	bool (*is_sure)(struct engine *e);

	int (*begin)(struct engine *e, const struct wait *w);
	int (*load)(struct engine *e);
	const char *(*find)(struct engine *e, const char *key, size_t *ret_len);
	int (*list)(struct engine *e, const char *folder,
		    struct buffer *ret_keys);
	int (*judge)(struct engine *e, const char *lease);
	int (*put)(struct engine *e, const char *key, const char *value,
		   size_t len);
	void (*remove)(struct engine *e, const char *key);
	int (*commit)(struct engine *e, bool edited, bool durable);
	void (*discard)(struct engine *e);
	void (*end)(struct engine *e);
	bool (*is_untouched)(struct engine *e);
	/* Both may be NULL. */
	void (*mark)(struct engine *e);
	int (*catch_up)(struct engine *e, const struct wait *w);

	int (*peek)(struct engine *e, const char *key, struct buffer *ret_text);
	int (*copy)(struct engine *e, struct entries *ret_entries,
		    struct signature *ret_state);
	bool (*is_current)(struct engine *e, const struct signature *state);
	uint64_t (*others)(struct engine *e);
	int (*probe)(struct engine *e, const char *lease);
	int (*is_in_use)(struct engine *e);
	void (*sign)(struct engine *e, struct signature *ret_state);
	void (*explain)(struct engine *e, int error, struct buffer *b);
};

struct engine {
	const struct engine_type *type;
	char lease[LEASE_ID_SIZE]; /* ours, which our open records carry; ""
				      for an observer */
	const char *where;	   /* the records are, for messages */
	const char *keeper;	   /* what must answer: "the share" */
	const char *damaged; /* ENGINE_MENDED: where the damaged file went */
	bool confirms;	     /* commits tell whether what was found was so; what
				was only looked at must be committed, too */
};

/* ---- which engine ---- */

/* A share whose records are elsewhere says so in this file of `.camlock`, for
 * tools and mounts that are told nothing. */
#define ENGINE_ADDRESS_NAME "registry"

/* Returns 1 with it, 0 if there is none, or -errno. */
int engine_read_address(int state_dir, struct buffer *ret_address);
int engine_write_address(int state_dir, const char *address);
int engine_remove_address(int state_dir);

/* Whether a mount lives that keeps records on the share itself. Returns 1, 0 or
 * -errno. */
int engine_is_in_use(int state_dir);

/* The engine for what the options say, and the share. Returns 0; -EXDEV (the
 * share says another address), -EBUSY, -ENOTEMPTY (its records are on the share
 * so far: a mount lives that uses them, or there are some); -ETIMEDOUT, -EINTR,
 * or another -errno, and then has said why (registry_options). */
int engine_open(struct engine **ret_engine,
		const struct registry_options *options, const struct wait *w);

/* locks.json on the share, its file lock, and lease files. */
int engine_file_open(struct engine **ret_engine,
		     const struct registry_options *options);

/* An etcd, at that address. */
int engine_etcd_open(struct engine **ret_engine,
		     const struct registry_options *options,
		     const char *address, const struct wait *w);

/* NULL-safe. Gives the lease up: open records that name it are stale now. */
static inline void engine_free(struct engine *e)
{
	if (e)
		e->type->free(e);
}

/* ---- being cut off ---- */

/* Begins to watch over our lease, once there is somebody to decide. Returns 0
 * or -errno. */
static inline int engine_start(struct engine *e,
			       const struct engine_hooks *hooks)
{
	return e->type->start ? e->type->start(e, hooks) : 0;
}

/* Before who decides is gone. Returns false if a thread hangs in the share, and
 * then all must stay. */
static inline bool engine_stop(struct engine *e)
{
	return !e->type->stop || e->type->stop(e);
}

/* Whether anything may be granted: not while we may have been given up. Asks
 * nobody. */
static inline bool engine_is_sure(struct engine *e)
{
	return !e->type->is_sure || e->type->is_sure(e);
}

/* ---- a decision ---- */

/* Returns 0, -ETIMEDOUT, -EINTR, or what else is in the way. */
static inline int engine_begin(struct engine *e, const struct wait *w)
{
	return e->type->begin(e, w);
}

/* Returns 0 (nothing is new), ENGINE_CHANGED, ENGINE_MENDED or -errno. */
static inline int engine_load(struct engine *e)
{
	return e->type->load(e);
}

/* The text of a record, valid until the next edit; NULL if there is none. */
static inline const char *engine_find(struct engine *e, const char *key,
				      size_t *ret_len)
{
	return e->type->find(e, key, ret_len);
}

/* Appends the keys below a folder (NULL: all that stand for a path), each with
 * a NUL behind it. Returns 0 or -ENOMEM. */
static inline int engine_list(struct engine *e, const char *folder,
			      struct buffer *ret_keys)
{
	return e->type->list(e, folder, ret_keys);
}

/* What is to be thought of another's lease: LEASE_STALE (its holder is provably
 * gone), LEASE_GIVEN_UP (he has not been heard of for too long, but may yet
 * write), LEASE_LIVE, or -errno when there is no telling. */
static inline int engine_judge(struct engine *e, const char *lease)
{
	return e->type->judge(e, lease);
}

/* Returns 0, -ENOMEM, or -EINVAL if the key is empty. */
static inline int engine_put(struct engine *e, const char *key,
			     const char *value, size_t len)
{
	return e->type->put(e, key, value, len);
}

static inline void engine_remove(struct engine *e, const char *key)
{
	e->type->remove(e, key);
}

/* `edited`: there is something to write; `durable`: it is on the disk when this
 * returns. Returns 0, ENGINE_AGAIN, or -errno; but for 0 nothing is written,
 * and the edits are gone from memory, too. */
static inline int engine_commit(struct engine *e, bool edited, bool durable)
{
	return e->type->commit(e, edited, durable);
}

static inline void engine_discard(struct engine *e)
{
	e->type->discard(e);
}

static inline void engine_end(struct engine *e)
{
	e->type->end(e);
}

/* Outside of a decision, by the thread whose turn it could be: whether
 * engine_load() would find nothing new. */
static inline bool engine_is_untouched(struct engine *e)
{
	return e->type->is_untouched(e);
}

/* ---- reading ---- */

/* Within a decision: as of its commit, engine_catch_up() has something to wait
 * for. */
static inline void engine_mark(struct engine *e)
{
	if (e->type->mark)
		e->type->mark(e);
}

/* Waits until a copy has all that was recorded before our last mark or edit.
 * Returns 0, -ETIMEDOUT or -EINTR. */
static inline int engine_catch_up(struct engine *e, const struct wait *w)
{
	return e->type->catch_up ? e->type->catch_up(e, w) : 0;
}

/* The text of one record, as it is now. Returns 1, 0 if there is none, -EAGAIN
 * if that needs a decision to find out (then the text is what is thought of it,
 * or nothing), or another -errno. */
static inline int engine_peek(struct engine *e, const char *key,
			      struct buffer *ret_text)
{
	return e->type->peek(e, key, ret_text);
}

/* A consistent copy of all records, and which state it is a copy of. -EBADMSG:
 * nothing whole is to be had just now. */
static inline int engine_copy(struct engine *e, struct entries *ret_entries,
			      struct signature *ret_state)
{
	return e->type->copy(e, ret_entries, ret_state);
}

/* Whether a copy of that state is still right. */
static inline bool engine_is_current(struct engine *e,
				     const struct signature *state)
{
	return e->type->is_current(e, state);
}

/* Which state the records are in just now. */
static inline void engine_sign(struct engine *e, struct signature *ret_state)
{
	e->type->sign(e, ret_state);
}

/* Any thread: appends a sentence about why a decision failed with that -errno;
 * -ETIMEDOUT: why it may be that engine_begin() or _commit() were not in time. */
static inline void engine_explain(struct engine *e, int error, struct buffer *b)
{
	e->type->explain(e, error, b);
}

/* A number that is the same as long as all records are but our own open ones;
 * 0 if that can't be told just now. */
static inline uint64_t engine_others(struct engine *e)
{
	return e->type->others(e);
}

/* As engine_judge(). */
static inline int engine_probe(struct engine *e, const char *lease)
{
	return e->type->probe(e, lease);
}

#endif
