/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/stale_save.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "core/beneath.h"
#include "core/cleanup.h"
#include "core/event.h"
#include "fs/log.h"

enum stale_save_kind stale_save_kind(int flags)
{
	if (flags & O_TRUNC)
		return STALE_SAVE_REPLACES;
	if ((flags & O_ACCMODE) == O_RDWR)
		return STALE_SAVE_REREADS;
	return flags & O_APPEND ? STALE_SAVE_APPENDS : STALE_SAVE_REPLACES;
}

struct seen_version stale_save_version_of(struct camfs *fs, int dirfd,
					  const char *name)
{
	uint64_t moment = fs->seen ? seen_moment(fs->seen) : 0;
	struct stat st;
	int flags = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH;

	return seen_version(
		fs->seen && name && fstatat(dirfd, name, &st, flags) == 0
			? &st
			: NULL,
		moment);
}

struct seen_version stale_save_version(struct camfs *fs, int fd)
{
	return stale_save_version_of(fs, fd, "");
}

void stale_save_read(fuse_req_t req, struct inode *inode, int fd)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	struct camfs *fs = camfs_of(req);
	struct seen_version now;
	struct family family;
	uint64_t name;

	if (!fs->seen || inodes_name_hash(&fs->inodes, inode, &name) < 0)
		return;
	now = stale_save_version(fs, fd);
	families_find(fs->families, ctx->pid, ctx->uid, &family);
	seen_read(fs->seen, &family, name, &now);
}

/* ---- what a person is told ---- */

