/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How a mount comes to be after the next boot: by systemd's unit, which mounts
 * what /etc/camlock/NAME.conf says, or by /etc/fstab.
 */
#include <glob.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/doctor.h"
#include "cli/mount_args.h"
#include "core/buffer.h"
#include "core/cleanup.h"

#define FSTAB "/etc/fstab"
#define CONFS "/etc/camlock/*.conf"
#define HELPER "/sbin/mount.fuse.camlock"
#define SMBD "/usr/sbin/smbd"
#define BEFORE_SMBD "x-systemd.before=smbd.service"

/* One way to mount it at boot. */
struct way {
	const char *file; /* where it is said */
	char *share;
	char *point;
	char *options; /* with commas, or as on the command line */
};

static void way_release(struct way *w)
{
	free(w->share);
	free(w->point);
	free(w->options);
}

static bool is_glob(const char *pattern)
{
	glob_t found;
	bool is = glob(pattern, 0, NULL, &found) == 0;

	globfree(&found);
	return is;
}

static bool is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* ---- what both ways may have wrong ---- */

/* The value of an option, on the heap; NULL without it. */
static char *option_value(const char *options, const char *name)
{
	const char *at = options;

	while (at && (at = strstr(at, name))) {
		const char *before = at == options ? "," : at - 1;

		at += strlen(name);
		if (strchr(", -\t", *before) && (*at == '=' || *at == ' '))
			return strndup(at + 1, strcspn(at + 1, ", \t"));
	}
	return NULL;
}

static void check_metrics(struct doctor *d, const struct way *w)
{
	_cleanup_free_ char *file = option_value(w->options, "metrics");
	_cleanup_free_ char *folder = NULL;

	if (!file || *file != '/')
		return;
	folder = strndup(file, (size_t)(strrchr(file, '/') - file) + 1);
	if (!folder)
		d->found.incomplete = true;
	else if (!is_folder(folder) || access(folder, W_OK) < 0)
		find(&d->found, LEVEL_PROBLEM, "metrics",
		     "make its folder, or leave the option out: without it "
		     "the share is not mounted",
		     "the metrics can't be written to '%s', as '%s' says", file,
		     w->file);
	else if (d->mount && access(file, F_OK) < 0)
		find(&d->found, LEVEL_WARNING, "metrics",
		     "mount it anew, then look into the log",
		     "the mount does not write the metrics to '%s', as '%s' "
		     "says",
		     file, w->file);
}

/* The one for this mountpoint; or, where none is mounted, for this share. */
static bool is_about(const struct doctor *d, const struct way *w)
{
	const char *path = d->mount ? w->point : w->share;

	return path &&
	       !strcmp(path, d->mount ? d->mount->point : d->place.root);
}

/* What is mounted now is what will be mounted. */
static bool is_same(const struct doctor *d, const struct way *w)
{
	return !d->mount || (w->share && !strcmp(w->share, d->mount->source));
}

static void check_share_of(struct doctor *d, const struct way *w)
{
	if (w->share && !is_folder(w->share))
		find(&d->found, LEVEL_PROBLEM, "start",
		     "correct the path, or make the folder",
		     "the share '%s' in '%s' is no folder", w->share, w->file);
	else if (!is_same(d, w))
		find(&d->found, LEVEL_WARNING, "start",
		     "correct it, or mount what it says",
		     "'%s' mounts '%s' there, but '%s' is mounted now", w->file,
		     w->share ? w->share : "", d->mount->source);
}

/* ---- fstab ---- */

static bool is_ours(const struct mntent *e)
{
	return !strcmp(e->mnt_type, "fuse.camlock") ||
	       !strncmp(e->mnt_fsname, "camlock#", strlen("camlock#"));
}

/* The first option that camlock would refuse, on the heap; or NULL. */
static char *find_unknown(const char *options)
{
	_cleanup_free_ char *copy = strdup(options);
	char *rest = NULL;

	for (char *word = copy ? strtok_r(copy, ",", &rest) : NULL; word;
	     word = strtok_r(NULL, ",", &rest)) {
		/* a comma in a value: it ends there, and is not understood */
		if (word[strlen(word) - 1] == '\\')
			return NULL;
		if (!mount_args_knows(word))
			return strdup(word);
	}
	return NULL;
}

static void check_fstab_options(struct doctor *d, const struct way *w)
{
	_cleanup_free_ char *unknown = find_unknown(w->options);

	if (unknown)
		find(&d->found, LEVEL_PROBLEM, "fstab",
		     "correct it: 'camlock mount --help' lists them",
		     "'" FSTAB "' has the option '%s', which there is not: it "
		     "will not be mounted",
		     unknown);
	if (!doctor_has_option(w->options, "nofail") &&
	    !doctor_has_option(w->options, "noauto"))
		find(&d->found, LEVEL_WARNING, "fstab",
		     "add 'nofail' to its options",
		     "the boot stops when '%s' can't be mounted", w->point);
	if (access(SMBD, F_OK) == 0 &&
	    !doctor_has_option(w->options, BEFORE_SMBD))
		find(&d->found, LEVEL_NOTE, "fstab",
		     "add '" BEFORE_SMBD "' to its options",
		     "Samba may start before '%s' is mounted", w->point);
	if (access(HELPER, X_OK) < 0)
		find(&d->found, LEVEL_PROBLEM, "fstab",
		     "run 'make install', or install the package",
		     "mount(8) needs '" HELPER "', which is not there");
}

