/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * camlock umount: ends a mount, and waits until its daemon has given back what
 * it had.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/mounts.h"
#include "cli/place.h"
#include "cli/program.h"
#include "core/cleanup.h"
#include "core/lease.h"
#include "core/wait.h"

#define FINISH_MS 10000
#define POLL_NS (10 * NSEC_PER_MSEC)

static const char help[] =
	"usage: camlock umount [--lazy] [--json] MOUNTPOINT\n"
	"\n"
	"Ends the mount, and returns when its daemon has given back "
	"everything. A mount\n"
	"in use is refused; 'fuser -vm MOUNTPOINT' names who uses it.\n"
	"\n"
	"  -l, --lazy  take the mount away from here now; the daemon goes on "
	"until the\n"
	"              last file opened through it is closed, and is not "
	"waited for\n"
	"  --json      the outcome, for programs\n"
	"\n"
	"Fields of --json, an object:\n"
	"  share       what was mounted; or null\n"
	"  mountpoint\n"
	"  result      \"done\", \"refused\" or \"trouble\"\n";

/* ---- which mount ---- */

static int find_mount(const struct mounts *mounts, const char *path,
		      const struct mount_info **ret_mount)
{
	const struct mount_info *m = mounts_find(mounts, path);

	if (m && m->is_camlock && !strcmp(m->point, path)) {
		*ret_mount = m;
		return DONE;
	}
	if (m && m->is_camlock)
		return fail(REFUSED,
			    "'%s' is not the mountpoint: run 'camlock umount "
			    "%s'",
			    path, m->point);
	return fail(REFUSED,
		    "'%s' is no camlock mount: 'findmnt -t fuse.camlock' lists "
		    "them",
		    path);
}

/* ---- taking it away ---- */

static int refuse_busy(const char *point)
{
	return fail(REFUSED,
		    "'%s' is in use: 'fuser -vm %s' names by whom; close what "
		    "is open there, or run 'camlock umount --lazy %s'",
		    point, point, point);
}

static int unmount_as_root(const char *point, bool lazy)
{
	if (umount2(point, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) == 0)
		return DONE;
	if (errno == EBUSY)
		return refuse_busy(point);
	return fail(TROUBLE, "cannot unmount '%s': %s", point, reason(errno));
}

/* Everybody else may unmount his own mounts, with fusermount3's help. */
static int unmount_as_user(const char *point, bool lazy)
{
	const char *argv[] = { "fusermount3", lazy ? "-uz" : "-u", "--", point,
			       NULL };
	_cleanup_buffer_ struct buffer said = {};
	int r = program_run(argv, &said);

	if (r == 0)
		return DONE;
	if (r < 0)
		return fail(TROUBLE,
			    "cannot run 'fusermount3': %s: install the fuse3 "
			    "package, or unmount as root",
			    reason(r));
	if (said.data && strstr(said.data, strerror(EBUSY)))
		return refuse_busy(point);
	return fail(REFUSED, "cannot unmount '%s': %s", point,
		    said.data ? said.data : "fusermount3 does not say why");
}

/* ---- waiting for the daemon ---- */

/* Lease ids are the host's name, a dash and 16 digits. */
static bool is_of_host(const char *id, const char *host)
{
	size_t len = strlen(host);

	return strlen(id) == len + 17 && !strncmp(id, host, len) &&
	       id[len] == '-';
}

/* Leases that live and were made on this host. -1: there is no telling. */
static int count_leases(const char *share, const char *host)
{
	_cleanup_free_ char *path = NULL;
	int n = 0, fd = -1;
	struct dirent *d;
	DIR *dir;

	if (asprintf(&path, "%s/.camlock/leases", share) < 0)
		path = NULL;
	if (path)
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		cleanup_close(&fd);
		return -1;
	}
	while ((d = readdir(dir)))
		n += is_of_host(d->d_name, host) &&
		     lease_probe(fd, d->d_name, NULL) == LEASE_LIVE;
	closedir(dir);
	return n;
}

/* The daemon gives its lease up last of all. Which lease was its, is not to be
 * known from here; but when no more of this host are left than there are
 * mounts of the share, its is gone. */
static bool is_finished(const char *share, const char *host)
{
	_cleanup_mounts_ struct mounts mounts = {};
	int leases = count_leases(share, host);

	return leases <= 0 || (mounts_load(&mounts) == 0 &&
			       (size_t)leases <= mounts_count(&mounts, share));
}

static int wait_until_finished(const char *share)
{
	struct wait w = wait_for_ms(FINISH_MS);
	char host[256] = "";

	gethostname(host, sizeof(host) - 1);
	while (!is_finished(share, host))
		if (wait_sleep(&w, POLL_NS) < 0)
			return fail(TROUBLE,
				    "unmounted, but after %d s its daemon has "
				    "not given back all that was checked out: "
				    "see 'camlock status %s' and the system's "
				    "log",
				    FINISH_MS / 1000, share);
	return DONE;
}

/* ---- the command ---- */

static int unmount(const char *path, bool lazy, bool json)
{
	_cleanup_free_ char *point = path_resolve(path);
	_cleanup_mounts_ struct mounts mounts = {};
	const struct mount_info *m = NULL;
	int status, r;

	if (!point)
		return fail(REFUSED, "cannot find '%s': %s", path,
			    reason(errno));
	r = mounts_load(&mounts);
	if (r < 0)
		return fail(TROUBLE, "cannot read '/proc/self/mountinfo': %s",
			    reason(r));
	status = find_mount(&mounts, point, &m);
	if (status == DONE)
		status = geteuid() == 0 ? unmount_as_root(point, lazy)
					: unmount_as_user(point, lazy);
	if (status == DONE && !lazy)
		status = wait_until_finished(m->source);
	return json ? mounts_reply(m ? m->source : NULL, point, status)
		    : status;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "lazy", no_argument, NULL, 'l' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	bool lazy = false, json = false;
	int c;

	while ((c = getopt_long(argc, argv, ":lh", options, NULL)) != -1) {
		if (c == 'l')
			lazy = true;
		else if (c == 'j')
			json = true;
		else if (c == 'h')
			return print_help(&cmd_umount);
		else
			return bad_option(&cmd_umount, c, argv);
	}
	if (argc - optind != 1)
		return bad_arguments(&cmd_umount, "one MOUNTPOINT");
	return unmount(argv[optind], lazy, json);
}

const struct command cmd_umount = {
	.name = "umount",
	.summary = "end a mount, when everything is given back",
	.help = help,
	.run = run,
};