static bool timespec_before(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec < b->tv_sec ||
	       (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

/* The time of day is enough on the same day. */
static void say_time(char *text, size_t size, time_t when)
{
	time_t now = time(NULL);
	struct tm tm, today;

	localtime_r(&when, &tm);
	localtime_r(&now, &today);
	strftime(text, size,
		 tm.tm_year == today.tm_year && tm.tm_yday == today.tm_yday
			 ? "at %H:%M"
			 : "on %Y-%m-%d at %H:%M",
		 &tm);
}

static bool is_change(const struct event *e, const char *path)
{
	return e->path && !strcmp(e->path, path) && e->who.user &&
	       (!strcmp(e->event, HISTORY_SAVED) ||
		!strcmp(e->event, HISTORY_DELETED) ||
		!strcmp(e->event, HISTORY_RENAMED) ||
		!strcmp(e->event, HISTORY_REVERTED));
}

/* The last change of the path that was written down: it is the one if it came
 * after the program read, and after whatever gave the file its time. The clocks
 * of two hosts are compared, but for a sentence only. */
static void take_change(struct stale_save *why, const struct event *e,
			const struct seen_version *now)
{
	struct seen_change *c = &why->change;
	struct timespec when;

	if (timestamp_parse(e->time, &when) < 0 || when.tv_sec < c->read ||
	    (now && timespec_before(&when, &now->mtime)))
		return;
	c->is_known = true;
	c->when = when.tv_sec;
	snprintf(c->user, sizeof(c->user), "%s", e->who.user);
	snprintf(c->app, sizeof(c->app), "%s", e->who.app ? e->who.app : "");
	snprintf(why->host, sizeof(why->host), "%s",
		 e->who.host ? e->who.host : "");
}

/* Another mount has seen it, and may have written it down already. */
static void ask_history(const struct caller *who, const char *path,
			const struct seen_version *now, struct stale_save *why)
{
	_cleanup_buffer_ struct buffer text = {};
	bool found = false;
	const char *line;
	size_t len;

	if (history_read_end(who->fs->share.state_fd, &text) < 0)
		return;
	while (!found && history_take_line(&text, &line, &len)) {
		_cleanup_event_ struct event e = {};

		found = event_parse(&e, line, len) == 0 && is_change(&e, path);
		if (found)
			take_change(why, &e, now);
	}
}

static void explain(const struct caller *who, const char *path,
		    const struct seen_version *now, struct stale_save *why)
{
	static char unknown[] = RECORD_USER_UNKNOWN, kind[] = "changed";
	struct seen_change *c = &why->change;
	struct timespec when = { .tv_sec = c->when };
	char read[64], changed[64];

	why->changer = (struct record){ .user = unknown,
					.kind = kind,
					.message = why->text };
	why->host[0] = '\0';
	if (!c->is_known)
		ask_history(who, path, now, why);
	say_time(read, sizeof(read), c->read);
	if (!c->is_known) {
		snprintf(why->text, sizeof(why->text),
			 "changed outside this mount since this program read "
			 "it %s",
			 read);
		return;
	}
	say_time(changed, sizeof(changed), c->when);
	snprintf(why->text, sizeof(why->text),
		 "changed by %s%s%s (%s) %s since this program read it %s",
		 c->user, *why->host ? " on " : "", why->host,
		 *c->app ? c->app : "unknown", changed, read);
	timestamp_format(&when, why->when);
	why->changer.user = c->user;
	why->changer.app = c->app;
	why->changer.host = *why->host ? why->host : who->fs->host;
	why->changer.timestamp = why->when;
}

static void warn(const struct caller *who, const char *path,
		 const struct stale_save *why)
{
	log_warning("stale save of '%s' by %s (%s, pid %s): %s", path,
		    who->user, who->process.name, who->pid, why->text);
	history_append(&who->fs->history, HISTORY_STALE, path, &who->record,
		       &why->changer);
}

/* ---- writes ---- */

static int verdict(const struct caller *who, const char *path,
		   const struct seen_version *now, struct stale_save *why)
{
	explain(who, path, now, why);
	if (who->fs->options->stale_save == STALE_SAVES_REFUSED)
		return STALE_SAVE;
	warn(who, path, why);
	return 0;
}

static int judge(const struct caller *who, const struct stale_save_file *file,
		 struct stale_save *ret_why)
{
	struct camfs *fs = who->fs;
	int r;

	if (seen_judge(fs->seen, &who->family, file->name, &file->now,
		       &ret_why->change) == 0)
		return 0;
	r = verdict(who, file->path, &file->now, ret_why);
	if (r == 0)
		seen_accept(fs->seen, &who->family, file->name, &file->now);
	return r;
}

/* It counts as read. Returns whether Samba's program had not read it before,
 * with the change. */
static bool read_again(const struct caller *who,
		       const struct stale_save_file *file,
		       struct seen_change *ret_change)
{
	struct seen *seen = who->fs->seen;
	bool stale = who->seat.id[0] &&
		     seen_judge(seen, &who->family, file->name, &file->now,
				ret_change) == SEEN_STALE;

	seen_read(seen, &who->family, file->name, &file->now);
	return stale;
}

int stale_save_begin(const struct caller *who,
		     const struct stale_save_file *file,
		     enum stale_save_kind kind, struct seen_write **ret_write,
		     struct stale_save *ret_why)
{
	struct seen *seen = who->fs->seen;
	bool stale = false;
	int r = 0;

	if (!seen)
		return 0;
	if (kind == STALE_SAVE_REREADS)
		stale = read_again(who, file, &ret_why->change);
	else if (kind == STALE_SAVE_REPLACES)
		r = judge(who, file, ret_why);
	if (r == 0)
		*ret_write = seen_begin(seen, &who->family, file->name,
					&file->now, who->user,
					who->process.name);
	if (stale)
		seen_set_stale(*ret_write, &ret_why->change);
	return r;
}

int stale_save_empty(const struct caller *who, const struct seen_write *write,
		     const char *path, struct stale_save *ret_why)
{
	if (!seen_stale(write))
		return 0;
	ret_why->change = *seen_stale(write);
	return verdict(who, path, NULL, ret_why);
}

struct seen_write *stale_save_begin_scratch(const struct caller *who,
					    uint64_t name)
{
	struct seen_version none = {};

	return who->fs->seen ? seen_begin(who->fs->seen, &who->family, name,
					  &none, who->user, who->process.name)
			     : NULL;
}

void stale_save_made(const struct caller *who, uint64_t name,
		     const struct seen_version *now)
{
	struct seen_write *write = stale_save_begin_scratch(who, name);

	seen_end(who->fs->seen, write, now, false);
}

void stale_save_touched(struct camfs *fs, struct inode *inode, int fd,
			const struct seen_version *before)
{
	struct seen_version now = stale_save_version(fs, fd);
	uint64_t name;

	if (!fs->seen || now.size != before->size)
		return;
	if (inodes_name_hash(&fs->inodes, inode, &name) == 0)
		seen_touched(fs->seen, name, before, &now);
}

struct seen_version stale_save_version_at(struct camfs *fs, const char *path)
{
	const char *name = NULL;
	_cleanup_close_ int dir =
		beneath_open_parent(fs->share.root_fd, path, &name);

	return stale_save_version_of(fs, dir, dir < 0 ? NULL : name);
}

/* If it was written while it was copied, it is not what anybody has read. */
void stale_save_copied(struct camfs *fs, const char *path,
		       const struct seen_version *before)
{
	const char *name = NULL;
	_cleanup_close_ int dir =
		beneath_open_parent(fs->share.root_fd, path, &name);
	struct seen_version now;
	struct stat st;

	if (!fs->seen || dir < 0 || fstat(dir, &st) < 0)
		return;
	now = stale_save_version_of(fs, dir, name);
	if (now.size == before->size &&
	    now.mtime.tv_sec == before->mtime.tv_sec &&
	    now.mtime.tv_nsec == before->mtime.tv_nsec)
		seen_touched(fs->seen,
			     inode_name_hash_of(st.st_dev, st.st_ino, name),
			     before, &now);
}
