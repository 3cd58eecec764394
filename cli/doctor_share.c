/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/doctor.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>

#include "core/history.h"

#define LEAST_SPACE (100ULL << 20)
#define LEAST_INODES 1000
#define MEGABYTE (1ULL << 20)
#define CLOCK_SLACK 2 /* seconds; some servers keep whole ones */

/* ---- which kind of file system ---- */

/* What was measured of each: which locks reach other hosts. */
static const struct kind {
	const char *type;
	const char *option; /* only with that one; NULL: always */
	enum level level;
	const char *what;
	const char *advice;
} kinds[] = {
	{ "fuse.sshfs", NULL, LEVEL_PROBLEM,
	  "sshfs keeps locks on each host: two hosts are both told yes",
	  "use it from one host only, or mount the share by NFS or SMB" },
	{ "fuse.smbnetfs", NULL, LEVEL_PROBLEM,
	  "smbnetfs has no locks that reach other hosts: two hosts are both "
	  "told yes",
	  "use it from one host only, or mount the share by NFS or SMB" },
	{ "davfs", NULL, LEVEL_PROBLEM,
	  "davfs2 has no locks that reach other hosts: two hosts are both "
	  "told yes",
	  "use it from one host only, or mount the share by NFS or SMB" },
	{ "fuse", NULL, LEVEL_WARNING,
	  "it is not known whether locks on this share reach other hosts",
	  "use it from one host only (davfs2 looks like this)" },
	{ "nfs", "nolock", LEVEL_PROBLEM,
	  "NFS is mounted with 'nolock': two hosts are both told yes",
	  "mount it without 'nolock'" },
	{ "nfs", "local_lock=all", LEVEL_PROBLEM,
	  "NFS is mounted with 'local_lock=all': two hosts are both told yes",
	  "mount it without 'local_lock'" },
	{ "nfs", "local_lock=flock", LEVEL_PROBLEM,
	  "NFS is mounted with 'local_lock=flock': two hosts are both told yes",
	  "mount it without 'local_lock'" },
	{ "cifs", "nobrl", LEVEL_PROBLEM,
	  "SMB is mounted with 'nobrl': two hosts are both told yes",
	  "mount it without 'nobrl'" },
	{ "cifs", "nolock", LEVEL_PROBLEM,
	  "SMB is mounted with 'nolock': two hosts are both told yes",
	  "mount it without 'nolock'" },
	{ "fuse.glusterfs", NULL, LEVEL_WARNING,
	  "Gluster's default settings show another host's records up to a "
	  "second late, and can leave the file of records unreadable",
	  "set performance.stat-prefetch and performance.quick-read off, and "
	  "mount with entry-timeout=0,attribute-timeout=0; all three" },
};

static bool is_type(const char *type, const char *wanted)
{
	return !strcmp(type, wanted) ||
	       (!strcmp(wanted, "nfs") && !strcmp(type, "nfs4"));
}

static void check_kind(struct doctor *d)
{
	const struct mount_info *m = mounts_find(&d->mounts, d->share);

	if (!m)
		return;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		const struct kind *k = &kinds[i];

		if (!is_type(m->type, k->type) ||
		    (k->option && !doctor_has_option(m->options, k->option)))
			continue;
		find(&d->found, k->level, "share-kind", k->advice, "%s",
		     k->what);
		return;
	}
	find(&d->found, LEVEL_OK, "share-kind", NULL, "the share is on %s",
	     m->type);
}

/* ---- how full ---- */

static void check_room(struct doctor *d)
{
	struct statvfs st;
	unsigned long long space;

	if (statvfs(d->share, &st) < 0)
		return;
	space = (unsigned long long)st.f_bavail * st.f_frsize;
	if (space < LEAST_SPACE)
		find(&d->found, LEVEL_WARNING, "space",
		     "make room: without it saves fail, and an open fails "
		     "when it can't be recorded",
		     "only %llu MB are free on the share", space / MEGABYTE);
	else
		find(&d->found, LEVEL_OK, "space", NULL,
		     "%llu MB are free on the share", space / MEGABYTE);
	if (st.f_files && st.f_favail < LEAST_INODES)
		find(&d->found, LEVEL_WARNING, "inodes",
		     "delete files that nobody needs, or make the file system "
		     "anew with more inodes",
		     "only %llu more files can be made on the share",
		     (unsigned long long)st.f_favail);
}

/* ---- whose clock ---- */

static void check_clock(struct doctor *d)
{
	static const char *const names[] = { LOCKS_NAME, HISTORY_NAME };
	time_t now = time(NULL);

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct stat st;

		if (d->place.state < 0 ||
		    fstatat(d->place.state, names[i], &st,
			    AT_SYMLINK_NOFOLLOW) < 0 ||
		    st.st_mtim.tv_sec <= now + CLOCK_SLACK)
			continue;
		find(&d->found, LEVEL_WARNING, "clock",
		     "set the clocks of all hosts and of the server by NTP",
		     "'%s' was written %lld seconds in the future: this "
		     "host's clock is behind, or the server's is fast",
		     names[i], (long long)(st.st_mtim.tv_sec - now));
		return;
	}
}

void doctor_check_share(struct doctor *d)
{
	check_clock(d);
	if (!d->share)
		return;
	check_kind(d);
	check_room(d);
}
