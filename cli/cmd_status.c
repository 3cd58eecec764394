/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * camlock status: who has what.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/bare.h"
#include "cli/cli.h"
#include "cli/place.h"
#include "cli/records.h"
#include "cli/text.h"
#include "core/cleanup.h"
#include "core/json.h"
#include "core/escape.h"

static const char help[] =
	"usage: camlock status [--json] [--locks FILE] [PATH...]\n"
	"       camlock status --format locks.json [--locks FILE] [PATH]\n"
	"\n"
	"Who has what: all that is checked out at or below each PATH. A PATH "
	"is a\n"
	"mountpoint, a share, or a folder or file below one; without any, it "
	"is the\n"
	"current folder. Paths are shown as seen from the share.\n"
	"\n"
	"  KIND open   ends with the last handle that can write\n"
	"       kept   ends when its owner, or an admin, ends it\n"
	"       stale  was open, its mount is gone: it holds nothing\n"
	"\n"
	"  --json        an array of objects, for programs\n"
	"  --format locks.json\n"
	"                all records of one share as its locks.json has them,\n"
	"                for programs "
	"that read it; there is none if they are in an etcd\n"
	"  --locks FILE  where a bare share's locks.json is, if the mount was "
	"told so\n"
	"\n"
	"Fields of --json, all of them strings, or null if the record says "
	"nothing:\n"
	"  share      the mountpoint or share it was found in\n"
	"  path       as seen from there\n"
	"  user, host, seat, client\n"
	"             the owner; seat is empty unless he comes through Samba, "
	"and\n"
	"             client the machine he then comes from\n"
	"  since      UTC, 2026-11-23T15:58:35.123456+00:00\n"
	"  kind       \"open\" or \"kept\"\n"
	"  app, pid   the program, and its process on that host\n"
	"  message    why\n"
	"  stale      true or false: true holds nothing\n";

struct status_options {
	bool json;
	bool whole; /* --format locks.json */
	const char *locks;
};

/* ---- as a table ---- */

#define COLUMN_KIND 4

static const char *kind_of(const struct record_at *at)
{
	if (!record_is_open(&at->record))
		return RECORD_KIND_KEPT;
	return at->is_stale ? "stale" : RECORD_KIND_OPEN;
}

static int add_row(struct table *t, const struct record_at *at)
{
	const struct record *rec = &at->record;
	char since[LOCAL_SIZE];
	bool is_time = local_time(since, rec->timestamp);
	const char *cells[] = {
		at->path,
		rec->user,
		record_machine(rec),
		is_time ? since : rec->timestamp,
		kind_of(at),
		rec->app,
		rec->message,
	};
	int r = 0;

	since[LOCAL_MINUTES] = '\0';
	for (size_t i = 0; r == 0 && i < t->columns; i++) {
		r = table_add(t, cells[i]);
		if (r == 0 && i == COLUMN_KIND && at->is_stale &&
		    text_is_coloured())
			table_colour(t, COLOUR_YELLOW);
	}
	return r;
}

static int add_header(struct table *t)
{
	static const char *const names[] = { "PATH",   "USER", "HOST",
					     "SINCE",  "KIND", "PROGRAM",
					     "MESSAGE" };
	int r = 0;

	t->columns = sizeof(names) / sizeof(*names);
	for (size_t i = 0; r == 0 && i < t->columns; i++)
		r = table_add(t, names[i]);
	return r;
}

