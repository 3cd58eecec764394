/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/records.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bare.h"
#include "cli/cli.h"
#include "core/cleanup.h"
#include "core/entries.h"
#include "core/users.h"

static void cleanup_registry(struct registry **r)
{
	registry_close(*r);
}

void records_release(struct records *r)
{
	for (size_t i = 0; i < r->n; i++) {
		free(r->list[i].path);
		record_release(&r->list[i].record);
	}
	free(r->list);
	*r = (struct records){};
}

/* `registry` knows who is stale; NULL: nobody does. */
static int add(struct records *r, struct registry *registry, const char *path,
	       const char *text, size_t len)
{
	struct record_at at = {};
	int err = record_parse(&at.record, text, len);

	if (err == -EINVAL)
		return 0;
	if (err < 0)
		return err;
	if (r->n == r->cap) {
		size_t cap = r->cap ? 2 * r->cap : 64;
		void *list = reallocarray(r->list, cap, sizeof(*r->list));

		if (list) {
			r->list = list;
			r->cap = cap;
		}
	}
	at.path = strdup(path);
	if (!at.path || r->n == r->cap) {
		free(at.path);
		record_release(&at.record);
		return -ENOMEM;
	}
	at.is_stale = registry && registry_is_stale(registry, &at.record);
	at.is_live = registry && registry_is_live(registry, &at.record);
	r->list[r->n++] = at;
	return 0;
}

/* ---- a bare share ---- */

static int add_snapshot(struct records *r, struct registry *registry)
{
	_cleanup_snapshot_ struct snapshot *s = NULL;
	int err = registry_snapshot(registry, &s);

	for (size_t i = 0; err == 0 && i < snapshot_count(s); i++) {
		size_t len;
		const char *text = snapshot_text(s, i, &len);

		err = add(r, registry, snapshot_path(s, i), text, len);
	}
	return err;
}

static int load_share(struct records *r, const struct place *place,
		      const char *locks)
{
	_cleanup_bare_ struct bare bare = {};
	int status = bare_open(&bare, place, locks);
	int err = status == DONE ? add_snapshot(r, bare.registry) : 0;

	if (status != DONE)
		return status;
	if (err == -EBADMSG)
		return fail(TROUBLE,
			    "'%s' is damaged: the next mount of the share "
			    "puts its last good state back",
			    bare.shown);
	if (err < 0)
		return fail(TROUBLE, "cannot read '%s': %s", bare.shown,
			    reason(err));
	if (faccessat(bare.locks_dir, bare.name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		complain("'%s' is not there: nothing was ever checked out, or "
			 "the mount was told --locks, then we must be, too",
			 bare.shown);
	return DONE;
}

/* ---- a mount ---- */

static int compare(const void *a, const void *b)
{
	const struct record_at *x = a;
	const struct record_at *y = b;

	return strcmp(x->path, y->path);
}

static int add_entries(struct records *r, struct registry *registry, int fd)
{
	_cleanup_entries_ struct entries entries = {};
	_cleanup_buffer_ struct buffer text = {};
	int err = buffer_read_file(&text, fd);

	if (err == 0)
		err = entries_parse(&entries, &text);
	if (err < 0)
		return err;
	for (const struct entry *e = entries.head; err == 0 && e; e = e->next) {
		size_t len;
		const char *value = entries_value(&entries, e, &len);

		if (e->key[0])
			err = add(r, registry, e->key, value, len);
	}
	if (r->n > 0)
		qsort(r->list, r->n, sizeof(*r->list), compare);
	return err;
}

/* NULL if they are not for us to see. */
static struct registry *open_leases(const struct place *place)
{
	struct registry_options options = {
		.state_dir = place->state,
		.locks_dir = place->state,
		.locks_name = LOCKS_NAME,
		.host = "",
		.observer = true,
	};
	struct wait w = wait_for_ms(LOCK_WAIT_MS);
	struct registry *registry;

	return registry_open(&registry, &options, &w) < 0 ? NULL : registry;
}

static int load_mount(struct records *r, const struct place *place)
{
	_cleanup_(cleanup_registry) struct registry *registry = NULL;
	_cleanup_close_ int fd = openat(place->files, LOCKS_NAME,
					O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int err = fd < 0 ? -errno : 0;

	/* the mount reaps at its start only; the leases tell more */
	if (place->state >= 0)
		registry = open_leases(place);
	if (err == 0)
		err = add_entries(r, registry, fd);
	if (err < 0)
		return fail(TROUBLE,
			    "cannot read the records of the mount '%s': %s",
			    place->root, reason(err));
	return DONE;
}

static int compare_path(const void *path, const void *at)
{
	return strcmp(path, ((const struct record_at *)at)->path);
}

const struct record_at *records_find(const struct records *r, const char *path)
{
	return r->n ? bsearch(path, r->list, r->n, sizeof(*r->list),
			      compare_path)
		    : NULL;
}

/* As mounts name him. */
static const char *our_name(void)
{
	static char name[USER_NAME_SIZE];
	struct users *users;

	if (!*name && users_open(&users) == 0) {
		users_name(users, geteuid(), name);
		users_free(users);
	}
	return name;
}

bool records_is_ours(const struct record_at *at)
{
	const struct record *r = &at->record;

	return !strcmp(r->user, our_name()) &&
	       (!r->host || !strcmp(r->host, bare_host()));
}

bool records_is_our_kept(const struct record_at *at)
{
	struct owner owner = { .user = our_name(),
			       .host = bare_host(),
			       .seat = "" };

	return record_owned_by(&at->record, &owner);
}

int records_load(struct records *ret_records, const struct place *place,
		 const char *locks)
{
	_cleanup_records_ struct records r = {};
	int status;

	if (locks && place->is_mount)
		return fail(USAGE,
			    "'%s' is a mount, and knows its locks.json: leave "
			    "--locks away",
			    place->root);
	status = place->is_mount ? load_mount(&r, place)
				 : load_share(&r, place, locks);
	if (status != DONE)
		return status;
	*ret_records = r;
	r = (struct records){};
	return DONE;
}
