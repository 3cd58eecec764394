/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/links.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/timestamp.h"
#include "fs/file.h"
#include "fs/verdict.h"

static bool is_alias(struct camfs *fs, const char *other, const struct stat *st,
		     const char *path)
{
	return strcmp(other, path) != 0 &&
	       inodes_is_link(&fs->inodes, other, st);
}

static bool is_anothers(const struct snapshot *s, size_t i,
			const struct owner *owner)
{
	_cleanup_record_ struct record rec = {};
	size_t len;
	const char *text = snapshot_text(s, i, &len);

	return record_parse(&rec, text, len) == 0 &&
	       !record_owned_by(&rec, owner);
}

/* The record may be one that is just being given back: ask as for any path. */
static int check_alias(const struct caller *who, const char *path,
		       const char *other)
{
	_cleanup_conflict_ struct registry_conflict conflict = {};
	struct wait w = caller_wait(who);
	int r = checkouts_check(who->fs->checkouts, other, false, false,
				&who->record, &w, &conflict);

	return verdict_of(who, path, r, &conflict);
}

static int check_aliases_here(const struct caller *who, const struct stat *st,
			      const char *path)
{
	_cleanup_buffer_ struct buffer paths = {};
	int r = checkouts_list_others(who->fs->checkouts, &who->record, &paths);

	if (r < 0)
		return verdict_failed(who->fs, path, r);
	for (size_t at = 0; r == 0 && at < paths.len;
	     at += strlen(paths.data + at) + 1)
		if (is_alias(who->fs, paths.data + at, st, path))
			r = check_alias(who, path, paths.data + at);
	return r;
}

/* What is kept, or open through other mounts. */
static int check_aliases_elsewhere(const struct caller *who,
				   const struct stat *st, const char *path,
				   bool early)
{
	struct camfs *fs = who->fs;
	_cleanup_snapshot_ struct snapshot *s = NULL;
	struct owner owner =
		record_owner(&who->record, registry_lease(fs->registry));
	struct wait w = caller_wait(who);
	int r = early ? 0 : registry_catch_up(fs->registry, &w);

	if (r == 0)
		r = registry_snapshot_others(fs->registry, &s);
	if (r < 0)
		return verdict_failed(fs, path, r);
	for (size_t i = 0; r == 0 && i < snapshot_count(s); i++)
		if (is_anothers(s, i, &owner) &&
		    is_alias(fs, snapshot_path(s, i), st, path))
			r = check_alias(who, path, snapshot_path(s, i));
	return r;
}

/* Not by looking at all records: whoever deletes a thousand links has a
 * thousand names reserved, and pays for it each time. */
static int check_aliases(const struct caller *who, const struct stat *st,
			 const char *path, bool early)
{
	int r;

	if (!S_ISREG(st->st_mode) || st->st_nlink < 2)
		return 0;
	r = check_aliases_here(who, st, path);
	return r == 0 ? check_aliases_elsewhere(who, st, path, early) : r;
}

int links_check(const struct caller *who, const struct stat *st,
		const char *path)
{
	return check_aliases(who, st, path, false);
}

int links_check_early(const struct caller *who, const struct stat *st,
		      const char *path)
{
	return check_aliases(who, st, path, true);
}

int links_check_writers(const struct caller *who, const struct stat *st,
			const char *path)
{
	char user[USER_NAME_SIZE], pid[16], now[TIMESTAMP_SIZE];
	char message[] = "still writing this file, opened by another name";
	_cleanup_free_ char *copy = strdup(path);
	struct registry_conflict conflict = { .path = copy };
	uid_t uid = 0;
	pid_t process = 0;

	if (!copy)
		return -ENOMEM;
	if (!file_has_other_writer(who->fs, st, who->uid, &uid, &process))
		return 0;
	users_name(who->fs->users, uid, user);
	snprintf(pid, sizeof(pid), "%d", (int)process);
	timestamp_now(now);
	conflict.holder = (struct record){ .user = user,
					   .timestamp = now,
					   .message = message,
					   .host = who->fs->host,
					   .pid = pid };
	return verdict_held(who, path, &conflict);
}

int links_check_all(const struct caller *who, const struct stat *st,
		    const char *path)
{
	int r = links_check(who, st, path);

	return r == 0 && st->st_nlink > 1 ? links_check_writers(who, st, path)
					  : r;
}
