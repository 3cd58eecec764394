/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/checkouts.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/hash.h"
#include "core/timestamp.h"

/* Another mount's checkin may be as late as ours, and we can't see whether
 * its handles are flushed; this is how long we look again. */
#define OTHER_MOUNT_GRACE_MS CHECKOUTS_GRACE_MS
#define OTHER_MOUNT_PAUSE (4 * NSEC_PER_MSEC)
/* Five minutes, then the records stay behind. */
#define MOVE_TRIES 300
#define MOVE_WAIT_MS 1000
#define MOVE_PAUSE (500 * NSEC_PER_MSEC)
#define WAKE_MS 20  /* to see an interruption */
#define SWEEP_MS 50 /* expiries are collected for so long */
#define RECENT 64
#define RECENT_MS 2000

struct checkout {
	struct hash_node node; /* in checkouts.by_path */
	char *path;	       /* changes with a folder above it */
	struct record record;  /* what others are told; fixed */
	bool tree;
	bool kept;    /* the owner's own kept checkout covers it */
	bool busy;    /* the registry is being asked, or told */
	bool written; /* by a use that is over */
	bool gone;    /* the name does not exist */
	size_t uses;
	size_t flushed; /* of them */
	uint64_t until; /* without uses: stays till then; 0: no time */
	pid_t scratch;	/* without uses: stays while this process has one */
};

/* A process that can write to scratch files of a folder. */
struct scratch {
	struct hash_node node; /* in checkouts.scratch */
	pid_t pid;
	size_t count;
	char folder[];
};

struct recent {
	uint64_t until;
	uint64_t path; /* hash */
	uint64_t user; /* hash */
};

/* Nothing is called under the mutex. A busy checkout belongs to the thread
 * that made it so; all others wait for `changed`. */
struct checkouts {
	struct registry *registry;
	unsigned linger_ms;
	pthread_t sweeper;

	pthread_mutex_t mutex;
	pthread_cond_t changed;
	pthread_cond_t timed;	      /* something is to expire, or closing */
	struct hash by_path;	      /* under mutex, and all that is in it */
	struct hash scratch;	      /* under mutex */
	size_t n_trees;		      /* under mutex */
	uint64_t next_sweep;	      /* under mutex: when the sweeper wakes */
	bool closing;		      /* under mutex */
	struct recent recent[RECENT]; /* under mutex */
	unsigned next_recent;	      /* under mutex */
};

/* ---- the table ---- */

static void free_checkout(struct checkout *co)
{
	record_release(&co->record);
	free(co->path);
	free(co);
}

static struct checkout *find(struct checkouts *c, const char *path)
{
	for (struct hash_node *n = hash_first(&c->by_path, hash_string(path));
	     n; n = hash_next(n)) {
		struct checkout *co = container_of(n, struct checkout, node);

		if (!strcmp(co->path, path))
			return co;
	}
	return NULL;
}

/* A new one, busy, with one use; its record is `want`. */
static struct checkout *add(struct checkouts *c,
			    const struct checkout_claim *claim,
			    const struct record *want)
{
	struct checkout *co = calloc(1, sizeof(*co));

	if (!co || !(co->path = strdup(claim->path)) ||
	    record_copy(&co->record, want) < 0 ||
	    hash_insert(&c->by_path, &co->node, hash_string(co->path)) < 0) {
		if (co)
			free_checkout(co);
		return NULL;
	}
	co->tree = claim->tree;
	c->n_trees += co->tree;
	co->busy = true;
	co->uses = 1;
	return co;
}

static void remember(struct checkouts *c, const struct checkout *co)
{
	struct recent *r = &c->recent[c->next_recent++ % RECENT];

	r->until = clock_now() + RECENT_MS * NSEC_PER_MSEC;
	r->path = hash_string(co->path);
	r->user = hash_string(co->record.user);
}

static bool was_recently(struct checkouts *c, const char *path,
			 const struct record *want)
{
	uint64_t now = clock_now(), hash = hash_string(path);

	for (int i = 0; i < RECENT; i++)
		if (c->recent[i].until > now && c->recent[i].path == hash &&
		    c->recent[i].user == hash_string(want->user))
			return true;
	return false;
}

