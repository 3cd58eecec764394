/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/documents.h"

#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/cleanup.h"

#define ANY6 \
	"[A-Za-z0-9][A-Za-z0-9][A-Za-z0-9][A-Za-z0-9][A-Za-z0-9][A-Za-z0-9]"
#define HEX4 "[0-9a-f][0-9a-f][0-9a-f][0-9a-f]"
#define UUID HEX4 HEX4 "-" HEX4 "-" HEX4 "-" HEX4 "-" HEX4 HEX4 HEX4

/* A name by itself. */
static const char *const always[] = {
	"*~",		    /* backups: emacs, vim, LibreCAD, joe */
	"*~[0-9]*",	    /* patch, numbered backups */
	"~$*",		    /* MS Office's owner files */
	"*.tmp",	    /* LibreOffice's lu*.tmp, and everybody's */
	"*@",		    /* Blender, while it saves */
	"*.FCBak",	    /* FreeCAD */
	"*." UUID,	    /* FreeCAD, while it saves */
	".goutputstream-*", /* GLib: gedit, mousepad, GIMP */
	"qt_temp.*",	    /* Qt */
	"4913",		    /* vim's probe */
	".~lock.*#",	    /* LibreOffice's owner files */
	".*.sw?",	    /* vim's swap files */
	".*.kate-swp",	    /* Kate */
	".#*",		    /* emacs, mcedit: lock links */
	"#*#",		    /* emacs: auto-save */
	".*." ANY6,	    /* rsync */
	"Thumbs.db",	    /* Windows' Explorer, in every folder it shows */
	".fuse_hidden*",    /* libfuse's high-level file systems */
};

/* Of those, and of what is beside: what never becomes a document. */
static const char *const aside[] = {
	"~$*", ".~lock.*#", ".*.sw?", ".*.kate-swp", ".#*",
	"#*#", "*-journal", "*-wal",  "*-shm",
};

/* Behind a document's name, with the document in the same folder. */
static const struct {
	const char *pattern;
	size_t len; /* of what it matches */
} beside[] = {
	{ "-journal", 8 }, { "-wal", 4 }, { "-shm", 4 }, /* SQLite */
	{ "." ANY6, 7 },  /* mkstemp(3), QSaveFile */
	{ ".o" ANY6, 8 }, /* GNU patch */
};

/* Made by one program only. */
static const struct {
	const char *program;
	const char *pattern;
} of_program[] = {
	{ "sed", "sed" ANY6 }, { "zip", "zi" ANY6 },	 { "perl", "XX" ANY6 },
	{ "cp", "Cu" ANY6 },   { "install", "Cu" ANY6 }, { "mv", "Cu" ANY6 },
};

/* All that is in such a folder. */
static const char *const folders[] = { ".Trash-*", ".~tmp~" };

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static bool matches(const char *pattern, const char *name)
{
	return fnmatch(pattern, name, FNM_CASEFOLD) == 0;
}

static bool is_beside(const char *name,
		      bool (*exists)(void *arg, const char *name), void *arg)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < COUNT(beside); i++) {
		_cleanup_free_ char *document = NULL;

		if (len <= beside[i].len ||
		    !matches(beside[i].pattern, name + len - beside[i].len))
			continue;
		document = strndup(name, len - beside[i].len);
		if (document && exists(arg, document))
			return true;
	}
	return false;
}

/* Their backups have the document's name with a number behind it. */
static bool numbers_backups(const char *program)
{
	return !strncasecmp(program, "freecad", strlen("freecad")) ||
	       !strcmp(program, "blender");
}

static bool is_numbered(const char *name,
			bool (*exists)(void *arg, const char *name), void *arg)
{
	size_t len = strlen(name), stem = len;
	_cleanup_free_ char *document = NULL;

	while (stem > 0 && isdigit((unsigned char)name[stem - 1]))
		stem--;
	if (stem == len || stem == 0)
		return false;
	document = strndup(name, stem);
	return document && exists(arg, document);
}

static bool is_in_scratch_folder(const char *path, const char *name)
{
	const char *part = path;

	while (part < name) {
		size_t len = strcspn(part, "/");
		_cleanup_free_ char *folder = strndup(part, len);

		for (size_t i = 0; folder && i < COUNT(folders); i++)
			if (matches(folders[i], folder))
				return true;
		part += len + 1;
	}
	return false;
}

static bool is_built_in(const char *path, const char *name, const char *program)
{
	for (size_t i = 0; i < COUNT(always); i++)
		if (matches(always[i], name))
			return true;
	for (size_t i = 0; i < COUNT(of_program); i++)
		if (!strcmp(of_program[i].program, program) &&
		    matches(of_program[i].pattern, name))
			return true;
	return is_in_scratch_folder(path, name);
}

static bool is_listed(char *const *patterns, size_t n, const char *path,
		      const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (matches(patterns[i],
			    strchr(patterns[i], '/') ? path : name))
			return true;
	return false;
}

bool documents_include(const struct documents *d, const char *path,
		       const char *program,
		       bool (*exists)(void *arg, const char *name), void *arg)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;

	if (is_listed(d->scratch, d->n_scratch, path, name))
		return false;
	if (d->n_only)
		return is_listed(d->only, d->n_only, path, name);
	return !is_built_in(path, name, program) &&
	       !is_beside(name, exists, arg) &&
	       !(numbers_backups(program) && is_numbered(name, exists, arg));
}

bool documents_stay_aside(const char *path)
{
	const char *slash = strrchr(path, '/');

	for (size_t i = 0; i < COUNT(aside); i++)
		if (matches(aside[i], slash ? slash + 1 : path))
			return true;
	return false;
}

static int add(char ***list, size_t *n, const char *pattern)
{
	char *copy = strdup(pattern);
	char **longer = copy ? realloc(*list, (*n + 1) * sizeof(**list)) : NULL;

	if (!longer) {
		free(copy);
		return -ENOMEM;
	}
	longer[(*n)++] = copy;
	*list = longer;
	return 0;
}

int documents_add_scratch(struct documents *d, const char *pattern)
{
	return add(&d->scratch, &d->n_scratch, pattern);
}

int documents_add_only(struct documents *d, const char *pattern)
{
	return add(&d->only, &d->n_only, pattern);
}

static void release_list(char **list, size_t n)
{
	while (n > 0)
		free(list[--n]);
	free(list);
}

void documents_release(struct documents *d)
{
	release_list(d->scratch, d->n_scratch);
	release_list(d->only, d->n_only);
	*d = (struct documents){};
}
