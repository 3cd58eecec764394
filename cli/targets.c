/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/targets.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <glob.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "cli/cli.h"
#include "cli/mounts.h"
#include "cli/progress.h"
#include "core/buffer.h"
#include "core/cleanup.h"
#include "core/documents.h"

#define CTLDIR ".locks"
#define PAGE ".locks.html"
#define STATE_DIR ".camlock"

static void release_list(struct targets *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->list[i].path);
	free(t->list);
	t->list = NULL;
	t->n = t->cap = 0;
}

void targets_release(struct targets *t)
{
	release_list(t);
	place_release(&t->place);
}

static int add(struct targets *t, const char *path, bool is_folder,
	       bool is_found)
{
	if (t->n == t->cap) {
		size_t cap = t->cap ? 2 * t->cap : 64;
		void *list = reallocarray(t->list, cap, sizeof(*t->list));

		if (!list)
			return fail(TROUBLE, "out of memory");
		t->list = list;
		t->cap = cap;
	}
	t->list[t->n] = (struct target){ strdup(path), is_folder, is_found };
	return t->list[t->n++].path ? DONE : fail(TROUBLE, "out of memory");
}

/* Of one path the target that was named comes first. */
static int compare(const void *a, const void *b)
{
	const struct target *x = a;
	const struct target *y = b;
	int order = strcmp(x->path, y->path);

	return order ? order : (int)x->is_found - (int)y->is_found;
}

static void sort(struct targets *t)
{
	size_t kept = 0;

	if (t->n > 0)
		qsort(t->list, t->n, sizeof(*t->list), compare);
	for (size_t i = 0; i < t->n; i++) {
		if (kept > 0 &&
		    !strcmp(t->list[kept - 1].path, t->list[i].path))
			free(t->list[i].path);
		else
			t->list[kept++] = t->list[i];
	}
	t->n = kept;
}

static char **list_paths(const struct targets *t, size_t first)
{
	char **paths = calloc(t->n ? t->n : 1, sizeof(*paths));

	for (size_t i = 0; paths && i < t->n; i++)
		paths[i] = t->list[(first + i) % t->n].path;
	return paths;
}

int targets_ask(struct answer *ret_answer, const struct targets *t,
		size_t first, const struct ask *a)
{
	_cleanup_free_ char **paths = list_paths(t, first);
	struct ask about = *a;

	if (!paths)
		return fail(TROUBLE, "out of memory");
	about.paths = paths;
	about.n = t->n;
	return ask(ret_answer, &t->place, &about);
}

bool targets_drop_found(struct targets *t, const char *path, size_t *ret_index)
{
	for (size_t i = 0; i < t->n; i++) {
		if (strcmp(t->list[i].path, path) != 0)
			continue;
		if (!t->list[i].is_found)
			return false;
		free(t->list[i].path);
		t->n--;
		memmove(&t->list[i], &t->list[i + 1],
			(t->n - i) * sizeof(*t->list));
		*ret_index = i;
		return true;
	}
	return false;
}

/* ---- what was named ---- */

/* The file itself, wherever the PATH led: below .locks, through symlinks. */
static char *full_path(const struct place *place, const char *below)
{
	char *path;

	if (asprintf(&path, "%s%s%s", place->root, *below ? "/" : "", below) <
	    0)
		return NULL;
	return path;
}

static int add_place(struct targets *t, struct place *place)
{
	_cleanup_free_ char *path = full_path(place, place->below);
	struct stat st;
	bool is_folder;

	if (!path)
		return fail(TROUBLE, "out of memory");
	is_folder = !*place->below ||
		    (lstat(path, &st) == 0 && S_ISDIR(st.st_mode));
	return add(t, place->below, is_folder, false);
}

/* Keeps the place, if it is the first. */
static int add_path(struct targets *t, const char *path)
{
	struct place place = { .files = -1, .state = -1 };
	int status = place_find(&place, path);

	if (status != DONE)
		return status;
	if (t->place.root && strcmp(t->place.root, place.root) != 0)
		status = fail(USAGE,
			      "'%s' is of another share than the paths before "
			      "it: name those of one share at a time",
			      path);
	if (status == DONE)
		status = add_place(t, &place);
	if (status == DONE && !t->place.root)
		t->place = place;
	else
		place_release(&place);
	return status;
}

static bool is_pattern(const char *path)
{
	struct stat st;

	return strpbrk(path, "*?[") && lstat(path, &st) < 0 && errno == ENOENT;
}

static int add_pattern(struct targets *t, const char *pattern)
{
	glob_t found;
	int status = DONE;

	if (glob(pattern, GLOB_NOSORT | GLOB_NOCHECK, NULL, &found) != 0)
		return fail(TROUBLE, "cannot look for '%s': %s", pattern,
			    reason(errno));
	for (size_t i = 0; status == DONE && i < found.gl_pathc; i++)
		status = add_path(t, found.gl_pathv[i]);
	globfree(&found);
	return status;
}

int targets_find(struct targets *ret_targets, int n, char **paths)
{
	_cleanup_targets_ struct targets t = TARGETS_NONE;
	int status = DONE;

	for (int i = 0; status == DONE && i < n; i++)
		status = is_pattern(paths[i]) ? add_pattern(&t, paths[i])
					      : add_path(&t, paths[i]);
	if (status != DONE)
		return status;
	sort(&t);
	*ret_targets = t;
	t = (struct targets)TARGETS_NONE;
	return DONE;
}

/* ---- what is in folders ---- */

struct walk {
	struct targets *into;
	const struct place *place;
	struct progress progress;
};

