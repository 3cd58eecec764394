/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/records.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "core/cleanup.h"
#include "core/entries.h"
#include "core/registry.h"

#define LOCK_WAIT_MS 5000

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
	r->list[r->n++] = at;
	return 0;
}

static int open_registry(struct registry **ret_registry, int state_dir,
			 int locks_dir, const char *locks_name)
{
	struct registry_options options = {
		.state_dir = state_dir,
		.locks_dir = locks_dir,
		.locks_name = locks_name,
		.host = "",
		.observer = true,
	};
	struct wait w = wait_for_ms(LOCK_WAIT_MS);

	return registry_open(ret_registry, &options, &w);
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

static int load_from(struct records *r, int state_dir, int locks_dir,
		     const char *name, const char *shown)
{
	_cleanup_(cleanup_registry) struct registry *registry = NULL;
	int err = open_registry(&registry, state_dir, locks_dir, name);

	if (err == 0)
		err = add_snapshot(r, registry);
	if (err == -EBADMSG)
		return fail(TROUBLE,
			    "'%s' is damaged: the next mount of the share "
			    "puts its last good state back",
			    shown);
	if (err < 0)
		return fail(TROUBLE, "cannot read '%s': %s", shown,
			    reason(err));
	if (faccessat(locks_dir, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		complain("'%s' is not there: nothing was ever checked out, or "
			 "the mount was told --locks, then status must be, too",
			 shown);
	return DONE;
}

static int load_elsewhere(struct records *r, int state_dir, const char *locks)
{
	const char *slash = strrchr(locks, '/');
	_cleanup_free_ char *folder =
		slash ? strndup(locks, (size_t)(slash - locks) + 1)
		      : strdup(".");
	_cleanup_close_ int fd = -1;

	if (!folder)
		return fail(TROUBLE, "out of memory");
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return fail(REFUSED, "cannot open the folder of '%s': %s",
			    locks, reason(errno));
	return load_from(r, state_dir, fd, slash ? slash + 1 : locks, locks);
}

static int load_share(struct records *r, const struct place *place)
{
	_cleanup_buffer_ struct buffer shown = {};

	if (buffer_printf(&shown, "%s/.camlock/" LOCKS_NAME, place->root) < 0)
		return fail(TROUBLE, "out of memory");
	return load_from(r, place->state, place->files, LOCKS_NAME, shown.data);
}

/* ---- a mount ---- */

static int read_to_end(int fd, struct buffer *b)
{
	ssize_t n;

	do {
		if (buffer_reserve(b, b->len + (64 << 10)) < 0)
			return -ENOMEM;
		n = read(fd, b->data + b->len, 64 << 10);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			b->len += (size_t)n;
	} while (n != 0);
	b->data[b->len] = '\0';
	return 0;
}

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
	int err = read_to_end(fd, &text);

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

static int load_mount(struct records *r, const struct place *place)
{
	_cleanup_(cleanup_registry) struct registry *registry = NULL;
	_cleanup_close_ int fd = openat(place->files, LOCKS_NAME,
					O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int err = fd < 0 ? -errno : 0;

	/* the mount reaps at its start only; the leases tell more */
	if (place->state >= 0 && open_registry(&registry, place->state,
					       place->state, LOCKS_NAME) < 0)
		registry = NULL;
	if (err == 0)
		err = add_entries(r, registry, fd);
	if (err < 0)
		return fail(TROUBLE,
			    "cannot read the records of the mount '%s': %s",
			    place->root, reason(err));
	return DONE;
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
	if (place->is_mount)
		status = load_mount(&r, place);
	else if (locks)
		status = load_elsewhere(&r, place->state, locks);
	else
		status = load_share(&r, place);
	if (status != DONE)
		return status;
	*ret_records = r;
	r = (struct records){};
	return DONE;
}