static void remove_checkout(struct checkouts *c, struct checkout *co)
{
	hash_remove(&c->by_path, &co->node);
	c->n_trees -= co->tree;
	pthread_cond_broadcast(&c->changed);
	free_checkout(co);
}

static bool same(const char *a, const char *b)
{
	return !strcmp(a ? a : "", b ? b : "");
}

/* Through one mount the host is always the same. */
bool checkout_is_owned_by(const struct checkout *co, const struct record *want)
{
	return same(co->record.user, want->user) &&
	       same(co->record.seat, want->seat);
}

char *checkouts_path(struct checkouts *c, const struct checkout *co)
{
	LOCK_SCOPE(&c->mutex);
	return strdup(co->path);
}

static bool is_below(const char *path, const char *folder)
{
	size_t len = strlen(folder);

	return !strncmp(path, folder, len) && path[len] == '/';
}

/* The folder a path is in: its length. */
static size_t folder_length(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? (size_t)(slash - path) : 0;
}

/* ---- the end of a checkout ---- */

static struct scratch *find_scratch(struct checkouts *c, pid_t pid,
				    const char *folder, size_t len)
{
	uint64_t hash = hash_bytes(folder, len) ^ (uint64_t)pid;

	for (struct hash_node *n = hash_first(&c->scratch, hash); n;
	     n = hash_next(n)) {
		struct scratch *s = container_of(n, struct scratch, node);

		if (s->pid == pid && strlen(s->folder) == len &&
		    !memcmp(s->folder, folder, len))
			return s;
	}
	return NULL;
}

static void set_until(struct checkouts *c, struct checkout *co, uint64_t until)
{
	co->until = until;
	if (until && until < c->next_sweep) {
		c->next_sweep = until;
		pthread_cond_signal(&c->timed);
	}
}

/* Whether it stays without any use, and until when. */
static bool stays(struct checkouts *c, struct checkout *co, pid_t pid)
{
	uint64_t ms = co->gone ? CHECKOUTS_RESERVED_MS : c->linger_ms;

	co->scratch = 0;
	if (!co->gone && !co->tree &&
	    find_scratch(c, pid, co->path, folder_length(co->path))) {
		co->scratch = pid;
		return true;
	}
	if (ms == 0 || co->tree)
		return false;
	set_until(c, co, clock_now() + ms * NSEC_PER_MSEC);
	return true;
}

/* It stays in the table, busy, until the registry has its checkin: whoever
 * wants the path next asks the registry after that. */
static void end(struct checkouts *c, struct checkout *co)
{
	const char *path = co->path;

	co->busy = true;
	set_until(c, co, 0);
	remember(c, co);
	if (!co->kept) {
		pthread_mutex_unlock(&c->mutex);
		registry_checkin(c->registry, &path, 1);
		pthread_mutex_lock(&c->mutex);
	}
	remove_checkout(c, co);
}

bool checkouts_give_back(struct checkouts *c, struct checkout *co, bool flushed,
			 bool written, pid_t pid, struct record *ret_record)
{
	LOCK_SCOPE(&c->mutex);
	if (flushed)
		co->flushed--;
	co->written |= written;
	if (--co->uses > 0) {
		pthread_cond_broadcast(&c->changed);
		return false;
	}
	written = co->written && record_copy(ret_record, &co->record) == 0;
	co->written = false;
	if (stays(c, co, pid))
		pthread_cond_broadcast(&c->changed);
	else
		end(c, co);
	return written;
}

/* Ends what stayed for the scratch files of that process and folder. */
static void end_waiting(struct checkouts *c, pid_t pid, const char *folder,
			size_t len)
{
	for (size_t i = 0; i < c->by_path.n_slots; i++) {
		struct hash_node *n = c->by_path.slots[i];

		while (n) {
			struct checkout *co =
				container_of(n, struct checkout, node);

			n = n->next;
			if (co->busy || co->uses || co->scratch != pid ||
			    folder_length(co->path) != len ||
			    memcmp(co->path, folder, len) != 0)
				continue;
			co->scratch = 0;
			if (stays(c, co, pid))
				continue;
			end(c, co); /* lets the mutex go: begin again */
			n = NULL;
			i = (size_t)-1;
			break;
		}
	}
}

