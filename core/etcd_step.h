/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A step: what a decision looked at, and what it is to change, as one
 * transaction of etcd's.
 *
 * Edits are made here, over the view (core/etcd_view.h), which knows of them
 * only when etcd has made them. The transaction compares the revision of every
 * key that was looked at or is to be written, and of every folder that was
 * listed, that nothing in it is newer. Then it writes all, or it reads what it
 * has compared, for the next attempt.
 *
 * Of a step whose answer was lost nobody knows whether it was made. So each
 * that writes writes a number of its own to steps/ID, and compares what stood
 * there: made again, it finds its own number, or that it was not made.
 *
 * A transaction has at most 128 compares and 128 operations (etcd's
 * --max-txn-ops). Of a step that looks at more, all records and all instances
 * are compared at once with the revision up to which they are known: none is
 * newer, though some may be gone, and what those held is free by now. One that
 * writes more has its writes in transactions within the transaction, up to some
 * thousands.
 */
#ifndef CORE_ETCD_STEP_H
#define CORE_ETCD_STEP_H

#include <cjson/cJSON.h>

#include "core/etcd_view.h"

struct etcd_touched {
	struct hash_node node; /* in step.touched */
	struct etcd_touched *next;
	int64_t mod;  /* the revision it had; 0: there was none */
	bool written; /* it is to be `text`, or not to be */
	char *text;
	char *was; /* with `written`: what it was; or NULL */
	char key[];
};

struct etcd_listed {
	struct etcd_listed *next;
	int64_t as_of;
	char prefix[]; /* ends with '/' */
};

struct etcd_step {
	struct etcd_view *view;
	struct hash touched;
	struct etcd_touched *first, **last;
	struct etcd_listed *listed;
	bool writes;
	bool broken; /* memory was too short to note what was looked at */
};

#define STEP_NUMBER_SIZE 17

/* What a transaction is bound to. */
struct etcd_bond {
	const char *prefix;   /* of the address */
	const char *instance; /* our key; NULL: an observer */
	int64_t instance_mod;
	const char *step_key;
	int64_t step_mod;
	char number[STEP_NUMBER_SIZE]; /* of this step */
	char found[STEP_NUMBER_SIZE];  /* of the last one made, if another */
};

void etcd_step_init(struct etcd_step *s, struct etcd_view *v);
void etcd_step_release(struct etcd_step *s);

/* Nothing was looked at or written. The folders that were listed are known as
 * of what was read since, unless it is `all`. */
void etcd_step_clear(struct etcd_step *s, bool all);

/* Looks at a record; its text is valid until the next edit. */
const char *etcd_step_find(struct etcd_step *s, const char *path,
			   size_t *ret_len);

/* Whether a key is there; that is looked at, too. */
bool etcd_step_has(struct etcd_step *s, const char *key);

/* Appends the paths below a folder (NULL: all), each with a NUL behind it. */
int etcd_step_list(struct etcd_step *s, const char *folder,
		   struct buffer *ret_paths);

/* Edits a key; text NULL: it is not to be. Returns 0 or -ENOMEM. */
int etcd_step_write(struct etcd_step *s, const char *key, const char *text,
		    size_t len);

/* The transaction. Returns 0, -ENOMEM, or -E2BIG: too many edits. */
int etcd_step_format(const struct etcd_step *s, const struct etcd_bond *bond,
		     struct buffer *b);

/* What came of it. */
#define ETCD_STEP_MADE 1
#define ETCD_STEP_NOT_MADE 2	/* the view knows what was read */
#define ETCD_STEP_NO_INSTANCE 3 /* and our instance is gone */

/* Reads the answer, and tells the view. Returns one of these with step_mod set
 * in the bond, or -EBADMSG or -ENOMEM. */
int etcd_step_take(struct etcd_step *s, struct etcd_bond *bond,
		   const cJSON *reply);

/* The view is told that it was made at that revision. */
int etcd_step_made(struct etcd_step *s, int64_t revision);

/* One step becomes another. */
void etcd_step_move(struct etcd_step *to, struct etcd_step *from);

/* Edits the records back to what they were before a step that was made at that
 * revision, but for what others have changed since. */
int etcd_step_undo(struct etcd_step *s, const struct etcd_step *made,
		   int64_t revision);

/* For requests of other kinds: `"key":"..."` of a key, and with `range` the end
 * of all keys that begin so. */
int etcd_step_append_key(struct buffer *b, const char *prefix, const char *key,
			 bool range);

/* Tells the view of one key and its value, as a watch does; `gone`: of its
 * end. */
int etcd_step_learn(struct etcd_view *v, const char *prefix, const cJSON *kv,
		    bool gone);

/* Tells the view of the keys and values of a range's answer. */
int etcd_step_learn_range(struct etcd_view *v, const char *prefix,
			  const cJSON *range, int64_t as_of);

#endif
