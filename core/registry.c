/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/registry.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/cleanup.h"
#include "core/events.h"
#include "core/held.h"
#include "core/leader.h"

#define LEASES_DIR "leases"

void registry_conflict_release(struct registry_conflict *c)
{
	free(c->path);
	record_release(&c->holder);
	*c = (struct registry_conflict){};
}

int registry_checkout(struct registry *r, struct registry_claim *claims,
		      size_t n, const struct record *want, const struct wait *w,
		      struct registry_conflict *ret_conflict)
{
	struct request q = { .apply = request_checkout,
			     .claims = claims,
			     .n_claims = n,
			     .want = want,
			     .conflict = ret_conflict };

	return leader_submit(r, &q, w);
}

int registry_check(struct registry *r, const char *path, bool tree,
		   const struct owner *owner, const struct wait *w,
		   struct registry_conflict *ret_conflict)
{
	struct registry_claim claim = { .path = path, .tree = tree };
	struct request q = { .apply = request_check,
			     .claims = &claim,
			     .n_claims = 1,
			     .owner = owner,
			     .conflict = ret_conflict };
	_cleanup_buffer_ struct buffer text = {};
	int found = tree ? -EAGAIN : store_peek(&r->store, path, &text);

	if (found == 0)
		return 0;
	if (found > 0) {
		int outcome = requests_judge_text(r, path, text.data, text.len,
						  owner, ret_conflict);

		if (outcome != REGISTRY_HELD ||
		    !requests_is_ours(r, &ret_conflict->holder))
			return outcome;
		/* it may have been given back, and not be written yet */
		registry_conflict_release(ret_conflict);
	}
	return leader_submit(r, &q,
			     w); /* somebody is writing: look with the lock */
}

int registry_move(struct registry *r, const char *from, const char *to,
		  bool exchange, const struct owner *owner,
		  const struct wait *w)
{
	struct request q = { .apply = request_move,
			     .path = from,
			     .to = to,
			     .exchange = exchange,
			     .owner = owner };

	return leader_submit(r, &q, w);
}

int registry_break(struct registry *r, const char *path, const struct wait *w,
		   struct record *ret_broken)
{
	_cleanup_record_ struct record found = {};
	struct request q = { .apply = request_break,
			     .path = path,
			     .ret_record = &found };
	int err = leader_submit(r, &q, w);

	if (err < 0)
		return err;
	*ret_broken = found;
	found = (struct record){};
	return 0;
}

/* A request about paths, all of them or none. */
static int submit_paths(struct registry *r, struct request *q,
			const char *const *paths, size_t n,
			const struct wait *w)
{
	_cleanup_free_ struct registry_claim *claims =
		calloc(n ? n : 1, sizeof(*claims));

	if (!claims)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		claims[i].path = paths[i];
	q->claims = claims;
	q->n_claims = n;
	q->durable = true;
	return leader_submit(r, q, w);
}

int registry_keep(struct registry *r, const char *const *paths, size_t n,
		  const struct record *want, const char *over,
		  const struct wait *w, size_t *ret_new,
		  struct registry_conflict *ret_conflict)
{
	struct request q = { .apply = request_keep,
			     .want = want,
			     .over = over,
			     .conflict = ret_conflict };
	int err = submit_paths(r, &q, paths, n, w);

	if (err == 0 && ret_new)
		*ret_new = q.n_new;
	return err;
}

int registry_unkeep(struct registry *r, const char *const *paths, size_t n,
		    const struct owner *owner, const struct wait *w,
		    struct registry_conflict *ret_conflict)
{
	struct request q = { .apply = request_unkeep,
			     .owner = owner,
			     .conflict = ret_conflict };

	return submit_paths(r, &q, paths, n, w);
}

int registry_seize(struct registry *r, const char *const *paths, size_t n,
		   const struct record *want, const char *only_user,
		   const struct wait *w, struct record *ret_was,
		   struct registry_conflict *ret_conflict)
{
	struct request q = { .apply = request_seize,
			     .want = want,
			     .only_user = only_user,
			     .ret_record = ret_was,
			     .conflict = ret_conflict };

	return submit_paths(r, &q, paths, n, w);
}

int registry_unseize(struct registry *r, const char *path,
		     const struct record *was, const struct wait *w)
{
	struct request q = { .apply = request_unseize,
			     .path = path,
			     .want = was,
			     .durable = true };

	return leader_submit(r, &q, w);
}