static bool exists_beside(void *arg, const char *name)
{
	const FTSENT *e = arg;
	size_t folder = strlen(e->fts_path) - strlen(e->fts_name);
	_cleanup_buffer_ struct buffer path = {};
	struct stat st;

	return buffer_append(&path, e->fts_path, folder) == 0 &&
	       buffer_append_string(&path, name) == 0 &&
	       lstat(path.data, &st) == 0;
}

static const char *below_root(const struct place *place, const FTSENT *e)
{
	const char *path = e->fts_path + strlen(place->root);

	return path + strspn(path, "/");
}

/* What is no part of the share: our own folders, and mounts in its midst. */
static bool is_apart(const struct place *place, const FTSENT *e)
{
	const char *path = below_root(place, e);
	struct statfs fs;

	if (!strcmp(path, place->is_mount ? CTLDIR : STATE_DIR))
		return true;
	return e->fts_level > 0 && e->fts_dev != e->fts_parent->fts_dev &&
	       statfs(e->fts_path, &fs) == 0 && fs.f_type == FUSE_SUPER_MAGIC;
}

static int add_file(struct walk *w, FTSENT *e)
{
	static const struct documents documents;
	const char *path = below_root(w->place, e);

	if ((w->place->is_mount && !strcmp(path, PAGE)) ||
	    !documents_include(&documents, path, "", exists_beside, e))
		return DONE;
	progress_step(&w->progress);
	return add(w->into, path, false, true);
}

static int visit(struct walk *w, FTS *fts, FTSENT *e)
{
	switch (e->fts_info) {
	case FTS_D:
		if (is_apart(w->place, e))
			fts_set(fts, e, FTS_SKIP);
		return DONE;
	case FTS_F:
		return add_file(w, e);
	case FTS_NS: /* gone meanwhile */
		if (e->fts_errno == ENOENT)
			return DONE;
		/* fallthrough */
	case FTS_DNR:
	case FTS_ERR:
		return fail(e->fts_errno == EACCES ? REFUSED : TROUBLE,
			    "cannot read '%s': %s", e->fts_path,
			    reason(e->fts_errno));
	default:
		return DONE;
	}
}

static int walk(struct walk *w, const char *folder)
{
	_cleanup_free_ char *path = full_path(w->place, folder);
	char *roots[] = { path, NULL };
	FTS *fts = path ? fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL)
			: NULL;
	int status = DONE;
	FTSENT *e;

	if (!fts)
		return fail(TROUBLE, "out of memory");
	while (status == DONE && (errno = 0, e = fts_read(fts)))
		status = visit(w, fts, e);
	if (status == DONE && errno != 0)
		status = fail(TROUBLE, "cannot read '%s': %s", path,
			      reason(errno));
	fts_close(fts);
	return status;
}

/* Calls `open` for each folder, and makes a new list. */
static int replace_folders(struct targets *t, struct targets *into,
			   int (*open)(void *arg, const char *folder),
			   void *arg)
{
	int status = DONE;

	for (size_t i = 0; status == DONE && i < t->n; i++)
		status = t->list[i].is_folder
				 ? open(arg, t->list[i].path)
				 : add(into, t->list[i].path, false, false);
	if (status == DONE) {
		release_list(t);
		t->list = into->list;
		t->n = into->n;
		t->cap = into->cap;
		*into = (struct targets){};
		sort(t);
	}
	release_list(into);
	return status;
}

static int open_folder(void *arg, const char *folder)
{
	return walk(arg, folder);
}

int targets_open_folders(struct targets *t)
{
	struct targets into = {};
	struct walk w = { .into = &into,
			  .place = &t->place,
			  .progress = { .what = "files" } };
	int status = replace_folders(t, &into, open_folder, &w);

	progress_end(&w.progress);
	return status;
}

/* ---- what is recorded in folders ---- */

struct pick {
	struct targets *into;
	const struct records *records;
	bool (*wanted)(const struct record_at *at, void *arg);
	void *arg;
};

static int pick(void *arg, const char *folder)
{
	const struct pick *p = arg;
	int status = DONE;

	for (size_t i = 0; status == DONE && i < p->records->n; i++) {
		const struct record_at *at = &p->records->list[i];

		if (path_is_below(at->path, folder) && p->wanted(at, p->arg))
			status = add(p->into, at->path, false, true);
	}
	return status;
}

/* A folder may be gone, and what was checked out in it is not. */
static bool is_recorded_folder(const struct records *records, const char *path)
{
	for (size_t i = 0; i < records->n; i++)
		if (path_is_below(records->list[i].path, path))
			return strcmp(records->list[i].path, path) != 0;
	return false;
}

int targets_pick_records(struct targets *t, const struct records *records,
			 bool (*wanted)(const struct record_at *at, void *arg),
			 void *arg)
{
	struct targets into = {};
	struct pick p = { &into, records, wanted, arg };

	for (size_t i = 0; i < t->n; i++)
		t->list[i].is_folder |=
			is_recorded_folder(records, t->list[i].path);
	return replace_folders(t, &into, pick, &p);
}

int targets_find_records(struct targets *ret_targets, int n, char **paths,
			 const char *locks,
			 bool (*wanted)(const struct record_at *at, void *arg),
			 const char *nothing)
{
	_cleanup_records_ struct records records = {};
	int status = targets_find(ret_targets, n, paths);

	if (status == DONE)
		status = records_load(&records, &ret_targets->place, locks);
	if (status == DONE)
		status = targets_pick_records(ret_targets, &records, wanted,
					      NULL);
	if (status == DONE && ret_targets->n == 0)
		return fail(REFUSED, "%s", nothing);
	return status;
}