void checkouts_scratch(struct checkouts *c, pid_t pid, const char *folder,
		       int change)
{
	size_t len = strlen(folder);
	struct scratch *s;

	LOCK_SCOPE(&c->mutex);
	s = find_scratch(c, pid, folder, len);
	if (!s && change > 0) {
		s = calloc(1, sizeof(*s) + len + 1);
		if (!s ||
		    hash_insert(&c->scratch, &s->node,
				hash_bytes(folder, len) ^ (uint64_t)pid) < 0) {
			free(s);
			return; /* no memory: a checkout ends early */
		}
		s->pid = pid;
		memcpy(s->folder, folder, len + 1);
	}
	if (!s)
		return;
	s->count += (size_t)change;
	if (s->count > 0)
		return;
	hash_remove(&c->scratch, &s->node);
	free(s);
	end_waiting(c, pid, folder, len);
}

/* One whose time has come, or NULL; and when the next one's will. */
static struct checkout *find_expired(struct checkouts *c, uint64_t *ret_next)
{
	uint64_t now = clock_now();

	*ret_next = UINT64_MAX;
	for (size_t i = 0; i < c->by_path.n_slots; i++) {
		for (struct hash_node *n = c->by_path.slots[i]; n;
		     n = n->next) {
			struct checkout *co =
				container_of(n, struct checkout, node);

			if (!co->until || co->busy || co->uses)
				continue;
			if (co->until <= now)
				return co;
			if (co->until < *ret_next)
				*ret_next = co->until;
		}
	}
	return NULL;
}

static void wait_until(struct checkouts *c, pthread_cond_t *cond,
		       uint64_t until)
{
	struct timespec ts = { .tv_sec = (time_t)(until / NSEC_PER_SEC),
			       .tv_nsec = (long)(until % NSEC_PER_SEC) };

	pthread_cond_clockwait(cond, &c->mutex, CLOCK_MONOTONIC, &ts);
}

/* Ends what has stayed for long enough. Sleeps for good while nothing does. */
static void *sweep(void *arg)
{
	struct checkouts *c = arg;

	LOCK_SCOPE(&c->mutex);
	while (!c->closing) {
		struct checkout *co = find_expired(c, &c->next_sweep);

		if (co) {
			end(c, co);
		} else if (c->next_sweep == UINT64_MAX) {
			pthread_cond_wait(&c->timed, &c->mutex);
		} else {
			c->next_sweep += SWEEP_MS * NSEC_PER_MSEC;
			wait_until(c, &c->timed, c->next_sweep);
		}
	}
	return NULL;
}

/* ---- taking ---- */

static int wait_for_change(struct checkouts *c, const struct wait *w)
{
	wait_until(c, &c->changed, clock_now() + WAKE_MS * NSEC_PER_MSEC);
	return wait_check(w);
}

static int refuse(const struct checkout *co,
		  struct registry_conflict *ret_conflict)
{
	struct registry_conflict conflict = { .path = strdup(co->path) };

	if (!conflict.path || record_copy(&conflict.holder, &co->record) < 0) {
		free(conflict.path);
		return -ENOMEM;
	}
	*ret_conflict = conflict;
	return CHECKOUTS_REFUSED;
}

/* A folder above the path that is being moved just now, by anybody. */
static struct checkout *find_above(struct checkouts *c, const char *path)
{
	_cleanup_free_ char *copy = c->n_trees ? strdup(path) : NULL;
	char *slash;

	while (copy && (slash = strrchr(copy, '/'))) {
		struct checkout *co;

		*slash = '\0';
		co = find(c, copy);
		if (co && co->tree)
			return co;
	}
	return NULL;
}

/* Something below a folder that is another's, or busy. */
static struct checkout *find_below(struct checkouts *c, const char *folder,
				   const struct record *want)
{
	for (size_t i = 0; i < c->by_path.n_slots; i++) {
		for (struct hash_node *n = c->by_path.slots[i]; n;
		     n = n->next) {
			struct checkout *co =
				container_of(n, struct checkout, node);

			if (is_below(co->path, folder) &&
			    (co->busy || !checkout_is_owned_by(co, want)))
				return co;
		}
	}
	return NULL;
}

