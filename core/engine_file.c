/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The engine on the share itself: locks.json (core/store.h), decisions under
 * its file lock (core/filelock.h), and lease files (core/lease.h), with a
 * pulse where other hosts may mount the share (core/pulse.h).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/cleanup.h"
#include "core/engine.h"
#include "core/filelock.h"
#include "core/lockholder.h"
#include "core/path.h"
#include "core/pulse.h"
#include "core/registry.h"
#include "core/store.h"

#define LEASES_DIR "leases"

struct file_engine {
	struct engine engine;
	const char *host; /* both borrowed */
	const char *locks_name;
	unsigned silence_ms; /* 0: no pulse */
	int state_dir;	     /* borrowed */
	int leases_dir;	     /* -1: an observer finds none */
	struct lease own;    /* the pulse's, but for what it asks us to renew;
				else of who decides */
	struct witness witness;
	struct pulse *pulse;
	struct engine_hooks hooks;
	_Atomic bool renew; /* the pulse asks for it */
	struct filelock filelock;
	struct store store;
};

static struct file_engine *of(struct engine *e)
{
	return (struct file_engine *)e;
}

/* ---- a decision ---- */

static int begin(struct engine *e, const struct wait *w)
{
	return filelock_acquire(&of(e)->filelock, w);
}

static void end(struct engine *e)
{
	filelock_drop(&of(e)->filelock);
}

/* Whether somebody has removed our lease; a pulse finds out by itself. */
static bool is_lease_lost(const struct file_engine *f)
{
	return f->renew || (!f->silence_ms && lease_is_removed(&f->own));
}

/* A lease that was lost is taken again. Others may have taken us for gone
 * meanwhile, and our records with us. */
static int load(struct engine *e)
{
	struct file_engine *f = of(e);
	bool lost = is_lease_lost(f);
	int r = lost ? lease_renew(&f->own) : 0;

	if (r == 0)
		r = store_load(&f->store);
	if (r < 0)
		return r;
	f->renew = false;
	e->damaged = f->store.damaged_name;
	return r == STORE_MENDED	    ? ENGINE_MENDED
	       : r == STORE_CHANGED || lost ? ENGINE_CHANGED
					    : 0;
}

static const char *find(struct engine *e, const char *key, size_t *ret_len)
{
	return store_find(&of(e)->store, key, ret_len);
}

static int list(struct engine *e, const char *folder, struct buffer *ret_keys)
{
	int err = 0;

	for (struct entry *at = of(e)->store.entries.head; err == 0 && at;
	     at = at->next)
		if (folder ? path_is_in(at->key, folder) : at->key[0] != '\0')
			err = buffer_append(ret_keys, at->key,
					    strlen(at->key) + 1);
	return err;
}

static int judge(struct engine *e, const char *lease)
{
	return witness_judge(&of(e)->witness, lease,
			     pulse_sure_since(of(e)->pulse));
}

static int put(struct engine *e, const char *key, const char *value, size_t len)
{
	return store_put(&of(e)->store, key, value, len);
}

static void remove_key(struct engine *e, const char *key)
{
	store_remove(&of(e)->store, key);
}

static int commit(struct engine *e, bool edited, bool durable)
{
	return edited ? store_commit(&of(e)->store, durable) : 0;
}

static void discard(struct engine *e)
{
	store_discard(&of(e)->store);
}

static bool is_untouched(struct engine *e)
{
	const struct store *s = &of(e)->store;

	return !is_lease_lost(of(e)) && store_is_current(s, &s->signature);
}

/* ---- reading ---- */

static int peek(struct engine *e, const char *key, struct buffer *ret_text)
{
	return store_peek(&of(e)->store, key, ret_text);
}

static int copy(struct engine *e, struct entries *ret_entries,
		struct signature *ret_state)
{
	/* cut off, looking might take for ever */
	return pulse_is_sure(of(e)->pulse)
		       ? store_copy(&of(e)->store, ret_entries, ret_state)
		       : store_copy_known(&of(e)->store, ret_entries,
					  ret_state);
}

static bool is_current(struct engine *e, const struct signature *state)
{
	return pulse_is_sure(of(e)->pulse) &&
	       store_is_current(&of(e)->store, state);
}