static bool check_fstab(struct doctor *d)
{
	FILE *f = setmntent(FSTAB, "re");
	struct mntent *e;
	bool found = false;

	while (f && !found && (e = getmntent(f))) {
		const char *hash = strchr(e->mnt_fsname, '#');
		struct way w = { FSTAB, hash ? (char *)hash + 1 : e->mnt_fsname,
				 e->mnt_dir, e->mnt_opts };

		found = is_ours(e) && is_about(d, &w);
		if (!found)
			continue;
		check_share_of(d, &w);
		check_fstab_options(d, &w);
		check_metrics(d, &w);
	}
	if (f)
		endmntent(f);
	return found;
}

/* ---- systemd ---- */

/* KEY=VALUE, quoted or not. */
static void take_line(struct way *w, const char *line)
{
	const struct {
		const char *key;
		char **value;
	} keys[] = { { "SHARE=", &w->share },
		     { "MOUNTPOINT=", &w->point },
		     { "OPTIONS=", &w->options } };

	line += strspn(line, " \t");
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		const char *value = line + strlen(keys[i].key);

		if (strncmp(line, keys[i].key, strlen(keys[i].key)) != 0)
			continue;
		value += *value == '"' || *value == '\'';
		free(*keys[i].value);
		*keys[i].value = strndup(value, strcspn(value, "\"'\n"));
	}
}

static void read_conf(struct way *w, const char *path)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;

	w->file = path;
	while (f && getline(&line, &size, f) > 0)
		take_line(w, line);
	free(line);
	if (f)
		fclose(f);
}

static bool is_enabled(const char *name)
{
	static const char *const kinds[] = { "wants", "requires" };
	bool is = false;

	for (size_t i = 0; !is && i < sizeof(kinds) / sizeof(*kinds); i++) {
		_cleanup_buffer_ struct buffer link = {};

		is = buffer_printf(&link,
				   "/etc/systemd/system/*.%s/"
				   "camlock@%s.service",
				   kinds[i], name) == 0 &&
		     is_glob(link.data);
	}
	return is;
}

static void check_unit(struct doctor *d, const char *name)
{
	if (!is_glob("/etc/systemd/system/camlock@.service") &&
	    !is_glob("/usr/lib/systemd/system/camlock@.service") &&
	    !is_glob("/usr/local/lib/systemd/system/camlock@.service"))
		find(&d->found, LEVEL_PROBLEM, "unit",
		     "run 'make install', or install the package",
		     "'/etc/camlock/%s.conf' is there, but no "
		     "camlock@.service that would read it",
		     name);
	else if (!is_enabled(name))
		find(&d->found, LEVEL_WARNING, "unit",
		     "run 'systemctl enable camlock@NAME', with that name",
		     "camlock@%s is not enabled: after the next boot it is "
		     "not mounted",
		     name);
	else if (!d->mount)
		find(&d->found, LEVEL_WARNING, "unit",
		     "see why: 'systemctl status camlock@NAME', with that name",
		     "camlock@%s is enabled, but has not mounted it", name);
	else
		find(&d->found, LEVEL_OK, "unit", NULL,
		     "camlock@%s mounts it at boot", name);
}

static void check_conf(struct doctor *d, const struct way *w)
{
	const char *slash = strrchr(w->file, '/');
	_cleanup_free_ char *name =
		strndup(slash + 1, strlen(slash + 1) - strlen(".conf"));

	if (!name) {
		d->found.incomplete = true;
		return;
	}
	check_unit(d, name);
	check_share_of(d, w);
	check_metrics(d, w);
}

static bool check_confs(struct doctor *d)
{
	glob_t confs;
	bool found = false;

	if (glob(CONFS, 0, NULL, &confs) == 0)
		for (size_t i = 0; !found && i < confs.gl_pathc; i++) {
			_cleanup_(way_release) struct way w = {};

			read_conf(&w, confs.gl_pathv[i]);
			found = is_about(d, &w);
			if (found)
				check_conf(d, &w);
		}
	globfree(&confs);
	return found;
}

void doctor_check_start(struct doctor *d)
{
	bool by_unit = check_confs(d);
	bool by_fstab = check_fstab(d);

	if (by_unit && by_fstab)
		find(&d->found, LEVEL_WARNING, "start",
		     "take one of the two away",
		     "both '/etc/camlock' and '" FSTAB "' mount it at boot");
	else if (d->mount && !by_unit && !by_fstab)
		find(&d->found, LEVEL_NOTE, "start",
		     "write '/etc/camlock/NAME.conf' and run 'systemctl "
		     "enable camlock@NAME', see camlock-mount(8)",
		     "'%s' is not mounted at boot", d->mount->point);
}
