/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * camlock versions: what is kept of documents as they were.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/text.h"
#include "cli/versions.h"
#include "core/cleanup.h"
#include "core/json.h"

static const char help[] =
	"usage: camlock versions [--json] [PATH...]\n"
	"\n"
	"Lists what is kept of files as they were before a save, for 'camlock "
	"diff' and\n"
	"'camlock revert'; also of files that are deleted. A folder stands for "
	"all below\n"
	"it; without a PATH, it is the current one. TIME is when it was "
	"written over, or\n"
	"deleted, and USER who did that.\n"
	"\n"
	"  --json  an array of objects, for programs\n"
	"\n"
	"Fields of --json:\n"
	"  share    the mountpoint or share it was found in\n"
	"  path     the file, as seen from the share\n"
	"  version  a number, 1: the newest of that file\n"
	"  name     which does not change when there is a newer one\n"
	"  time     UTC, 2026-11-23T15:58:35.123456+00:00\n"
	"  user     who wrote over it\n"
	"  size     in bytes, a number\n"
	"  file     where it is, to be read\n";

static int add_row(struct table *t, const struct version *v)
{
	char time[LOCAL_SIZE], size[32], number[16];
	const char *cells[] = { v->path, number, time, v->user, size };
	int r = 0;

	local_time(time, v->time);
	snprintf(size, sizeof(size), "%lld", (long long)v->size);
	snprintf(number, sizeof(number), "%u", v->number);
	for (size_t i = 0; r == 0 && i < t->columns; i++)
		r = table_add(t, cells[i]);
	return r;
}

static int add_rows(struct table *t, const struct versions_list *l)
{
	static const char *const names[] = { "PATH", "VERSION", "TIME", "USER",
					     "SIZE" };
	int r = 0;

	for (size_t i = 0; r == 0 && t->n_cells < t->columns; i++)
		r = table_add(t, names[i]);
	for (size_t i = 0; r == 0 && i < l->n; i++)
		r = add_row(t, &l->list[i]);
	return r;
}

static int add_object(struct buffer *b, const struct place *place,
		      const struct version *v)
{
	const struct json_field fields[] = {
		{ "share", place->root }, { "path", v->path },
		{ "name", v->name },	  { "time", v->time },
		{ "user", v->user },	  { "file", v->file },
	};
	int r = buffer_append_string(b, b->len > 1 ? ",\n  {" : "\n  {");

	if (r == 0)
		r = json_append_fields(b, fields,
				       sizeof(fields) / sizeof(*fields));
	return r == 0 ? buffer_printf(b, ", \"version\": %u, \"size\": %lld}",
				      v->number, (long long)v->size)
		      : r;
}

/* Of one place: into the table, or with `json` into that. */
static int show(const struct place *place, struct table *t, struct buffer *json)
{
	_cleanup_versions_ struct versions_list l = {};
	int status = versions_load(&l, place);
	int r = 0;

	if (status != DONE)
		return status;
	if (!json)
		r = add_rows(t, &l);
	for (size_t i = 0; json && r == 0 && i < l.n; i++)
		r = add_object(json, place, &l.list[i]);
	return r < 0 ? fail(TROUBLE, "out of memory") : DONE;
}

static int show_all(const struct places *p, bool json)
{
	_cleanup_table_ struct table t = { .columns = 5 };
	_cleanup_buffer_ struct buffer b = {};
	int status = DONE;

	if (buffer_append(&b, "[", 1) < 0)
		return fail(TROUBLE, "out of memory");
	for (int i = 0; status == DONE && i < p->n; i++)
		status = show(&p->list[i], &t, json ? &b : NULL);
	if (status != DONE)
		return status;
	if (json)
		printf("%s\n]\n", b.data);
	else if (t.n_cells > t.columns)
		table_print(&t);
	else
		puts("nothing is kept");
	return DONE;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	_cleanup_places_ struct places places = {};
	bool json = false;
	int c, status;

	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (c == 'j')
			json = true;
		else if (c == 'h')
			return print_help(&cmd_versions);
		else
			return bad_option(&cmd_versions, c, argv);
	}
	status = places_find(&places, argc - optind, argv + optind);
	return status == DONE ? show_all(&places, json) : status;
}

const struct command cmd_versions = {
	.name = "versions",
	.summary = "what is kept of files as they were",
	.help = help,
	.run = run,
};