/* What is in the way of a claim, if only for a moment; or NULL. */
static struct checkout *find_obstacle(struct checkouts *c,
				      const struct checkout_claim *claim,
				      const struct record *want)
{
	struct checkout *co = find(c, claim->path);

	if (co && (co->busy || !checkout_is_owned_by(co, want)))
		return co;
	co = find_above(c, claim->path);
	if (!co && claim->tree)
		co = find_below(c, claim->path, want);
	return co;
}

static bool is_leaving(const struct checkout *co)
{
	return co->uses > 0 && co->flushed == co->uses;
}

/* Under the mutex: waits until nothing is in the way of any claim, or surely
 * is. Returns 0, CHECKOUTS_REFUSED or -errno. */
static int settle(struct checkouts *c, const struct checkout_claim *claims,
		  size_t n, const struct record *want, const struct wait *w,
		  struct registry_conflict *ret_conflict)
{
	uint64_t until = clock_now() + CHECKOUTS_GRACE_MS * NSEC_PER_MSEC;
	size_t i = 0;

	while (i < n) {
		struct checkout *co = find_obstacle(c, &claims[i], want);
		int r;

		if (!co) {
			i++;
			continue;
		}
		if (!co->busy && !co->tree &&
		    (!is_leaving(co) || clock_now() >= until))
			return refuse(co, ret_conflict);
		r = wait_for_change(c, w);
		if (r < 0)
			return r;
		i = 0;
	}
	return 0;
}

/* Whether to ask the registry again: what another mount has may have been
 * closed, and not be written yet. Then the conflict is released. */
static bool is_worth_another_look(struct registry_conflict *conflict,
				  const struct wait *grace)
{
	if (!record_is_open(&conflict->holder) ||
	    wait_sleep(grace, OTHER_MOUNT_PAUSE) < 0)
		return false;
	registry_conflict_release(conflict);
	return true;
}

static struct wait other_mount_grace(const struct wait *w)
{
	struct wait grace = wait_for_ms(OTHER_MOUNT_GRACE_MS);

	grace.interrupted = w->interrupted;
	grace.interrupted_arg = w->interrupted_arg;
	return grace;
}

/* Asks the registry, again for a while if another mount has a path. */
static int ask_registry(struct checkouts *c, struct registry_claim *claims,
			size_t n, const struct record *want,
			const struct wait *w,
			struct registry_conflict *ret_conflict)
{
	struct wait grace = other_mount_grace(w);
	int r;

	do
		r = registry_checkout(c->registry, claims, n, want, w,
				      ret_conflict);
	while (r == REGISTRY_HELD &&
	       is_worth_another_look(ret_conflict, &grace));
	return r == REGISTRY_HELD ? CHECKOUTS_REFUSED : r;
}

/* Under the mutex, all settled: an owner's checkout is used once more, the
 * others are made, busy. Returns how many were made, or -ENOMEM. */
static ssize_t use_or_add(struct checkouts *c, struct checkout_claim *claims,
			  size_t n, const struct record *want,
			  struct registry_claim *ret_made)
{
	ssize_t made = 0;

	for (size_t i = 0; i < n; i++) {
		struct checkout *co = find(c, claims[i].path);

		if (co) {
			co->uses++;
			set_until(c, co, 0);
		} else {
			co = add(c, &claims[i], want);
			if (co)
				ret_made[made++] = (struct registry_claim){
					.path = co->path, .tree = co->tree
				};
		}
		claims[i].checkout = co;
		if (!co)
			return -ENOMEM;
	}
	return made;
}

/* Under the mutex: nothing came of it. */
static void unuse(struct checkouts *c, struct checkout_claim *claims, size_t n)
{
	for (size_t i = 0; i < n && claims[i].checkout; i++) {
		struct checkout *co = claims[i].checkout;

		if (co->busy)
			remove_checkout(c, co);
		else if (--co->uses == 0 && !stays(c, co, co->scratch))
			end(c, co);
	}
}

