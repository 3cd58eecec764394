/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/mounts.h"
#include "core/cleanup.h"
#include "core/deadmount.h"

#define STATE_DIR ".camlock"	    /* in a share */
#define FILES_DIR ".locks/.camlock" /* in a mount */
#define CTLDIR ".locks"

#define OPEN_FOLDER (O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)

static void place_close(struct place *p)
{
	cleanup_close(&p->files);
	if (p->state != p->files)
		cleanup_close(&p->state);
	p->files = p->state = -1;
}

void place_release(struct place *p)
{
	free(p->root);
	free(p->below);
	place_close(p);
}

/* ---- paths ---- */

static char *join(const char *folder, const char *name)
{
	const char *slash =
		*folder && folder[strlen(folder) - 1] != '/' && *name ? "/"
								      : "";
	char *path;

	return asprintf(&path, "%s%s%s", folder, slash, name) < 0 ? NULL : path;
}

static bool is_dots(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

static void cut_slashes(char *path)
{
	for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
		path[n - 1] = '\0';
}

/* The last component as spelt, behind the rest resolved. */
static char *resolve_parent(const char *path)
{
	_cleanup_free_ char *copy = strdup(path);
	_cleanup_free_ char *parent = NULL;
	int error = errno;
	char *slash;

	if (!copy)
		return NULL;
	cut_slashes(copy);
	slash = strrchr(copy, '/');
	errno = error;
	if (!*copy || slash == copy + strlen(copy) - 1 ||
	    is_dots(slash ? slash + 1 : copy))
		return NULL;
	if (slash)
		*slash = '\0';
	parent = path_resolve(!slash ? "." : slash == copy ? "/" : copy);
	return parent ? join(parent, slash ? slash + 1 : copy) : NULL;
}

char *path_resolve(const char *path)
{
	char *real = realpath(path, NULL);

	if (real ||
	    (errno != ENOENT && errno != EACCES && !deadmount_says(errno)))
		return real;
	return resolve_parent(path);
}

/* `path`, which is `folder` or below it, as seen from there. */
static const char *path_below(const char *path, const char *folder)
{
	path += strlen(folder);
	while (*path == '/')
		path++;
	return path;
}

/* ---- mounts ---- */

static int open_below(const char *folder, const char *name)
{
	_cleanup_free_ char *path = join(folder, name);
	int fd = path ? open(path, OPEN_FOLDER) : -1;

	return fd < 0 ? -(path ? errno : ENOMEM) : fd;
}

static int cannot_read_mount(const char *point, int error)
{
	if (deadmount_says(-error))
		return fail(TROUBLE,
			    "the mount '%s' does not answer, its camlock is "
			    "gone: run 'camlock umount --lazy %s', then mount "
			    "it again",
			    point, point);
	return fail(TROUBLE, "cannot read '%s/" FILES_DIR "' in the mount: %s",
		    point, reason(error));
}

static int open_mount(struct place *p, const struct mount_info *whole)
{
	p->files = open_below(whole->point, FILES_DIR);
	if (p->files < 0)
		return cannot_read_mount(whole->point, p->files);
	/* not below itself, if the mount covers its share */
	if (whole->source[0] == '/' && strcmp(whole->source, whole->point) != 0)
		p->state = open_below(whole->source, STATE_DIR);
	return DONE;
}

/* A path below `.locks` means the file it tells of. */
static char *strip_ctldir(char *below)
{
	_cleanup_free_ char *path = below;

	return strdup(path_is_below(path, CTLDIR) ? path_below(path, CTLDIR)
						  : path);
}

static int find_in_mount(struct place *p, const struct mounts *mounts,
			 const struct mount_info *m, const char *path)
{
	const struct mount_info *whole = mounts_find_whole(mounts, m);

	if (!whole)
		return fail(REFUSED,
			    "'%s' is only a part of a camlock mount, and the "
			    "whole is nowhere to be seen: ask where it is "
			    "mounted",
			    m->point);
	p->is_mount = true;
	p->root = strdup(whole->point);
	p->below = join(m->root + 1, path_below(path, m->point));
	if (p->below)
		p->below = strip_ctldir(p->below);
	if (!p->root || !p->below)
		return fail(TROUBLE, "out of memory");
	return open_mount(p, whole);
}

/* ---- bare shares ---- */

/* Looks upwards for the folder that has `.camlock` in it. */
static int find_share(struct place *p, const char *path)
{
	_cleanup_free_ char *folder = strdup(path);

	if (!folder)
		return fail(TROUBLE, "out of memory");
	for (;;) {
		char *slash = strrchr(folder, '/');
		int fd = open_below(folder, STATE_DIR);

		if (fd >= 0) {
			p->files = p->state = fd;
			p->below = strdup(path_below(path, folder));
			p->root = take_ptr(folder);
			return p->below ? DONE : fail(TROUBLE, "out of memory");
		}
		if (fd == -EACCES || fd == -EIO)
			return fail(TROUBLE,
				    "cannot open '%s/" STATE_DIR "': %s",
				    folder, reason(fd));
		if (folder[1] == '\0')
			break;
		slash[slash == folder] = '\0';
	}
	return fail(REFUSED,
		    "'%s' is in no camlock mount and no share: name a "
		    "mountpoint, a folder with '" STATE_DIR "' in it, or "
		    "something below one",
		    path);
}

static int find(struct place *p, const char *path)
{
	_cleanup_free_ char *real = path_resolve(path);
	_cleanup_mounts_ struct mounts mounts = {};
	const struct mount_info *m;
	int r;

	if (!real)
		return fail(REFUSED, "cannot find '%s': %s", path,
			    reason(errno));
	r = mounts_load(&mounts);
	if (r < 0)
		return fail(TROUBLE, "cannot read '/proc/self/mountinfo': %s",
			    reason(r));
	m = mounts_find(&mounts, real);
	if (m && m->is_camlock)
		return find_in_mount(p, &mounts, m, real);
	return find_share(p, real);
}

int place_find(struct place *ret_place, const char *path)
{
	struct place p = { .files = -1, .state = -1 };
	int status = find(&p, path);

	if (status == DONE)
		*ret_place = p;
	else
		place_release(&p);
	return status;
}

/* ---- several ---- */

/* There may be more PATHs than descriptors: the first of a root keeps its. */
static void close_if_known(const struct places *before, struct place *place)
{
	for (int i = 0; i + 1 < before->n; i++) {
		if (strcmp(before->list[i].root, place->root) != 0)
			continue;
		place_close(place);
		return;
	}
}

int places_find(struct places *ret_places, int n, char **paths)
{
	char *here[] = { (char[]){ "." } };
	_cleanup_places_ struct places p = {};
	int status = DONE;

	if (n == 0) {
		n = 1;
		paths = here;
	}
	p.list = calloc((size_t)n, sizeof(*p.list));
	if (!p.list)
		return fail(TROUBLE, "out of memory");
	while (p.n < n && status == DONE) {
		status = place_find(&p.list[p.n], paths[p.n]);
		if (status == DONE)
			close_if_known(&p, &p.list[p.n++]);
	}
	if (status == DONE) {
		*ret_places = p;
		p = (struct places){};
	}
	return status;
}

void places_release(struct places *p)
{
	for (int i = 0; i < p->n; i++)
		place_release(&p->list[i]);
	free(p->list);
}

bool places_cover(const struct places *p, const struct place *place,
		  const char *path)
{
	for (int i = 0; i < p->n; i++)
		if (!strcmp(p->list[i].root, place->root) &&
		    path_is_below(path, p->list[i].below))
			return true;
	return false;
}

bool places_are_one(const struct places *p)
{
	for (int i = 1; i < p->n; i++)
		if (strcmp(p->list[i].root, p->list[0].root) != 0)
			return false;
	return true;
}