static void sign(struct engine *e, struct signature *ret_state)
{
	const struct store *s = &of(e)->store;
	struct stat st;

	*ret_state = (struct signature){};
	if (fstatat(s->dirfd, s->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		*ret_state = signature_of(&st);
}

static int is_in_use(struct engine *e)
{
	return engine_is_in_use(of(e)->state_dir);
}

static void explain(struct engine *e, int error, struct buffer *b)
{
	const struct filelock *l = &of(e)->filelock;
	char holder[128];

	if (error != -ETIMEDOUT) {
		buffer_printf(b, "'%s': %s", e->where, strerror(-error));
		return;
	}
	lockholder_describe(l->dirfd, l->name, holder, sizeof(holder));
	buffer_printf(b,
		      "another program holds the file lock '%s' (%s); it must "
		      "let go first",
		      l->name, holder);
}

static uint64_t others(struct engine *e)
{
	return store_others(&of(e)->store);
}

/* ---- beginning and end ---- */

/* Under the file lock: whoever removes stale leases has it, too. */
static int join(struct engine *e)
{
	struct file_engine *f = of(e);
	int dirfd = f->store.dirfd;
	int err = lease_open(&f->own, f->leases_dir, f->host, f->silence_ms);

	if (err < 0)
		return err;
	strcpy(e->lease, f->own.id);
	/* the spare goes by the lease */
	store_release(&f->store);
	return store_init(&f->store, dirfd, f->locks_name, e->lease);
}

static void tidy(struct engine *e)
{
	struct file_engine *f = of(e);
	int fd = openat(f->leases_dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;

	if (!dir)
		return;
	while ((d = readdir(dir))) {
		if (!strcmp(d->d_name, e->lease) ||
		    judge(e, d->d_name) != LEASE_STALE)
			continue;
		store_remove_spare(&f->store, d->d_name);
		lease_remove(f->leases_dir, d->d_name);
	}
	closedir(dir);
}

/* ---- being cut off ---- */

/* The pulse waits, so the lease is for who decides. */
static int revive(void *engine, const struct wait *w)
{
	struct file_engine *f = engine;

	f->renew = true;
	return f->hooks.decide(f->hooks.arg, w);
}

static void tell_unsure(void *engine, int error)
{
	const struct file_engine *f = engine;

	f->hooks.on_unsure(f->hooks.arg, error, NULL);
}

static void tell_sure(void *engine)
{
	const struct file_engine *f = engine;

	f->hooks.on_sure(f->hooks.arg);
}

static int start(struct engine *e, const struct engine_hooks *hooks)
{
	struct file_engine *f = of(e);
	struct pulse_options options = { .lease = &f->own,
					 .witness = &f->witness,
					 .silence_ms = f->silence_ms,
					 .arg = f,
					 .revive = revive,
					 .on_unsure = tell_unsure,
					 .on_sure = tell_sure };

	f->hooks = *hooks;
	return f->silence_ms ? pulse_open(&f->pulse, &options) : 0;
}

static bool stop(struct engine *e)
{
	if (!pulse_close(of(e)->pulse))
		return false;
	of(e)->pulse = NULL;
	return true;
}

static bool is_sure(struct engine *e)
{
	return pulse_is_sure(of(e)->pulse);
}

static void free_engine(struct engine *e)
{
	struct file_engine *f = of(e);

	if (f->store.name)
		store_release(&f->store);
	lease_close(&f->own);
	witness_release(&f->witness);
	if (f->leases_dir >= 0)
		close(f->leases_dir);
	filelock_release(&f->filelock);
	free(f);
}

static const struct engine_type file_engine_type = {
	.join = join,
	.tidy = tidy,
	.free = free_engine,
	.start = start,
	.stop = stop,
	.is_sure = is_sure,
	.begin = begin,
	.load = load,
	.find = find,
	.list = list,
	.judge = judge,
	.put = put,
	.remove = remove_key,
	.commit = commit,
	.discard = discard,
	.end = end,
	.is_untouched = is_untouched,
	.peek = peek,
	.copy = copy,
	.is_current = is_current,
	.others = others,
	.probe = judge,
	.sign = sign,
	.is_in_use = is_in_use,
	.explain = explain,
};

static int open_leases(struct file_engine *f, const struct registry_options *o)
{
	if (!o->observer && mkdirat(o->state_dir, LEASES_DIR, 0755) < 0 &&
	    errno != EEXIST)
		return -errno;
	f->leases_dir = openat(o->state_dir, LEASES_DIR,
			       O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (f->leases_dir < 0 && !(o->observer && errno == ENOENT))
		return -errno;
	f->witness.dirfd = f->leases_dir;
	return 0;
}

static int open_files(struct file_engine *f, const struct registry_options *o)
{
	_cleanup_free_ char *lock_name = NULL;
	char tag[32];
	int err = open_leases(f, o);

	if (err < 0)
		return err;
	if (asprintf(&lock_name, "%s.lock", o->locks_name) < 0) {
		lock_name = NULL;
		return -ENOMEM;
	}
	/* An observer's spare has a name of its own: it is removed without
	 * the file lock. */
	snprintf(tag, sizeof(tag), "tool-%d", (int)getpid());
	err = filelock_init(&f->filelock, o->locks_dir, lock_name);
	if (err == 0)
		err = store_init(&f->store, o->locks_dir, o->locks_name, tag);
	return err;
}

int engine_file_open(struct engine **ret_engine,
		     const struct registry_options *options)
{
	struct file_engine *f = calloc(1, sizeof(*f));
	int err;

	if (!f)
		return -ENOMEM;
	f->engine.type = &file_engine_type;
	f->engine.where = options->locks_name;
	f->engine.keeper = "the share";
	f->host = options->host;
	f->locks_name = options->locks_name;
	f->silence_ms = options->silence_ms;
	witness_init(&f->witness, -1, f->silence_ms);
	f->leases_dir = -1;
	f->state_dir = options->state_dir;
	f->own.fd = -1;
	f->filelock.fd = -1;
	err = open_files(f, options);
	if (err < 0) {
		free_engine(&f->engine);
		return err;
	}
	*ret_engine = &f->engine;
	return 0;
}
