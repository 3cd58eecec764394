/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/doctor.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "cli/program.h"
#include "core/cleanup.h"

#define SYSTEMS_CONF "/etc/samba/smb.conf"
#define GLOBAL "global"

/* What a section must say. What it says nothing of is as in [global], where
 * testparm -v shows all. */
static const struct wanted {
	const char *key;
	const char *value;
	enum level level;
	const char *why;
	const char *advice;
} wanted[] = {
	/* without them there are no leases, either */
	{ "oplocks", "no", LEVEL_WARNING,
	  "a client may keep a file's content to itself",
	  "set 'oplocks = no' in that section" },
	{ "kernel oplocks", "no", LEVEL_WARNING,
	  "smbd takes leases of its own on the files",
	  "set 'kernel oplocks = no' in that section" },
	{ "kernel share modes", "no", LEVEL_WARNING,
	  "smbd locks each file it opens against local programs",
	  "set 'kernel share modes = no' in that section" },
	{ "ea support", "yes", LEVEL_WARNING, "attributes of Windows are lost",
	  "set 'ea support = yes' in that section" },
	{ "force user", "", LEVEL_PROBLEM,
	  "all are one user, and nobody is kept out",
	  "take it out of that section: everybody logs in as himself" },
	{ "guest ok", "no", LEVEL_WARNING,
	  "all guests are one user, and keep each other out by their machines "
	  "only",
	  "set 'guest ok = no' in that section" },
	{ "hide dot files", "no", LEVEL_NOTE,
	  "'.locks', which shows who has what, is hidden in the Explorer",
	  "set 'hide dot files = no' in that section" },
};

/* "\tkey = value" in the text of a section. */
static bool get(const char *section, const char *key, char *value, size_t size)
{
	size_t len = strlen(key);

	for (const char *line = section; line; line = strchr(line, '\n')) {
		const char *at;

		line += *line == '\n';
		if (*line == '[')
			return false;
		at = line + strspn(line, " \t");
		if (strncasecmp(at, key, len) != 0 ||
		    strncmp(at + len, " = ", 3) != 0)
			continue;
		at += len + 3;
		len = strcspn(at, "\n");
		len = len < size ? len : size - 1;
		memcpy(value, at, len);
		value[len] = '\0';
		return true;
	}
	return false;
}

static void check_setting(struct doctor *d, const char *global,
			  const char *section, const char *name,
			  const struct wanted *w)
{
	char value[16];

	if (!get(section, w->key, value, sizeof(value)) &&
	    !(global && get(global, w->key, value, sizeof(value))))
		return; /* this Samba doesn't know it */
	if (strcasecmp(value, w->value) != 0)
		find(&d->found, w->level, "samba", w->advice,
		     "Samba's section [%s] has '%s = %s': %s", name, w->key,
		     value, w->why);
}

/* Whether a folder is the other, or below it. */
static bool overlap(const char *a, const char *b)
{
	return path_is_below(a, b) || path_is_below(b, a);
}

/* `section` begins behind its name's line. */
static void check_section(struct doctor *d, const char *global,
			  const char *section, const char *name)
{
	char path[4096];
	_cleanup_free_ char *real = NULL;

	if (!get(section, "path", path, sizeof(path)) ||
	    !(real = path_resolve(path)))
		return;
	if (d->mount && overlap(real, d->place.root)) {
		size_t before = d->found.n;

		for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
			check_setting(d, global, section, name, &wanted[i]);
		if (d->found.n == before)
			find(&d->found, LEVEL_OK, "samba", NULL,
			     "Samba's section [%s] is as it should be", name);
	} else if (d->share && overlap(real, d->share)) {
		find(&d->found, LEVEL_PROBLEM, "samba",
		     "let its 'path' be the mount point",
		     "Samba's section [%s] exports the share itself, '%s', "
		     "around the checkouts",
		     name, real);
	}
}

static const char *find_global(const char *text)
{
	const char *at = strstr(text, "[" GLOBAL "]\n");

	return at ? at + strlen("[" GLOBAL "]\n") : NULL;
}

static void check_sections(struct doctor *d, const char *text)
{
	const char *global = find_global(text);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		_cleanup_free_ char *name = NULL;
		size_t len;

		line += *line == '\n';
		if (*line != '[')
			continue;
		len = strcspn(line, "]\n");
		name = strndup(line + 1, len - 1);
		line = strchr(line, '\n');
		if (!name || !line)
			return;
		if (strcasecmp(name, GLOBAL) != 0)
			check_section(d, global, line + 1, name);
	}
}

void doctor_check_samba(struct doctor *d)
{
	const char *conf = d->smb_conf ? d->smb_conf : SYSTEMS_CONF;
	const char *argv[] = { "testparm", "-sv", conf, NULL };
	_cleanup_buffer_ struct buffer said = {};
	int r;

	if (access(conf, R_OK) < 0) {
		if (d->smb_conf)
			find(&d->found, LEVEL_WARNING, "samba",
			     "name another --smb-conf",
			     "Samba's configuration '%s' can't be read", conf);
		return;
	}
	r = program_read(argv, &said);
	if (r != 0 || !said.data)
		find(&d->found, LEVEL_NOTE, "samba",
		     "install Samba's testparm, and see what it says",
		     "Samba's configuration '%s' can't be checked: testparm "
		     "%s",
		     conf, r < 0 ? "is not there" : "refuses it");
	else
		check_sections(d, said.data);
}