/* As its daemon says. */
static bool is_cut_off(const struct place *place)
{
	_cleanup_close_ int fd =
		place->is_mount ? openat(place->files, "share",
					 O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
				: -1;
	char word[16] = "";

	return fd >= 0 && read(fd, word, sizeof(word) - 1) > 0 &&
	       !strncmp(word, "cut off", strlen("cut off"));
}

static int show_table(const struct places *places, const struct place *place,
		      const struct records *records)
{
	_cleanup_table_ struct table t = {};
	_cleanup_buffer_ struct buffer root = {};
	int r = add_header(&t);

	for (size_t i = 0; r == 0 && i < records->n; i++)
		if (places_cover(places, place, records->list[i].path))
			r = add_row(&t, &records->list[i]);
	if (r == 0)
		r = escape_append(&root, place->root);
	if (r < 0)
		return fail(TROUBLE, "out of memory");
	if (!places_are_one(places))
		printf("%s:\n", root.data);
	if (is_cut_off(place))
		puts("cut off from the share: nothing is checked out until it "
		     "is back, and this is what was known last");
	if (t.n_cells > t.columns)
		table_print(&t);
	else
		puts("nothing is checked out");
	return DONE;
}

/* ---- as JSON ---- */

static int append_object(struct buffer *b, const struct place *place,
			 const struct record_at *at)
{
	const struct record *rec = &at->record;
	const struct json_field fields[] = {
		{ "share", place->root },
		{ "path", at->path },
		{ "user", rec->user },
		{ "host", rec->host },
		{ "seat", rec->seat },
		{ "client", rec->client },
		{ "since", rec->timestamp },
		{ "kind",
		  record_is_open(rec) ? RECORD_KIND_OPEN : RECORD_KIND_KEPT },
		{ "app", rec->app },
		{ "pid", rec->pid },
		{ "message", rec->message },
	};
	int r = buffer_append(b, "{", 1);

	if (r == 0)
		r = json_append_fields(b, fields,
				       sizeof(fields) / sizeof(*fields));
	return r == 0 ? buffer_printf(b, ", \"stale\": %s}",
				      at->is_stale ? "true" : "false")
		      : r;
}

/* `any`: something was shown already, so that a comma is due. */
static int show_objects(const struct places *places, const struct place *place,
			const struct records *records, bool *any)
{
	for (size_t i = 0; i < records->n; i++) {
		_cleanup_buffer_ struct buffer b = {};

		if (!places_cover(places, place, records->list[i].path))
			continue;
		if (append_object(&b, place, &records->list[i]) < 0)
			return fail(TROUBLE, "out of memory");
		printf("%s\n  %s", *any ? "," : "", b.data);
		*any = true;
	}
	return DONE;
}

/* ---- as locks.json ---- */

static int print_mount(const struct place *place)
{
	_cleanup_close_ int fd = openat(place->files, LOCKS_NAME,
					O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	_cleanup_buffer_ struct buffer text = {};
	int r = fd < 0 ? -errno : buffer_read_file(&text, fd);

	if (r < 0)
		return fail(TROUBLE,
			    "cannot read the records of the mount '%s': %s",
			    place->root, reason(r));
	fwrite(text.data, 1, text.len, stdout);
	return DONE;
}

static int print_share(const struct place *place, const char *locks)
{
	_cleanup_snapshot_ struct snapshot *s = NULL;
	_cleanup_bare_ struct bare bare = {};
	int status = bare_open(&bare, place, locks);
	const char *text;
	size_t len;
	int r = status == DONE ? registry_snapshot(bare.registry, &s) : 0;

	if (status != DONE)
		return status;
	if (r < 0)
		return fail(TROUBLE, "cannot read '%s': %s", bare.shown,
			    reason(r));
	text = snapshot_whole(s, &len);
	fwrite(text, 1, len, stdout);
	return DONE;
}

static int print_whole(const struct places *places, const char *locks)
{
	const struct place *place = places->list;

	if (!places_are_one(places))
		return fail(USAGE, "--format locks.json is for one share");
	return place->is_mount ? print_mount(place) : print_share(place, locks);
}

/* ---- the command ---- */

static bool is_first_of_root(const struct places *places, int i)
{
	for (int j = 0; j < i; j++)
		if (!strcmp(places->list[j].root, places->list[i].root))
			return false;
	return true;
}

static int show(const struct places *places, const struct status_options *o)
{
	bool any = false;
	int status = DONE;

	for (int i = 0; status == DONE && i < places->n; i++) {
		const struct place *place = &places->list[i];
		_cleanup_records_ struct records records = {};

		if (!is_first_of_root(places, i))
			continue;
		status = records_load(&records, place, o->locks);
		if (status == DONE && o->json)
			status = show_objects(places, place, &records, &any);
		else if (status == DONE)
			status = show_table(places, place, &records);
	}
	return status;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "format", required_argument, NULL, 'f' },
		{ "locks", required_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	_cleanup_places_ struct places places = {};
	struct status_options o = {};
	int c, status;

	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (c == 'j')
			o.json = true;
		else if (c == 'f' && !strcmp(optarg, "locks.json"))
			o.whole = true;
		else if (c == 'f')
			return fail(USAGE,
				    "there is no format '%s': only "
				    "'locks.json'",
				    optarg);
		else if (c == 'l')
			o.locks = optarg;
		else if (c == 'h')
			return print_help(&cmd_status);
		else
			return bad_option(&cmd_status, c, argv);
	}
	status = places_find(&places, argc - optind, argv + optind);
	if (status != DONE)
		return status;
	if (o.whole)
		return print_whole(&places, o.locks);
	if (!o.json)
		return show(&places, &o);
	printf("[");
	status = show(&places, &o);
	printf("%s]\n", status == DONE ? "\n" : "");
	return status;
}

const struct command cmd_status = {
	.name = "status",
	.summary = "who has what",
	.help = help,
	.run = run,
};
