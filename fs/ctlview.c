/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/ctlview.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/beneath.h"
#include "core/cleanup.h"
#include "core/timestamp.h"
#include "fs/file.h"
#include "fs/page.h"

#define NOT_WRITTEN ",\n    \"state\": \"nothing written yet\"\n}\n"
#define CUT_OFF                                                               \
	",\n    \"state\": \"cut off from the share: this is what was known " \
	"last\"\n}\n"

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
	const char *state = NULL;
	int r = 0;

	for (size_t i = 0; r == 0 && i < len; i++) {
		r = buffer_append(b, text + i, 1);
		if (text[i] == '\n' && i + 4 < len &&
		    !memcmp(text + i + 1, "    ", 4))
			i += 4;
	}
	if (r < 0)
		return r;
	if (!registry_is_sure(fs->registry))
		state = CUT_OFF;
	else if (file_is_untouched(fs, path))
		state = NOT_WRITTEN;
	if (state && b->len > 2 && !memcmp(b->data + b->len - 2, "\n}", 2)) {
		b->len -= 2;
		return buffer_append_string(b, state);
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
	/* the daemon says who may write it, and who has it */
	st->st_mode = S_IFREG | 0666;
	st->st_nlink = 1;
	st->st_size = (off_t)content.len;
	fill_holder(fs, text, len, st);
	return 0;
}

bool ctlview_is_special(const char *path)
{
	size_t len = strlen(STATE_NAME);

	return !strncmp(path, STATE_NAME, len) &&
	       (!path[len] || path[len] == '/');
}

static bool is_recovered(const char *path)
{
	size_t len = strlen(CTLVIEW_RECOVERED);

	return !strncmp(path, CTLVIEW_RECOVERED, len) &&
	       (!path[len] || path[len] == '/');
}

const char *ctlview_version(const char *path)
{
	size_t len = strlen(CTLVIEW_VERSIONS);

	if (strncmp(path, CTLVIEW_VERSIONS, len) != 0 ||
	    (path[len] && path[len] != '/'))
		return NULL;
	return path[len] ? path + len + 1 : "";
}

/* What really lies in `.camlock`, of which only this is to be seen. */
static int stat_real(struct camfs *fs, const char *path, struct stat *st)
{
	_cleanup_close_ int fd = -1;

	if (strcmp(path, CTLVIEW_HISTORY) != 0 && !is_recovered(path))
		return -ENOENT;
	fd = beneath_open(fs->share.state_fd, path + strlen(STATE_NAME "/"),
			  O_PATH, 0);
	if (fd < 0)
		return fd;
	if (fstat(fd, st) < 0)
		return -errno;
	if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode))
		return -ENOENT;
	st->st_mode &= S_IFMT | 0555;
	return 0;
}

static int stat_page(struct camfs *fs, struct stat *st)
{
	size_t size;
	int r = page_size(fs->page, &size);

	if (r == 0)
		st->st_size = (off_t)size;
	return r;
}

static int stat_special(struct camfs *fs, const struct snapshot *s,
			const char *path, struct stat *st)
{
	size_t len;

	st->st_mode = S_IFREG | 0444;
	st->st_nlink = 1;
	if (!strcmp(path, STATE_NAME)) {
		st->st_mode = S_IFDIR | 0555;
		st->st_nlink = 2;
	} else if (!strcmp(path, CTLVIEW_RECORDS)) {
		snapshot_whole(s, &len);
		st->st_size = (off_t)len;
	} else if (!strcmp(path, CTLVIEW_PAGE)) {
		return stat_page(fs, st);
	} else if (!strcmp(path, CTLVIEW_CONTROL)) {
		st->st_mode = S_IFREG | 0666;
	} else if (strcmp(path, CTLVIEW_CHANGES) != 0 &&
		   strcmp(path, CTLVIEW_SHARE) != 0 &&
		   strcmp(path, CTLVIEW_METRICS) != 0) {
		return stat_real(fs, path, st);
	}
	return 0;
}

static void set_now(struct stat *st)
{
	*st = (struct stat){};
	clock_gettime(CLOCK_REALTIME, &st->st_mtim);
	st->st_ctim = st->st_atim = st->st_mtim;
}

void ctlview_stat_folder(struct stat *ret_st)
{
	set_now(ret_st);
	ret_st->st_mode = S_IFDIR | 0777;
	ret_st->st_nlink = 2;
}

int ctlview_stat(struct camfs *fs, const char *path, struct stat *ret_st)
{
	_cleanup_snapshot_ struct snapshot *s = NULL;
	_cleanup_free_ char *prefix = prefix_of(path);
	int r = prefix ? registry_snapshot(fs->registry, &s) : -ENOMEM;
	size_t i;

	if (r < 0)
		return r;
	set_now(ret_st);
	if (ctlview_is_special(path))
		return stat_special(fs, s, path, ret_st);
	i = find_file(s, path);
	if (i < snapshot_count(s))
		return stat_file(fs, s, i, path, ret_st);
	if (*path && find_folder(s, prefix) == snapshot_count(s))
		return -ENOENT;
	ctlview_stat_folder(ret_st);
	return 0;
}

static int add_name(struct buffer *names, char type, const char *name,
		    size_t len)
{
	int r = buffer_append(names, &type, 1);

	if (r == 0)
		r = buffer_append(names, name, len);
	return r == 0 ? buffer_append(names, "", 1) : r;
}

int ctlview_list_folder(int fd, struct buffer *names)
{
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;
	int r = 0;

	if (!dir) {
		r = fd < 0 ? fd : -errno;
		if (fd >= 0)
			close(fd);
		return r;
	}
	while (r == 0 && (d = readdir(dir)))
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
			r = add_name(names, d->d_type == DT_DIR ? 'd' : 'f',
				     d->d_name, strlen(d->d_name));
	closedir(dir);
	return r;
}

/* Whatever somebody wrote into locks.json: the kernel fails a whole listing
 * for a name that is too long. */
static bool can_be_name(const char *name, size_t len)
{
	return len > 0 && len <= NAME_MAX && !(len == 1 && *name == '.') &&
	       !(len == 2 && !memcmp(name, "..", 2));
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
	if (is_recovered(path))
		return ctlview_list_folder(
			beneath_open(fs->share.state_fd,
				     path + strlen(STATE_NAME "/"),
				     O_RDONLY | O_DIRECTORY, 0),
			ret_names);
	for (size_t i = find_folder(s, prefix); i < snapshot_count(s); i++) {
		const char *name = snapshot_path(s, i) + skip;
		size_t len = strcspn(name, "/");

		if (strncmp(snapshot_path(s, i), prefix, skip) != 0)
			break;
		if (!can_be_name(name, len) ||
		    (last && len == last_len && !strncmp(name, last, len)))
			continue;
		r = add_name(ret_names, name[len] ? 'd' : 'f', name, len);
		if (r < 0)
			return r;
		last = name;
		last_len = len;
	}
	return 0;
}
