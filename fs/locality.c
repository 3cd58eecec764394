/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/locality.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "fs/log.h"

#define OTHERWISE \
	"mount the share by NFS 4, SMB, GlusterFS, CephFS or MooseFS instead"
#define CMDLINE_SIZE 8192

/* ---- where it lies ---- */

void locality_release(struct locality *l)
{
	free(l->point);
	free(l->type);
	free(l->source);
	free(l->options);
	*l = (struct locality){};
}

/* "36 35 98:0 /root /point rw,noatime shared:1 - type source options": any
 * number of words may stand before the dash. */
static void parse(const char *line, struct locality *l)
{
	const char *rest = strstr(line, " - ");

	if (!rest || sscanf(line, "%*s %*s %*s %*s %ms", &l->point) != 1 ||
	    sscanf(rest, " - %ms %ms %ms", &l->type, &l->source, &l->options) !=
		    3)
		locality_release(l);
}

void locality_of(int fd, struct locality *ret_locality)
{
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	struct statx x;
	FILE *list;

	*ret_locality = (struct locality){};
	if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &x) < 0 ||
	    !(x.stx_mask & STATX_MNT_ID))
		return;
	list = fopen("/proc/self/mountinfo", "re");
	while (list && getline(&line, &size, list) > 0) {
		if (strtoull(line, NULL, 10) == x.stx_mnt_id)
			parse(line, ret_locality);
	}
	if (list)
		fclose(list);
}

/* ---- whether its locks are seen ---- */

static bool has_option(const struct locality *l, const char *option)
{
	size_t len = strlen(option);

	for (const char *at = l->options; at; at = strchr(at, ',')) {
		at += *at == ',';
		if (!strncmp(at, option, len) &&
		    (!at[len] || at[len] == ',' || option[len - 1] == '='))
			return true;
	}
	return false;
}

static bool is_one_of(const char *type, const char *const *types)
{
	while (*types && strcmp(type, *types) != 0)
		types++;
	return *types;
}

static const char *why_not_nfs(const struct locality *l)
{
	if (has_option(l, "nolock"))
		return "it is mounted with 'nolock': mount it without";
	if (has_option(l, "local_lock=") && !has_option(l, "local_lock=none"))
		return "it is mounted with 'local_lock': mount it without";
	return NULL;
}

static const char *why_not_smb(const struct locality *l)
{
	if (has_option(l, "nobrl"))
		return "it is mounted with 'nobrl': mount it without";
	if (has_option(l, "nolock"))
		return "it is mounted with 'nolock': mount it without";
	return NULL;
}

const char *locality_why_not(const struct locality *l)
{
	static const char *const nfs[] = { "nfs", "nfs4", NULL };
	static const char *const smb[] = { "cifs", "smb3", NULL };
	static const char *const alone[] = {
		"fuse.sshfs", "fuse.smbnetfs",	"fuse.davfs2",
		"davfs",      "fuse.davfs",	"fuse.rclone",
		"fuse.s3fs",  "fuse.curlftpfs", "fuse.gvfsd-fuse",
		NULL
	};

	if (!l->type)
		return NULL;
	if (is_one_of(l->type, nfs))
		return why_not_nfs(l);
	if (is_one_of(l->type, smb))
		return why_not_smb(l);
	/* davfs2 has no name of its own */
	if (is_one_of(l->type, alone) ||
	    (!strcmp(l->type, "fuse") && !strncmp(l->source, "http", 4)))
		return OTHERWISE;
	return NULL;
}

/* ---- whether it shows things late ---- */

/* The translators that keep what they have read, in the client's own view of
 * itself (GlusterFS, xlators/meta). */
static bool keeps_what_it_read(const char *meta)
{
	static const char *const ends[] = { "-md-cache", "-quick-read" };
	_cleanup_free_ char *path = NULL;
	bool found = false;
	struct dirent *d;
	DIR *dir;

	if (asprintf(&path, "%s/graphs/active", meta) < 0)
		path = NULL;
	dir = path ? opendir(path) : NULL;
	while (dir && (d = readdir(dir)))
		for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
			found |= strlen(d->d_name) > strlen(ends[i]) &&
				 !strcmp(d->d_name + strlen(d->d_name) -
						 strlen(ends[i]),
					 ends[i]);
	if (dir)
		closedir(dir);
	return found;
}

static bool keeps_names(const char *meta)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;
	char text[CMDLINE_SIZE];
	ssize_t n;

	if (asprintf(&path, "%s/cmdline", meta) < 0) {
		path = NULL;
		return false;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	return n > 0 && (!strstr(text, "--entry-timeout=0") ||
			 !strstr(text, "--attribute-timeout=0"));
}

int locality_is_lax(const struct locality *l, char *advice, size_t size)
{
	_cleanup_free_ char *meta = NULL;
	bool content, names;

	if (!l->type || strcmp(l->type, "fuse.glusterfs") != 0 ||
	    asprintf(&meta, "%s/.meta", l->point) < 0)
		return false;
	content = keeps_what_it_read(meta);
	names = keeps_names(meta);
	snprintf(advice, size, "%s%s%s",
		 content ? "'gluster volume set VOLUME performance.stat-"
			   "prefetch off', and the same with performance."
			   "quick-read"
			 : "",
		 content && names ? "; and " : "",
		 names ? "mount it with 'entry-timeout=0,attribute-timeout=0'"
		       : "");
	return content || names;
}

int locality_check(int fd, const char *path)
{
	_cleanup_(locality_release) struct locality l;
	const char *why;
	char advice[400];

	locality_of(fd, &l);
	why = locality_why_not(&l);
	if (why) {
		log_error("cannot mount '%s': its locks (%s) are not seen by "
			  "other hosts, so two of them could write one file; "
			  "%s; or, if no other host ever mounts it with "
			  "camlock, give --single-host",
			  path, l.type, why);
		return -ENOLCK;
	}
	if (locality_is_lax(&l, advice, sizeof(advice)))
		log_warning("'%s' shows what other hosts write up to a second "
			    "late, and saves can fail with \"Stale file "
			    "handle\" then; %s",
			    path, advice);
	return 0;
}
