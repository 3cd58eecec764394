/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * camlock registry: where a share's records are.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/bare.h"
#include "cli/cli.h"
#include "core/cleanup.h"
#include "core/engine.h"
#include "core/etcd_address.h"

#define AT_ONCE 1000 /* records in one step, or as many as go into one */

static const char help[] = "usage: camlock registry copy SHARE ADDRESS\n"
			   "       camlock registry copy ADDRESS SHARE\n"
			   "\n"
			   "Copies the records of the kept checkouts from "
			   "SHARE's locks.json into\n"
			   "the etcd at ADDRESS, "
			   "etcd://HOST:PORT[,HOST:PORT...]/PREFIX, or back.\n"
			   "After that mounts of SHARE and tools that are told "
			   "nothing use the one\n"
			   "they were copied to; the other stays as it is. "
			   "SHARE must not be\n"
			   "mounted meanwhile, by any host.\n"
			   "\n"
			   "If a path has another record there already, "
			   "nothing is changed from\n"
			   "then on: it can be done again.\n";

struct copying {
	struct place place;
	const char *address;
	bool to_share;
	struct registry *from;
	struct registry *to;
};

static int open_one(struct copying *c, bool on_share,
		    struct registry **ret_registry)
{
	_cleanup_buffer_ struct buffer why = {};
	struct registry_options options = {
		.state_dir = c->place.state,
		.locks_dir = c->place.files,
		.locks_name = LOCKS_NAME,
		.address = on_share ? NULL : c->address,
		.on_share = on_share,
		.host = bare_host(),
		.observer = true,
		.why = &why,
	};
	struct wait w = wait_for_ms(LOCK_WAIT_MS);
	int r = registry_open(ret_registry, &options, &w);

	if (r == 0)
		return DONE;
	return fail(TROUBLE, "cannot read the records: %s",
		    why.data ? why.data : reason(r));
}

/* Of this moment: whoever mounts it now is told by what is in `.camlock`. */
static int check_unused(struct registry *r)
{
	int in_use = registry_is_in_use(r);

	if (in_use < 0)
		return fail(TROUBLE, "cannot tell whether '%s' is in use: %s",
			    registry_where(r), reason(in_use));
	if (in_use > 0)
		return fail(REFUSED,
			    "a mount is using '%s': unmount it first, on "
			    "whichever host it is",
			    registry_where(r));
	return DONE;
}

static int copy_all(struct copying *c)
{
	_cleanup_snapshot_ struct snapshot *s = NULL;
	_cleanup_conflict_ struct registry_conflict conflict = {};
	int r = registry_snapshot(c->from, &s);
	size_t n = r == 0 ? snapshot_count(s) : 0, step = AT_ONCE;

	for (size_t i = 0; r == 0 && i < n;) {
		struct wait w = wait_for_ms(LOCK_WAIT_MS);
		size_t end = i + step < n ? i + step : n;

		r = registry_copy(c->to, s, i, end, &w, &conflict);
		if (r == 0) {
			i = end;
		} else if (r == -E2BIG && step > 1) {
			step /= 2;
			r = 0;
		}
	}
	if (r > 0)
		return fail(REFUSED,
			    "'%s' is checked out by %s in '%s': one of the two "
			    "records must go first",
			    conflict.path, conflict.holder.user,
			    registry_where(c->to));
	if (r < 0)
		return fail(TROUBLE, "cannot copy from '%s' to '%s': %s",
			    registry_where(c->from), registry_where(c->to),
			    reason(r));
	return DONE;
}

/* The last step, which decides. */
static int point(const struct copying *c)
{
	_cleanup_buffer_ struct buffer now = {};
	int r = c->to_share ? engine_remove_address(c->place.state)
			    : engine_read_address(c->place.state, &now);

	if (!c->to_share && r == 0)
		r = engine_write_address(c->place.state, c->address);
	if (r < 0)
		return fail(TROUBLE,
			    "all is copied, but '%s/.camlock/%s' can't be "
			    "changed: %s",
			    c->place.root, ENGINE_ADDRESS_NAME, reason(r));
	return DONE;
}

static int copy(struct copying *c, const char *share)
{
	int status = place_find(&c->place, share);

	if (status != DONE)
		return status;
	if (c->place.is_mount || c->place.state < 0)
		return fail(REFUSED,
			    "'%s' is a mount: unmount it, and name the share",
			    share);
	status = open_one(c, !c->to_share, &c->from);
	if (status == DONE)
		status = open_one(c, c->to_share, &c->to);
	if (status == DONE)
		status = check_unused(c->from);
	if (status == DONE)
		status = check_unused(c->to);
	if (status == DONE)
		status = copy_all(c);
	return status == DONE ? point(c) : status;
}

static int run_copy(const char *from, const char *to)
{
	struct copying c = { .place = { .files = -1, .state = -1 } };
	struct etcd_address unused;
	int status;

	c.to_share = etcd_address_is(from);
	c.address = c.to_share ? from : to;
	if (etcd_address_is(from) == etcd_address_is(to))
		return fail(USAGE,
			    "one of '%s' and '%s' must be a share, the "
			    "other etcd://HOST:PORT/PREFIX",
			    from, to);
	if (etcd_address_parse(&unused, c.address) < 0)
		return fail(USAGE,
			    "'%s' is no address: write "
			    "etcd://HOST:PORT[,HOST:PORT...]/PREFIX",
			    c.address);
	etcd_address_release(&unused);
	status = copy(&c, c.to_share ? to : from);
	registry_close(c.from);
	registry_close(c.to);
	place_release(&c.place);
	return status;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	int c;

	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (c == 'h')
			return print_help(&cmd_registry);
		return bad_option(&cmd_registry, c, argv);
	}
	if (argc - optind != 3 || strcmp(argv[optind], "copy") != 0)
		return bad_arguments(&cmd_registry, "copy FROM TO");
	return run_copy(argv[optind + 1], argv[optind + 2]);
}

const struct command cmd_registry = {
	.name = "registry",
	.summary = "move the records elsewhere",
	.help = help,
	.run = run,
};
