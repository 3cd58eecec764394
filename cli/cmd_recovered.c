/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * camlock recovered: what was put aside when a checkout was taken away.
 */
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/cli.h"
#include "cli/place.h"
#include "cli/text.h"
#include "core/cleanup.h"
#include "core/escape.h"
#include "core/json.h"
#include "core/recovered.h"
#include "core/stamp.h"

static const char help[] =
	"usage: camlock recovered [--json] [PATH...]\n"
	"       camlock recovered --get NAME -o FILE [PATH]\n"
	"\n"
	"Lists what was put aside when a checkout was broken or stolen: what "
	"its holder\n"
	"had written, and what he wrote afterwards. You see what you may read, "
	"root sees\n"
	"all. Only what was at or below a PATH, if there are any; without any, "
	"it is the\n"
	"current folder.\n"
	"\n"
	"  --get NAME         copies one out, NAME as it is listed; PATH says "
	"of which\n"
	"                     share, if it is not the current folder's\n"
	"  -o, --output FILE  where to; it must not be there yet\n"
	"  --json             an array of objects, for programs; with --get "
	"of the one\n"
	"\n"
	"Fields of --json:\n"
	"  share  the mountpoint or share it was found in\n"
	"  name   what --get takes\n"
	"  time   UTC, 2026-11-23T15:58:35.123456+00:00\n"
	"  user   whose it is\n"
	"  path   where it was, as seen from the share\n"
	"  size   in bytes, a number\n"
	"  file   where it is now\n";

struct options {
	bool json;
	const char *get;
	const char *output;
};

struct found {
	char *name; /* TIME-USER/PATH */
	char time[TIMESTAMP_SIZE];
	const char *user; /* in name's copy */
	const char *path; /* in name */
	char *parts;	  /* the copy */
	off_t size;
};

struct list {
	struct found *list;
	size_t n;
	size_t cap;
};

static void list_release(struct list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->list[i].name);
		free(l->list[i].parts);
	}
	free(l->list);
}

/* ---- finding ---- */

/* 2026-11-23T15:58:35.123456Z-alice/jobs/p.nc */
static bool take_apart(struct found *f)
{
	char *slash = strchr(f->parts, '/');

	if (!slash)
		return false;
	*slash = '\0';
	f->path = f->name + (slash - f->parts) + 1;
	return stamp_parse(f->parts, f->time, &f->user);
}

/* Returns 0 or -ENOMEM; what is not named as ours is left out. */
static int add(struct list *l, const char *name, off_t size)
{
	struct found f = { .name = strdup(name),
			   .parts = strdup(name),
			   .size = size };
	bool is_ours = f.name && f.parts && take_apart(&f);
	int r = f.name && f.parts ? 0 : -ENOMEM;

	if (is_ours && l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 64;
		void *list = reallocarray(l->list, cap, sizeof(*l->list));

		if (list) {
			l->list = list;
			l->cap = cap;
		}
		r = list ? 0 : -ENOMEM;
	}
	if (is_ours && r == 0) {
		l->list[l->n++] = f;
		return 0;
	}
	free(f.name);
	free(f.parts);
	return r;
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct found *)a)->name,
		      ((const struct found *)b)->name);
}

/* Where they are, as a path. */
static char *folder_of(const struct place *place)
{
	char *path;

	if (asprintf(&path, "%s/%s/" RECOVERED_DIR, place->root,
		     place->is_mount ? ".locks/.camlock" : ".camlock") < 0)
		return NULL;
	return path;
}

static bool is_readable(const FTSENT *e)
{
	return faccessat(AT_FDCWD, e->fts_path, R_OK, AT_EACCESS) == 0;
}

/* What may not be read is not shown, and neither is what went meanwhile. */
static int find(struct list *l, const struct place *place)
{
	_cleanup_free_ char *folder = folder_of(place);
	char *roots[] = { folder, NULL };
	FTS *fts = folder ? fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL)
			  : NULL;
	int r = fts ? 0 : -ENOMEM;
	FTSENT *e;

	while (r == 0 && (errno = 0, e = fts_read(fts)))
		if (e->fts_info == FTS_F && is_readable(e))
			r = add(l, e->fts_path + strlen(folder) + 1,
				e->fts_statp->st_size);
	if (r == 0)
		r = -errno;
	if (fts)
		fts_close(fts);
	if (r < 0)
		return fail(TROUBLE, "cannot read '%s': %s",
			    folder ? folder : place->root, reason(r));
	if (l->n > 0)
		qsort(l->list, l->n, sizeof(*l->list), compare);
	return DONE;
}

/* ---- listing ---- */

static int add_row(struct table *t, const struct found *f)
{
	char time[LOCAL_SIZE], size[32];
	const char *cells[] = { time, f->user, f->path, size, f->name };
	int r = 0;

	local_time(time, f->time);
	snprintf(size, sizeof(size), "%lld", (long long)f->size);
	for (size_t i = 0; r == 0 && i < t->columns; i++)
		r = table_add(t, cells[i]);
	return r;
}

static int show_table(const struct places *places, const struct list *l)
{
	static const char *const names[] = { "TIME", "USER", "PATH", "SIZE",
					     "NAME" };
	_cleanup_table_ struct table t = { .columns = 5 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < t.columns; i++)
		r = table_add(&t, names[i]);
	for (size_t i = 0; r == 0 && i < l->n; i++)
		if (places_cover(places, &places->list[0], l->list[i].path))
			r = add_row(&t, &l->list[i]);
	if (r < 0)
		return fail(TROUBLE, "out of memory");
	if (t.n_cells > t.columns)
		table_print(&t);
	else
		puts("nothing was put aside");
	return DONE;
}