void registry_checkin(struct registry *r, const char *const *paths, size_t n)
{
	leader_checkin(r, paths, n);
}

int registry_snapshot(struct registry *r, struct snapshot **ret_snapshot)
{
	return snapshot_cache_get(&r->snapshots, &r->store, ret_snapshot);
}

int registry_snapshot_others(struct registry *r, struct snapshot **ret_snapshot)
{
	return snapshot_cache_get_others(&r->snapshots, &r->store,
					 ret_snapshot);
}

const char *registry_lease(const struct registry *r)
{
	return r->lease.id;
}

/* ---- opening and closing ---- */

/* What is left of mounts that are gone, once their records are reaped. */
static void remove_dead_leases(struct registry *r)
{
	int fd = openat(r->leases_dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;

	if (!dir)
		return;
	while ((d = readdir(dir))) {
		if (!strcmp(d->d_name, r->lease.id) ||
		    lease_probe(r->leases_dir, d->d_name) != LEASE_STALE)
			continue;
		store_remove_spare(&r->store, d->d_name);
		lease_remove(r->leases_dir, d->d_name);
	}
	closedir(dir);
}

static int open_leases(struct registry *r)
{
	int dir = r->options.state_dir;

	if (!r->options.observer && mkdirat(dir, LEASES_DIR, 0755) < 0 &&
	    errno != EEXIST)
		return -errno;
	r->leases_dir = openat(dir, LEASES_DIR,
			       O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (r->leases_dir < 0 && !(r->options.observer && errno == ENOENT))
		return -errno;
	return 0;
}

/* Under the file lock: whoever removes stale leases has it, too. */
static int open_records(struct registry *r)
{
	struct request q = { .apply = request_reap };
	int err = lease_open(&r->lease, r->leases_dir, r->options.host);

	if (err == 0)
		err = store_init(&r->store, r->options.locks_dir,
				 r->options.locks_name, r->lease.id);
	if (err < 0)
		return err;
	requests_run(r, &q);
	if (q.result == 0)
		remove_dead_leases(r);
	return q.result;
}

/* Its spare has a name of its own: it is removed without the file lock. */
static int start_observer(struct registry *r)
{
	char tag[32];

	snprintf(tag, sizeof(tag), "tool-%d", (int)getpid());
	return store_init(&r->store, r->options.locks_dir,
			  r->options.locks_name, tag);
}

static int start(struct registry *r, const struct wait *w)
{
	_cleanup_free_ char *lock_name = NULL;
	int err = open_leases(r);

	if (err < 0)
		return err;
	if (asprintf(&lock_name, "%s.lock", r->options.locks_name) < 0) {
		lock_name = NULL;
		return -ENOMEM;
	}
	err = filelock_init(&r->filelock, r->options.locks_dir, lock_name);
	if (r->options.observer && err == 0)
		return start_observer(r);
	if (err == 0)
		err = filelock_acquire(&r->filelock, w);
	if (err < 0)
		return err;
	err = open_records(r);
	filelock_drop(&r->filelock);
	events_tell(r, take_ptr(r->events));
	if (err == 0)
		err = leader_start(r);
	return err;
}

static void release(struct registry *r)
{
	held_release_all(r);
	if (r->store.name)
		store_release(&r->store);
	if (r->lease.fd >= 0)
		lease_close(&r->lease);
	if (r->leases_dir >= 0)
		close(r->leases_dir);
	filelock_release(&r->filelock);
	snapshot_cache_release(&r->snapshots);
	pthread_cond_destroy(&r->changed);
	pthread_cond_destroy(&r->wanted);
	pthread_mutex_destroy(&r->mutex);
	free(r);
}

int registry_open(struct registry **ret_registry,
		  const struct registry_options *options, const struct wait *w)
{
	struct registry *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return -ENOMEM;
	r->options = *options;
	r->leases_dir = -1;
	r->lease.fd = -1;
	r->filelock.fd = -1;
	pthread_mutex_init(&r->mutex, NULL);
	pthread_cond_init(&r->changed, NULL);
	pthread_cond_init(&r->wanted, NULL);
	snapshot_cache_init(&r->snapshots);
	err = start(r, w);
	if (err < 0) {
		release(r);
		return err;
	}
	*ret_registry = r;
	return 0;
}

void registry_close(struct registry *r)
{
	if (!r)
		return;
	if (!r->options.observer)
		leader_stop(r);
	release(r);
}
