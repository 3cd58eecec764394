/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/spelling.h"

#include <dirent.h>
#include <fcntl.h>
#include <locale.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>
#include <wctype.h>

#include "core/beneath.h"
#include "core/cleanup.h"
#include "fs/creds.h"

#define NO_CHARACTER 0x110000 /* beyond Unicode: a byte of its own */

/* ---- two names ---- */

static locale_t utf8;

static void make_locale(void)
{
	utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

/* The next character, in the case all are compared in. */
static wint_t next(const char **at)
{
	mbstate_t state = {};
	wchar_t c;
	size_t n = mbrtowc(&c, *at, strlen(*at) + 1, &state);

	if (n == (size_t)-1 || n == (size_t)-2)
		return NO_CHARACTER + (unsigned char)*(*at)++;
	*at += n;
	return towlower(towupper((wint_t)c));
}

static bool same(const char *a, const char *b)
{
	while (*a && *b)
		if (next(&a) != next(&b))
			return false;
	return !*a && !*b;
}

bool spelling_same(const char *a, const char *b)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	locale_t before;
	bool r;

	pthread_once(&once, make_locale);
	before = utf8 ? uselocale(utf8) : (locale_t)0;
	r = same(a, b);
	if (before)
		uselocale(before);
	return r;
}

/* ---- where to look ---- */

/* The length of the folder's path, with the slash; 0 for the root. */
static size_t folder_len(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? (size_t)(slash + 1 - path) : 0;
}

/* Another file than one that is there by exactly that name. */
static bool is_other(const char *a, const char *b)
{
	return strcmp(a, b) != 0 && spelling_same(a, b);
}

static char *replace_name(const char *path, const char *name)
{
	char *other;

	return asprintf(&other, "%.*s%s", (int)folder_len(path), path, name) < 0
		       ? NULL
		       : other;
}

static DIR *open_folder(const struct share *share, const char *path,
			const char **ret_name)
{
	_cleanup_close_ int parent =
		beneath_open_parent(share->root_fd, path, ret_name);
	int fd = parent < 0 ? -1
			    : openat(parent, ".",
				     O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir && fd >= 0)
		close(fd);
	return dir;
}

/* What is in the folder is for the caller to see. */
char *spelling_in_share(fuse_req_t req, const char *path)
{
	char *other = NULL;
	const char *name;
	struct dirent *e;
	DIR *dir;

	if (!*path || !caller_is_smbd(req))
		return NULL;
	CREDS_SCOPE(req);
	dir = open_folder(&camfs_of(req)->share, path, &name);
	while (!other && dir && (e = readdir(dir)))
		if (is_other(e->d_name, name))
			other = replace_name(path, e->d_name);
	if (dir)
		closedir(dir);
	return other;
}

char *spelling_of_record(const struct caller *who, const char *path)
{
	_cleanup_snapshot_ struct snapshot *s = NULL;
	size_t len = folder_len(path);
	_cleanup_free_ char *folder = strndup(path, len);

	if (!who->seat.id[0] || !folder ||
	    registry_snapshot(who->fs->registry, &s) < 0)
		return NULL;
	for (size_t i = snapshot_search(s, folder); i < snapshot_count(s);
	     i++) {
		const char *at = snapshot_path(s, i);

		if (strncmp(at, folder, len) != 0)
			break;
		if (!strchr(at + len, '/') && is_other(at + len, path + len))
			return strdup(at);
	}
	return NULL;
}