static void settle_made(struct checkouts *c, struct checkout_claim *claims,
			size_t n, const struct registry_claim *made)
{
	for (size_t i = 0; i < n; i++) {
		struct checkout *co = claims[i].checkout;

		if (!co->busy)
			continue;
		co->kept = made->outcome == REGISTRY_KEPT;
		co->busy = false;
		made++;
	}
	pthread_cond_broadcast(&c->changed);
}

/* With all settled: `want` has a timestamp. */
static int take(struct checkouts *c, struct checkout_claim *claims, size_t n,
		const struct record *want, const struct wait *w,
		struct registry_conflict *ret_conflict)
{
	struct registry_claim few[4];
	_cleanup_free_ struct registry_claim *many =
		n > 4 ? calloc(n, sizeof(*many)) : NULL;
	struct registry_claim *made = n > 4 ? many : few;
	ssize_t n_made;
	int r = 0;

	if (!made)
		return -ENOMEM;
	n_made = use_or_add(c, claims, n, want, made);
	if (n_made > 0) {
		pthread_mutex_unlock(&c->mutex);
		r = ask_registry(c, made, (size_t)n_made, want, w,
				 ret_conflict);
		pthread_mutex_lock(&c->mutex);
	}
	if (n_made < 0)
		r = (int)n_made;
	if (r != 0)
		unuse(c, claims, n);
	else
		settle_made(c, claims, n, made);
	return r;
}

int checkouts_take(struct checkouts *c, struct checkout_claim *claims, size_t n,
		   const struct record *want, const struct wait *w,
		   struct registry_conflict *ret_conflict)
{
	char now[TIMESTAMP_SIZE];
	struct record from_now = *want;
	int r;

	LOCK_SCOPE(&c->mutex);
	r = settle(c, claims, n, want, w, ret_conflict);
	if (r != 0)
		return r;
	timestamp_now(now);
	from_now.timestamp = now;
	return take(c, claims, n, &from_now, w, ret_conflict);
}

int checkouts_check(struct checkouts *c, const char *path, bool tree,
		    bool after_close, const struct record *want,
		    const struct wait *w,
		    struct registry_conflict *ret_conflict)
{
	struct checkout_claim claim = { .path = path, .tree = tree };
	struct owner owner = { want->user, want->host, want->seat,
			       registry_lease(c->registry) };
	struct wait grace = other_mount_grace(w);
	bool recent;
	int r;

	pthread_mutex_lock(&c->mutex);
	recent = after_close && was_recently(c, path, want);
	r = recent ? 0 : settle(c, &claim, 1, want, w, ret_conflict);
	pthread_mutex_unlock(&c->mutex);
	if (recent || r != 0)
		return r;
	do
		r = registry_check(c->registry, path, tree, &owner, w,
				   ret_conflict);
	while (r == REGISTRY_HELD &&
	       is_worth_another_look(ret_conflict, &grace));
	return r == REGISTRY_HELD ? CHECKOUTS_REFUSED : r;
}

/* ---- while it lasts ---- */

void checkouts_flushed(struct checkouts *c, struct checkout *co, bool flushed)
{
	LOCK_SCOPE(&c->mutex);
	if (flushed)
		co->flushed++;
	else
		co->flushed--;
	pthread_cond_broadcast(&c->changed);
}

void checkouts_add_use(struct checkouts *c, struct checkout *co, bool flushed)
{
	LOCK_SCOPE(&c->mutex);
	co->uses++;
	co->flushed += flushed;
}

void checkouts_name_gone(struct checkouts *c, struct checkout *co)
{
	LOCK_SCOPE(&c->mutex);
	co->gone = true;
}

void checkouts_name_exists(struct checkouts *c, struct checkout *co)
{
	LOCK_SCOPE(&c->mutex);
	co->gone = false;
}

void checkouts_name_made(struct checkouts *c, const char *path)
{
	struct checkout *co;

	LOCK_SCOPE(&c->mutex);
	co = find(c, path);
	if (!co || co->busy || !co->gone)
		return;
	co->gone = false;
	if (co->uses == 0 && !stays(c, co, co->scratch))
		end(c, co);
}

