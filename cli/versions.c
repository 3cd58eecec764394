/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/versions.h"

#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/cli.h"
#include "core/cleanup.h"
#include "core/stamp.h"
#include "core/versions.h"

void versions_release(struct versions_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->list[i].path);
		free(l->list[i].file);
	}
	free(l->list);
	*l = (struct versions_list){};
}

/* Where they are, as a path. */
static char *folder_of(const struct place *place)
{
	char *path;

	if (asprintf(&path, "%s/%s", place->root,
		     place->is_mount ? ".locks/.camlock/versions"
				     : ".camlock/" VERSIONS_TREE) < 0)
		return NULL;
	return path;
}

static int grow(struct versions_list *l)
{
	size_t cap = l->cap ? 2 * l->cap : 64;
	void *list = reallocarray(l->list, cap, sizeof(*l->list));

	if (!list)
		return -ENOMEM;
	l->list = list;
	l->cap = cap;
	return 0;
}

/* `skip`: how much of the path is not the document's. Returns 0 or -ENOMEM;
 * what is not named as ours is left out. */
static int add(struct versions_list *l, const FTSENT *e, size_t skip)
{
	struct version v = { .size = e->fts_statp->st_size };

	if (!stamp_parse(e->fts_name, v.time, &v.user) ||
	    strlen(e->fts_path) - strlen(e->fts_name) <= skip)
		return 0;
	if (l->n == l->cap && grow(l) < 0)
		return -ENOMEM;
	v.path = strndup(e->fts_path + skip,
			 strlen(e->fts_path) - skip - 1 - strlen(e->fts_name));
	v.file = strdup(e->fts_path);
	if (!v.path || !v.file) {
		free(v.path);
		free(v.file);
		return -ENOMEM;
	}
	v.name = strrchr(v.file, '/') + 1;
	stamp_parse(v.name, v.time, &v.user);
	l->list[l->n++] = v;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct version *x = a, *y = b;
	int r = strcmp(x->path, y->path);

	return r ? r : strcmp(y->name, x->name);
}

static void number(struct versions_list *l)
{
	if (l->n > 0)
		qsort(l->list, l->n, sizeof(*l->list), compare);
	for (size_t i = 0; i < l->n; i++)
		l->list[i].number =
			i && !strcmp(l->list[i].path, l->list[i - 1].path)
				? l->list[i - 1].number + 1
				: 1;
}

static int walk(struct versions_list *l, char *root, size_t skip)
{
	char *roots[] = { root, NULL };
	FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	int r = fts ? 0 : -errno;
	FTSENT *e;

	while (r == 0 && (errno = 0, e = fts_read(fts))) {
		if (e->fts_info == FTS_F)
			r = add(l, e, skip);
		else if (e->fts_info == FTS_NS && e->fts_level == 0 &&
			 e->fts_errno != ENOENT)
			r = -e->fts_errno;
	}
	if (r == 0)
		r = -errno;
	if (fts)
		fts_close(fts);
	return r;
}

int versions_load(struct versions_list *ret_list, const struct place *place)
{
	_cleanup_free_ char *folder = folder_of(place);
	_cleanup_free_ char *root = NULL;
	_cleanup_versions_ struct versions_list l = {};
	int r;

	if (!folder || asprintf(&root, "%s%s%s", folder,
				*place->below ? "/" : "", place->below) < 0) {
		root = NULL;
		return fail(TROUBLE, "out of memory");
	}
	r = walk(&l, root, strlen(folder) + 1);
	if (r < 0)
		return fail(r == -EACCES ? REFUSED : TROUBLE,
			    "cannot read '%s': %s", root, reason(r));
	number(&l);
	*ret_list = l;
	l = (struct versions_list){};
	return DONE;
}

static bool is_meant(const struct version *v, const char *which)
{
	char *end;
	unsigned long n = strtoul(which, &end, 10);

	return *end ? !strncmp(v->name, which, strlen(which)) : v->number == n;
}

int versions_pick(const struct versions_list *l, const char *path,
		  const char *which, const struct version **ret_version)
{
	bool any = false;

	for (size_t i = 0; i < l->n; i++) {
		if (strcmp(l->list[i].path, path) != 0)
			continue;
		any = true;
		if (!is_meant(&l->list[i], which ? which : "1"))
			continue;
		*ret_version = &l->list[i];
		return DONE;
	}
	if (any)
		return fail(REFUSED,
			    "'%s' has no version '%s': 'camlock versions' "
			    "lists those it has",
			    path, which);
	return fail(REFUSED,
		    "no version of '%s' is kept: it was not written through "
		    "the mount, or not since the mount keeps versions",
		    path);
}