static int append_object(struct buffer *b, const struct place *place,
			 const char *folder, const struct found *f)
{
	_cleanup_buffer_ struct buffer file = {};
	const struct json_field fields[] = {
		{ "share", place->root }, { "name", f->name },
		{ "time", f->time },	  { "user", f->user },
		{ "path", f->path },
	};
	int r = buffer_printf(&file, "%s/%s", folder, f->name);

	if (r == 0)
		r = buffer_append(b, "{", 1);
	if (r == 0)
		r = json_append_fields(b, fields,
				       sizeof(fields) / sizeof(*fields));
	if (r == 0)
		r = json_append_field(b, "file", file.data);
	return r == 0 ? buffer_printf(b, ", \"size\": %lld}",
				      (long long)f->size)
		      : r;
}

/* `only`: by its name, wherever it was. */
static int show_objects(const struct places *places, const struct list *l,
			const char *only)
{
	const struct place *place = &places->list[0];
	_cleanup_free_ char *folder = folder_of(place);
	_cleanup_buffer_ struct buffer b = {};
	int r = folder ? buffer_append(&b, "[", 1) : -ENOMEM;

	for (size_t i = 0; r == 0 && i < l->n; i++) {
		if (only ? strcmp(l->list[i].name, only) != 0
			 : !places_cover(places, place, l->list[i].path))
			continue;
		r = buffer_append_string(&b, b.len > 1 ? ",\n  " : "\n  ");
		if (r == 0)
			r = append_object(&b, place, folder, &l->list[i]);
	}
	if (r < 0)
		return fail(TROUBLE, "out of memory");
	printf("%s\n]\n", b.data);
	return DONE;
}

/* ---- getting ---- */

static int copy(int from, int to)
{
	char chunk[64 << 10];
	ssize_t n;

	while ((n = read(from, chunk, sizeof(chunk))) != 0) {
		if (n < 0 && errno != EINTR)
			return -errno;
		for (ssize_t done = 0; done < n;) {
			ssize_t m = write(to, chunk + done, (size_t)(n - done));

			if (m < 0 && errno != EINTR)
				return -errno;
			done += m > 0 ? m : 0;
		}
	}
	return fsync(to) < 0 && errno != EINVAL ? -errno : 0;
}

static const struct found *find_name(const struct list *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++)
		if (!strcmp(l->list[i].name, name))
			return &l->list[i];
	return NULL;
}

static int copy_to(int from, const char *output)
{
	_cleanup_close_ int to =
		open(output, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	int r;

	if (to < 0)
		return fail(errno == EEXIST ? REFUSED : TROUBLE,
			    errno == EEXIST ? "'%s' is there already: it is "
					      "not overwritten (%s)"
					    : "cannot make '%s': %s",
			    output, reason(errno));
	r = copy(from, to);
	if (r == 0)
		return DONE;
	unlink(output);
	return fail(TROUBLE, "cannot copy to '%s': %s", output, reason(r));
}

static int get(const struct place *place, const struct list *l,
	       const struct options *o)
{
	_cleanup_free_ char *folder = folder_of(place);
	_cleanup_buffer_ struct buffer path = {};
	_cleanup_close_ int from = -1;

	/* only what is listed: no name leads anywhere else */
	if (!find_name(l, o->get))
		return fail(REFUSED,
			    "'%s' was not put aside in '%s', or is not yours: "
			    "'camlock recovered' lists what is",
			    o->get, place->root);
	if (!folder || buffer_printf(&path, "%s/%s", folder, o->get) < 0)
		return fail(TROUBLE, "out of memory");
	from = open(path.data, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (from < 0)
		return fail(TROUBLE, "cannot open '%s': %s", path.data,
			    reason(errno));
	return copy_to(from, o->output);
}

/* ---- the command ---- */

static int run_on(const struct places *places, const struct options *o)
{
	_cleanup_(list_release) struct list l = {};
	int status = find(&l, &places->list[0]);

	if (status != DONE)
		return status;
	if (o->get)
		status = get(&places->list[0], &l, o);
	if (status != DONE || (o->get && !o->json))
		return status;
	return o->json ? show_objects(places, &l, o->get)
		       : show_table(places, &l);
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "get", required_argument, NULL, 'g' },
		{ "output", required_argument, NULL, 'o' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	_cleanup_places_ struct places places = {};
	struct options o = {};
	int c, status;

	while ((c = getopt_long(argc, argv, ":o:h", options, NULL)) != -1) {
		if (c == 'g')
			o.get = optarg;
		else if (c == 'o')
			o.output = optarg;
		else if (c == 'j')
			o.json = true;
		else if (c == 'h')
			return print_help(&cmd_recovered);
		else
			return bad_option(&cmd_recovered, c, argv);
	}
	if (!o.get != !o.output)
		return bad_arguments(&cmd_recovered, "both of --get NAME and "
						     "-o FILE");
	status = places_find(&places, argc - optind, argv + optind);
	if (status != DONE)
		return status;
	if (!places_are_one(&places))
		return bad_arguments(&cmd_recovered, "PATHs of one share");
	return run_on(&places, &o);
}

const struct command cmd_recovered = {
	.name = "recovered",
	.summary = "what was put aside when a checkout was taken away",
	.help = help,
	.run = run,
};
