/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/ctlview.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/cleanup.h"
#include "core/timestamp.h"
#include "fs/file.h"

#define NOT_WRITTEN ",\n    \"state\": \"nothing written yet\"\n}\n"

/* The index of the record of exactly that path, or the count. */
static size_t find_file(const struct snapshot *s, const char *path)
{
	size_t i = snapshot_search(s, path);

	if (i < snapshot_count(s) && !strcmp(snapshot_path(s, i), path))
		return i;
	return snapshot_count(s);
}

/* The index of the first record below a folder, or the count. */
static size_t find_folder(const struct snapshot *s, const char *prefix)
{
	size_t i = snapshot_search(s, prefix);

	if (i < snapshot_count(s) &&
	    !strncmp(snapshot_path(s, i), prefix, strlen(prefix)))
		return i;
	return snapshot_count(s);
}

/* A folder's path with a slash behind it; "" stays "". */
static char *prefix_of(const char *path)
{
	char *prefix = NULL;

	if (asprintf(&prefix, "%s%s", path, *path ? "/" : "") < 0)
		return NULL;
	return prefix;
}

/* A record as `cat` shows it: as in locks.json, but for the indentation. */
static int format_record(struct camfs *fs, const char *path, const char *text,
			 size_t len, struct buffer *b)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < len; i++) {
		r = buffer_append(b, text + i, 1);
		if (text[i] == '\n' && i + 4 < len &&
		    !memcmp(text + i + 1, "    ", 4))
			i += 4;
	}
	if (r < 0)
		return r;
	if (file_is_untouched(fs, path) && b->len > 2 &&
	    !memcmp(b->data + b->len - 2, "\n}", 2)) {
		b->len -= 2;
		return buffer_append_string(b, NOT_WRITTEN);
	}
	return buffer_append(b, "\n", 1);
}

static int read_record(struct camfs *fs, const struct snapshot *s,
		       const char *path, struct buffer *ret_text)
{
	size_t i = find_file(s, path), len;
	const char *text;

	if (i == snapshot_count(s))
		return -ENOENT;
	text = snapshot_text(s, i, &len);
	return format_record(fs, path, text, len, ret_text);
}

int ctlview_read(struct camfs *fs, const char *path, struct buffer *ret_text)
{
	_cleanup_snapshot_ struct snapshot *s = NULL;
	int r = registry_snapshot(fs->registry, &s);
	size_t len;

	if (r < 0)
		return r;
	if (strcmp(path, CTLVIEW_RECORDS) != 0)
		return read_record(fs, s, path, ret_text);
	const char *whole = snapshot_whole(s, &len);

	return buffer_append(ret_text, whole, len);
}

/* The holder's id and the time of the checkout. What is no record is nobody's
 * and of no time. */
static void fill_holder(struct camfs *fs, const char *text, size_t len,
			struct stat *st)
{
	_cleanup_record_ struct record rec = {};
	struct timespec when;

	st->st_uid = users_id(fs->users, "");
	st->st_gid = st->st_uid;
	if (record_parse(&rec, text, len) < 0)
		return;
	st->st_uid = users_id(fs->users, rec.user);
	if (rec.timestamp && timestamp_parse(rec.timestamp, &when) == 0)
		st->st_mtim = st->st_ctim = st->st_atim = when;
}

static int stat_file(struct camfs *fs, const struct snapshot *s, size_t i,
		     const char *path, struct stat *st)
{
	_cleanup_buffer_ struct buffer content = {};
	size_t len;
	const char *text = snapshot_text(s, i, &len);
	int r = format_record(fs, path, text, len, &content);

	if (r < 0)
		return r;
	st->st_mode = S_IFREG | 0444;
	st->st_nlink = 1;
	st->st_size = (off_t)content.len;
	fill_holder(fs, text, len, st);
	return 0;
}

static int stat_special(struct camfs *fs, const struct snapshot *s,
			const char *path, struct stat *st)
{
	struct stat history;
	size_t len;

	if (!strcmp(path, CTLVIEW_RECORDS)) {
		snapshot_whole(s, &len);
		st->st_size = (off_t)len;
	} else if (!strcmp(path, CTLVIEW_HISTORY)) {
		if (fstatat(fs->share.state_fd, HISTORY_NAME, &history,
			    AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
		st->st_size = history.st_size;
		st->st_mtim = st->st_ctim = st->st_atim = history.st_mtim;
	} else {
		return -ENOENT;
	}
	st->st_mode = S_IFREG | 0444;
	st->st_nlink = 1;
	return 0;
}

int ctlview_stat(struct camfs *fs, const char *path, struct stat *ret_st)
{
	_cleanup_snapshot_ struct snapshot *s = NULL;
	_cleanup_free_ char *prefix = prefix_of(path);
	int r = prefix ? registry_snapshot(fs->registry, &s) : -ENOMEM;
	size_t i;

	if (r < 0)
		return r;
	*ret_st = (struct stat){};
	clock_gettime(CLOCK_REALTIME, &ret_st->st_mtim);
	ret_st->st_ctim = ret_st->st_atim = ret_st->st_mtim;
	i = find_file(s, path);
	if (i < snapshot_count(s))
		return stat_file(fs, s, i, path, ret_st);
	if (*path && strcmp(path, STATE_NAME) != 0 &&
	    find_folder(s, prefix) == snapshot_count(s))
		return stat_special(fs, s, path, ret_st);
	ret_st->st_mode = S_IFDIR | 0555;
	ret_st->st_nlink = 2;
	return 0;
}

/* The records below a folder are together; each name in it is the part of
 * their paths up to the next slash. */
int ctlview_list(struct camfs *fs, const char *path, struct buffer *ret_names)
{
	_cleanup_snapshot_ struct snapshot *s = NULL;
	_cleanup_free_ char *prefix = prefix_of(path);
	int r = prefix ? registry_snapshot(fs->registry, &s) : -ENOMEM;
	size_t skip = prefix ? strlen(prefix) : 0;
	const char *last = NULL;
	size_t last_len = 0;

	if (r < 0)
		return r;
	for (size_t i = find_folder(s, prefix); i < snapshot_count(s); i++) {
		const char *name = snapshot_path(s, i) + skip;
		size_t len = strcspn(name, "/");

		if (strncmp(snapshot_path(s, i), prefix, skip) != 0)
			break;
		if (len == 0 ||
		    (last && len == last_len && !strncmp(name, last, len)))
			continue;
		r = buffer_append(ret_names, name[len] ? "d" : "f", 1);
		if (r == 0)
			r = buffer_append(ret_names, name, len);
		if (r == 0)
			r = buffer_append(ret_names, "", 1);
		if (r < 0)
			return r;
		last = name;
		last_len = len;
	}
	return 0;
}
