/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/doctor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/records.h"
#include "core/cleanup.h"
#include "core/entries.h"
#include "core/lease.h"
#include "core/recovered.h"
#include "core/statefile.h"
#include "core/store.h"
#include "core/thinning.h"
#include "core/timestamp.h"
#include "core/versions.h"

#define LOCK_NAME LOCKS_NAME ".lock"
#define DAMAGED LOCKS_NAME ".damaged-"
#define SPARE LOCKS_NAME STORE_SPARE
#define LEASES "leases"
#define FUTURE_SLACK 60 /* seconds */
#define DEEPEST 100

/* ---- rights ---- */

/* Who mounted it; of a bare share it is the folder's owner who counts. */
static bool is_daemons(const struct doctor *d, uid_t uid)
{
	char option[40];

	if (!d->mount)
		return true;
	snprintf(option, sizeof(option), "user_id=%u", (unsigned)uid);
	return doctor_has_option(d->mount->options, option);
}

static void check_folder(struct doctor *d)
{
	struct stat st;

	if (fstat(d->place.state, &st) < 0)
		return;
	if (!is_daemons(d, st.st_uid))
		find(&d->found, LEVEL_WARNING, "state-owner",
		     "change its owner to the user who mounts",
		     "'.camlock' belongs to user %u, who did not mount the "
		     "share and can do with the records whatever he likes",
		     (unsigned)st.st_uid);
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		find(&d->found, LEVEL_PROBLEM, "state-rights",
		     "run 'chmod go-w' on it; to let Python tools write, give "
		     "them rights on locks.json only",
		     "'.camlock' can be written to by others (mode %04o): "
		     "whoever can delete the lock file gets around it",
		     st.st_mode & 07777);
}

static void check_lock_file(struct doctor *d)
{
	struct stat st;

	if (fstatat(d->place.state, LOCK_NAME, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno == ENOENT)
			find(&d->found, LEVEL_NOTE, "lock-file",
			     "mount the share once",
			     "'" LOCK_NAME "' is not there yet");
		return;
	}
	if (!S_ISREG(st.st_mode) || st.st_nlink > 1)
		find(&d->found, LEVEL_PROBLEM, "lock-file",
		     "stop all mounts and tools, and remove it",
		     "'" LOCK_NAME "' is no plain file with one name");
	else if ((st.st_mode & 0666) != 0666)
		find(&d->found, LEVEL_WARNING, "lock-file",
		     "run 'chmod 0666' on it; it holds nothing",
		     "'" LOCK_NAME "' has mode %04o: Python tools of other "
		     "users can't take the lock",
		     st.st_mode & 07777);
}

/* ---- records ---- */

/* Whether there is a use in reading them. */
static bool check_whole(struct doctor *d)
{
	_cleanup_entries_ struct entries entries = {};
	_cleanup_buffer_ struct buffer text = {};
	struct stat st;
	int r = statefile_read(d->place.state, LOCKS_NAME, &text, &st);

	if (r == -ENOENT) {
		find(&d->found, LEVEL_NOTE, "records",
		     "if the mount was told --locks, say so here, too",
		     "'" LOCKS_NAME "' is not there: nothing was ever checked "
		     "out");
		return false;
	}
	if (r == 0)
		r = entries_parse(&entries, &text);
	if (r == -EBADMSG)
		find(&d->found, LEVEL_PROBLEM, "records",
		     "mount the share: the damaged file is kept aside, and "
		     "the last good state put back",
		     "'" LOCKS_NAME "' is damaged: it is no JSON object");
	else if (r < 0)
		find(&d->found, LEVEL_PROBLEM, "records",
		     "run this as the user who mounts",
		     "'" LOCKS_NAME "' can't be read: %s", reason(r));
	else
		find(&d->found, LEVEL_OK, "records", NULL,
		     "'" LOCKS_NAME "' is whole, with %zu records", entries.n);
	return r == 0;
}

static bool is_in_future(const char *timestamp)
{
	struct timespec when;

	return timestamp && timestamp_parse(timestamp, &when) == 0 &&
	       when.tv_sec > time(NULL) + FUTURE_SLACK;
}

static void check_records(struct doctor *d)
{
	_cleanup_records_ struct records records = {};
	size_t stale = 0, future = 0;
	const struct record_at *a_stale = NULL, *a_future = NULL;

	if (records_load(&records, &d->place, d->locks) != DONE)
		return;
	for (size_t i = 0; i < records.n; i++) {
		const struct record_at *at = &records.list[i];

		if (at->is_stale) {
			stale++;
			a_stale = at;
		}
		if (is_in_future(at->record.timestamp)) {
			future++;
			a_future = at;
		}
	}
	if (stale)
		find(&d->found, LEVEL_WARNING, "stale-records",
		     "nothing needs to be done: they hold nothing, and the "
		     "next mount drops them",
		     "%zu records are of mounts that are gone ('%s', by %s)",
		     stale, a_stale->path, a_stale->record.user);
	if (future)
		find(&d->found, LEVEL_WARNING, "clock",
		     "set the clocks of all hosts by NTP",
		     "%zu records are of the future ('%s', from %s)", future,
		     a_future->path,
		     a_future->record.host ? a_future->record.host : "unknown");
}

/* ---- what is left over ---- */