static struct checkout *find_owned_below(struct checkouts *c,
					 const char *folder,
					 const struct record *owner)
{
	for (size_t i = 0; i < c->by_path.n_slots; i++) {
		for (struct hash_node *n = c->by_path.slots[i]; n;
		     n = n->next) {
			struct checkout *co =
				container_of(n, struct checkout, node);

			if (is_below(co->path, folder) && !co->busy &&
			    checkout_is_owned_by(co, owner))
				return co;
		}
	}
	return NULL;
}

static int rename_checkout(struct checkouts *c, struct checkout *co,
			   const char *from, const char *to)
{
	char *path;

	if (asprintf(&path, "%s%s", to, co->path + strlen(from)) < 0)
		return -ENOMEM; /* it is checked in under its old name */
	hash_remove(&c->by_path, &co->node);
	free(co->path);
	co->path = path;
	hash_insert(&c->by_path, &co->node, hash_string(path)); /* has room */
	if (co->scratch && !co->uses) {
		/* the scratch file goes by its old folder, and won't end it */
		co->scratch = 0;
		set_until(c, co,
			  clock_now() + CHECKOUTS_RESERVED_MS * NSEC_PER_MSEC);
	}
	return 0;
}

static void rename_below(struct checkouts *c, const char *from, const char *to,
			 const struct record *want)
{
	struct checkout *co;

	while ((co = find_owned_below(c, from, want)))
		if (rename_checkout(c, co, from, to) < 0)
			return;
}

/* No path on the share: where the first of two folders waits for the other. */
#define NOWHERE "."

/* The folder has its new name already, so its records must follow, however
 * long the file lock or the disk is not to be had. Meanwhile the claims on the
 * folder keep everybody out. */
static void move_records(struct checkouts *c, const char *from, const char *to,
			 bool exchange, const struct owner *owner)
{
	for (int tries = 0; tries < MOVE_TRIES; tries++) {
		struct wait w = wait_for_ms(MOVE_WAIT_MS);
		int r = registry_move(c->registry, from, to, exchange, owner,
				      &w);

		if (r == 0)
			return;
		if (r != -ETIMEDOUT) /* the disk */
			wait_sleep(&w, MOVE_PAUSE);
	}
}

void checkouts_move(struct checkouts *c, const char *from, const char *to,
		    bool exchange, const struct record *want)
{
	struct owner owner = { want->user, want->host, want->seat,
			       registry_lease(c->registry) };

	move_records(c, from, to, exchange, &owner);
	LOCK_SCOPE(&c->mutex);
	rename_below(c, from, exchange ? NOWHERE : to, want);
	if (exchange) {
		rename_below(c, to, from, want);
		rename_below(c, NOWHERE, to, want);
	}
}

void checkouts_folder_gone(struct checkouts *c, const char *folder,
			   const struct record *want)
{
	struct checkout *co;

	LOCK_SCOPE(&c->mutex);
	while ((co = find_owned_below(c, folder, want)) && co->uses == 0)
		end(c, co);
}

/* ---- opening and closing ---- */

int checkouts_open(struct checkouts **ret_checkouts, struct registry *r,
		   unsigned linger_ms)
{
	struct checkouts *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	c->registry = r;
	c->linger_ms = linger_ms;
	c->next_sweep = UINT64_MAX;
	pthread_mutex_init(&c->mutex, NULL);
	pthread_cond_init(&c->changed, NULL);
	pthread_cond_init(&c->timed, NULL);
	err = -pthread_create(&c->sweeper, NULL, sweep, c);
	if (err < 0) {
		free(c);
		return err;
	}
	*ret_checkouts = c;
	return 0;
}

static void drop(struct hash_node *n)
{
	free_checkout(container_of(n, struct checkout, node));
}

static void drop_scratch(struct hash_node *n)
{
	free(container_of(n, struct scratch, node));
}

void checkouts_free(struct checkouts *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->mutex);
	c->closing = true;
	pthread_cond_signal(&c->timed);
	pthread_mutex_unlock(&c->mutex);
	pthread_join(c->sweeper, NULL);
	hash_clear(&c->by_path, drop);
	hash_clear(&c->scratch, drop_scratch);
	pthread_cond_destroy(&c->changed);
	pthread_cond_destroy(&c->timed);
	pthread_mutex_destroy(&c->mutex);
	free(c);
}
