/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/thinning.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/stamp.h"

#define BLOCK 512 /* of stat.st_blocks */
#define ROOT_SIZE 32

struct aged {
	char *path; /* below the tree */
	const char *name;
	uint64_t bytes;
};

struct list {
	struct aged *list;
	size_t n;
	size_t cap;
	uint64_t bytes;
};

static void list_release(struct list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->list[i].path);
	free(l->list);
}

static int add(struct list *l, const char *path, const struct stat *st)
{
	struct aged a = { .bytes = (uint64_t)st->st_blocks * BLOCK };

	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 256;
		void *list = reallocarray(l->list, cap, sizeof(*l->list));

		if (!list)
			return -ENOMEM;
		l->list = list;
		l->cap = cap;
	}
	a.path = strdup(path);
	if (!a.path)
		return -ENOMEM;
	a.name = strrchr(a.path, '/') + 1;
	l->list[l->n++] = a;
	l->bytes += a.bytes;
	return 0;
}

static int by_age(const void *a, const void *b)
{
	return strcmp(((const struct aged *)a)->name,
		      ((const struct aged *)b)->name);
}

/* A document of that name has a folder here: no version is where none was
 * kept. */
static bool is_version(const FTSENT *e)
{
	char time[TIMESTAMP_SIZE];
	const char *user;

	return e->fts_info == FTS_F && e->fts_level > 1 &&
	       stamp_parse(e->fts_name, time, &user);
}

static int list_all(struct list *l, int tree)
{
	char root[ROOT_SIZE];
	char *roots[] = { root, NULL };
	size_t skip =
		(size_t)snprintf(root, sizeof(root), "/proc/self/fd/%d/", tree);
	FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	int r = fts ? 0 : -errno;
	FTSENT *e;

	while (r == 0 && (e = fts_read(fts)))
		if (is_version(e))
			r = add(l, e->fts_path + skip, e->fts_statp);
	if (fts)
		fts_close(fts);
	return r;
}

void thinning_remove_folders(int tree, const char *path)
{
	_cleanup_free_ char *folder = strdup(path);
	char *slash;

	while (folder && unlinkat(tree, folder, AT_REMOVEDIR) == 0 &&
	       (slash = strrchr(folder, '/')))
		*slash = '\0';
}

static bool remove_one(int tree, struct aged *a)
{
	if (unlinkat(tree, a->path, 0) < 0)
		return false;
	a->path[a->name - a->path - 1] = '\0';
	thinning_remove_folders(tree, a->path);
	return true;
}

int thinning_run(int tree, uint64_t bytes, uint64_t *ret_left)
{
	_cleanup_(list_release) struct list l = {};
	uint64_t removed = 0;
	int r = list_all(&l, tree);

	if (r < 0)
		return r;
	if (bytes > 0 && l.n > 0)
		qsort(l.list, l.n, sizeof(*l.list), by_age);
	for (size_t i = 0; i < l.n && removed < bytes; i++)
		if (remove_one(tree, &l.list[i]))
			removed += l.list[i].bytes;
	*ret_left = l.bytes - removed;
	return 0;
}