static DIR *open_folder(int at, const char *name)
{
	int fd = openat(at, name,
			O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir && fd >= 0)
		close(fd);
	return dir;
}

static bool is_stale_lease(struct doctor *d, const char *id)
{
	_cleanup_close_ int leases =
		openat(d->place.state, LEASES, O_RDONLY | O_DIRECTORY);

	return leases < 0 || lease_probe(leases, id, NULL) == LEASE_STALE;
}

static void check_name(struct doctor *d, const char *name)
{
	struct stat st;

	if (!strncmp(name, DAMAGED, strlen(DAMAGED)) &&
	    fstatat(d->place.state, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		find(&d->found, LEVEL_WARNING, "damaged",
		     "see what it has that is missing now, check that out "
		     "again, and remove it",
		     "'%s' (%lld bytes) was put aside because it was damaged; "
		     "its name says when",
		     name, (long long)st.st_size);
	else if (!strncmp(name, SPARE, strlen(SPARE)) &&
		 is_stale_lease(d, name + strlen(SPARE)))
		find(&d->found, LEVEL_NOTE, "spare",
		     "nothing needs to be done: the next mount removes it",
		     "'%s' was left over by a mount that is gone", name);
}

static void check_names(struct doctor *d)
{
	DIR *dir = open_folder(d->place.state, ".");
	struct dirent *e;

	while (dir && (e = readdir(dir)))
		check_name(d, e->d_name);
	if (dir)
		closedir(dir);
}

static void check_leases(struct doctor *d)
{
	DIR *dir = open_folder(d->place.state, LEASES);
	struct dirent *e;
	size_t n = 0;

	while (dir && (e = readdir(dir)))
		n += e->d_name[0] != '.' &&
		     lease_probe(dirfd(dir), e->d_name, NULL) == LEASE_STALE;
	if (dir)
		closedir(dir);
	if (n)
		find(&d->found, LEVEL_NOTE, "stale-leases",
		     "nothing needs to be done: the next mount removes them",
		     "%zu mounts ended without a chance to tidy up", n);
}

/* ---- what waits for its owner ---- */

struct heap {
	size_t n;
	unsigned long long size;
	time_t oldest;
	bool hidden; /* not all could be seen */
};

static void add_up(int at, const char *name, int depth, struct heap *heap)
{
	DIR *dir = open_folder(at, name);
	struct dirent *e;

	if (!dir) {
		heap->hidden |= errno == EACCES;
		return;
	}
	while (depth < DEEPEST && (e = readdir(dir))) {
		struct stat st;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
		    fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) <
			    0)
			continue;
		if (S_ISDIR(st.st_mode)) {
			add_up(dirfd(dir), e->d_name, depth + 1, heap);
			continue;
		}
		if (!heap->n++ || st.st_ctim.tv_sec < heap->oldest)
			heap->oldest = st.st_ctim.tv_sec;
		heap->size += (unsigned long long)st.st_size;
	}
	closedir(dir);
}

static void check_recovered(struct doctor *d)
{
	struct heap heap = {};

	add_up(d->place.files, RECOVERED_DIR, 0, &heap);
	if (heap.n)
		find(&d->found, LEVEL_NOTE, "recovered",
		     "their owners see them with 'camlock recovered'",
		     "%zu recovered files (%llu bytes) wait for their owners, "
		     "the oldest for %lld days",
		     heap.n, heap.size,
		     (long long)(time(NULL) - heap.oldest) / 86400);
	if (heap.hidden)
		find(&d->found, LEVEL_NOTE, "recovered",
		     "run this as root to see them",
		     "others' recovered files can't be looked at");
}

/* ---- versions ---- */

static bool is_room_for_versions(const struct doctor *d)
{
	struct statvfs st;

	return fstatvfs(d->place.state, &st) < 0 ||
	       (uint64_t)st.f_bavail * st.f_frsize >
		       versions_reserve(d->place.state);
}

/* Where none are kept, or we are not let in, there is nothing to say. */
static void check_versions(struct doctor *d)
{
	_cleanup_close_ int tree =
		openat(d->place.state, VERSIONS_TREE,
		       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	uint64_t bytes;

	if (tree < 0 || thinning_run(tree, 0, &bytes) < 0)
		return;
	if (!is_room_for_versions(d))
		find(&d->found, LEVEL_WARNING, "versions",
		     "make room: a twentieth of the disk, or 1 GB, stays free "
		     "for the saves themselves",
		     "the disk is too full to keep versions: a save can't be "
		     "taken back");
	else
		find(&d->found, LEVEL_OK, "versions", NULL,
		     "the versions of files take %llu MB",
		     (unsigned long long)bytes >> 20);
}

void doctor_check_state(struct doctor *d)
{
	bool whole = true;

	if (d->place.state >= 0) {
		check_folder(d);
		check_names(d);
		check_leases(d);
		check_versions(d);
		if (!d->locks) {
			check_lock_file(d);
			whole = check_whole(d);
		}
	} else {
		find(&d->found, LEVEL_NOTE, "covered",
		     "to have '.camlock' looked at, run this before mounting",
		     "'.camlock' itself can't be seen from here, only what "
		     "the mount shows of it");
	}
	if (whole)
		check_records(d);
	check_recovered(d);
}
