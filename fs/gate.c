/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/gate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/lockholder.h"
#include "core/recovered.h"
#include "core/timestamp.h"
#include "fs/file.h"
#include "fs/log.h"
#include "fs/mapped.h"

#define MAX_NAMES 2

static const char *or_unknown(const char *s)
{
	return s && *s ? s : "unknown";
}

/* The only place where a conflict becomes an error number. */
static int refuse(const struct caller *who, const char *path,
		  const struct record *holder, const char *why)
{
	log_warning("refused '%s' to %s (%s, pid %s): %s", path, who->user,
		    or_unknown(who->process.name), who->pid, why);
	history_append(&who->fs->history, HISTORY_REFUSED, path, &who->record,
		       holder);
	return caller_busy(who);
}

static int refuse_held(const struct caller *who, const char *path,
		       const struct registry_conflict *conflict)
{
	_cleanup_buffer_ struct buffer why = {};
	const struct record *holder = &conflict->holder;
	bool same = !strcmp(path, conflict->path);

	if (buffer_printf(&why,
			  "%s%s%schecked out by %s on %s since %s, \"%s\"",
			  same ? "" : "'", same ? "" : conflict->path,
			  same ? "" : "' is ", holder->user,
			  or_unknown(record_machine(holder)),
			  or_unknown(holder->timestamp),
			  holder->message ? holder->message : "") < 0)
		return refuse(who, path, holder, "checked out");
	return refuse(who, path, holder, why.data);
}

/* A document that is checked out by now is to be written. */
static int begin_write(const struct caller *who,
		       const struct stale_save_file *file, int flags,
		       struct seen_write **ret_write)
{
	struct stale_save why;
	int r = stale_save_begin(who, file, stale_save_kind(flags), ret_write,
				 &why);

	return r == STALE_SAVE ? refuse(who, file->path, &why.changer, why.text)
			       : r;
}

static void say_who_holds_lock(struct camfs *fs, const char *path)
{
	_cleanup_free_ char *name = NULL;
	char holder[128];

	if (asprintf(&name, "%s.lock", fs->share.locks_name) < 0) {
		name = NULL;
		return;
	}
	lockholder_describe(fs->share.locks_dir, name, holder, sizeof(holder));
	log_error("cannot check out '%s': another program has held the file "
		  "lock '%s' for more than %u ms (%s); it must let go first",
		  path, name, fs->options->lock_timeout, holder);
}

static int failed(struct camfs *fs, const char *path, int error)
{
	if (error == -ETIMEDOUT)
		say_who_holds_lock(fs, path);
	else if (error != -EINTR)
		log_error("cannot check out '%s': recording it in '%s': %s",
			  path, fs->share.locks_name, strerror(-error));
	return error;
}

static int verdict(const struct caller *who, const char *path, int r,
		   const struct registry_conflict *conflict)
{
	if (r == CHECKOUTS_REFUSED)
		return refuse_held(who, path, conflict);
	return r < 0 ? failed(who->fs, path, r) : 0;
}

/* ---- what is a document ---- */

struct sibling {
	struct camfs *fs;
	const char *path;
};

static bool has_sibling(void *arg, const char *name)
{
	const struct sibling *s = arg;
	const char *slash = strrchr(s->path, '/');
	_cleanup_free_ char *path = NULL;

	if (asprintf(&path, "%.*s%s", slash ? (int)(slash - s->path + 1) : 0,
		     s->path, name) < 0) {
		path = NULL;
		return false;
	}
	return inodes_path_exists(&s->fs->inodes, path);
}

static bool is_document(struct camfs *fs, const char *path, const char *program)
{
	struct sibling s = { fs, path };

	return documents_include(&fs->options->documents, path, program,
				 has_sibling, &s);
}

/* ---- hard links: the inode is what is held, all its names are ---- */

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

	return verdict(who, path, r, &conflict);
}

static int check_aliases_here(const struct caller *who, const struct stat *st,
			      const char *path)
{
	_cleanup_buffer_ struct buffer paths = {};
	int r = checkouts_list_others(who->fs->checkouts, &who->record, &paths);

	if (r < 0)
		return failed(who->fs, path, r);
	for (size_t at = 0; r == 0 && at < paths.len;
	     at += strlen(paths.data + at) + 1)
		if (is_alias(who->fs, paths.data + at, st, path))
			r = check_alias(who, path, paths.data + at);
	return r;
}

/* What is kept, or open through other mounts. */
static int check_aliases_elsewhere(const struct caller *who,
				   const struct stat *st, const char *path)
{
	struct camfs *fs = who->fs;
	_cleanup_snapshot_ struct snapshot *s = NULL;
	struct owner owner =
		record_owner(&who->record, registry_lease(fs->registry));
	int r = registry_snapshot_others(fs->registry, &s);

	if (r < 0)
		return failed(fs, path, r);
	for (size_t i = 0; r == 0 && i < snapshot_count(s); i++)
		if (is_anothers(s, i, &owner) &&
		    is_alias(fs, snapshot_path(s, i), st, path))
			r = check_alias(who, path, snapshot_path(s, i));
	return r;
}

/* Not by looking at all records: whoever deletes a thousand links has a
 * thousand names reserved, and pays for it each time. */
static int check_aliases(const struct caller *who, const struct stat *st,
			 const char *path)
{
	int r;

	if (!S_ISREG(st->st_mode) || st->st_nlink < 2)
		return 0;
	r = check_aliases_here(who, st, path);
	return r == 0 ? check_aliases_elsewhere(who, st, path) : r;
}

/* ---- handles ---- */

static int take_one(const struct caller *who, const char *path,
		    struct checkout **ret_checkout)
{
	_cleanup_conflict_ struct registry_conflict conflict = {};
	struct checkout_claim claim = { .path = path };
	struct wait w = caller_wait(who);
	int r = checkouts_take(who->fs->checkouts, &claim, 1, &who->record, &w,
			       &conflict);

	r = verdict(who, path, r, &conflict);
	if (r == 0)
		*ret_checkout = claim.checkout;
	return r;
}

static int grant_scratch(struct camfs *fs, const char *path,
			 struct grant *grant)
{
	const char *slash = strrchr(path, '/');

	/* no document is in the folder "/": it keeps none checked out */
	grant->folder = documents_stay_aside(path) ? strdup("/")
			: slash ? strndup(path, (size_t)(slash - path))
				: strdup("");
	if (!grant->folder)
		return -ENOMEM;
	checkouts_scratch(fs->checkouts, grant->pid, grant->folder, 1);
	return 0;
}

static int grant_path(const struct caller *who, const char *path,
		      const struct stat *st, struct grant *ret_grant)
{
	struct grant grant = { .uid = who->uid, .pid = who->process.pid };
	bool document = is_document(who->fs, path, who->process.name);
	int r = st ? check_aliases(who, st, path) : 0;

	if (r < 0)
		return r;
	r = document ? take_one(who, path, &grant.checkout)
		     : grant_scratch(who->fs, path, &grant);
	if (r == 0 && st)
		r = check_aliases(who, st, path);
	if (r == 0 && st && document)
		r = gate_check_writers(who, st, path);
	if (r == 0)
		*ret_grant = grant;
	else
		gate_close(who->fs, &grant, false, false);
	return r;
}

static int begin_handle(const struct caller *who,
			const struct stale_save_file *file, int flags,
			struct grant *grant)
{
	int r = 0;

	if (grant->checkout)
		r = begin_write(who, file, flags, &grant->write);
	else
		grant->write = stale_save_begin_scratch(who, file->name);
	if (r < 0)
		gate_close(who->fs, grant, false, false);
	return r;
}

/* What was taken is a path; meanwhile a folder above it may have moved. */
static bool is_still_in(struct camfs *fs, const char *path, struct inode *dir,
			const char *name)
{
	int error;
	_cleanup_free_ char *now =
		inodes_path_of(&fs->inodes, dir, name, &error);

	return now && !strcmp(now, path);
}

bool gate_still_leads(struct camfs *fs, const char *path, struct inode *inode)
{
	int error;
	_cleanup_free_ char *now = inodes_path(&fs->inodes, inode, &error);
	struct stat st;

	if (now && !strcmp(now, path))
		return true;
	/* it goes by another name just now, but may have this one, too */
	return inodes_stat_path(&fs->inodes, path, &st) == 0 &&
	       st.st_dev == inode->dev && st.st_ino == inode->ino;
}

int gate_create(const struct caller *who, struct inode *dir, const char *name,
		struct grant *ret_grant)
{
	int error;
	_cleanup_free_ char *path =
		inodes_path_of(&who->fs->inodes, dir, name, &error);
	int r = path ? grant_path(who, path, NULL, ret_grant) : error;

	if (r < 0)
		return r;
	if (is_still_in(who->fs, path, dir, name)) {
		struct stale_save_file file = {
			inode_name_hash(dir, name), path,
			stale_save_version_of(who->fs, -1, NULL)
		};

		return begin_handle(who, &file, O_WRONLY, ret_grant);
	}
	gate_close(who->fs, ret_grant, false, false);
	return -ESTALE;
}

/* Its path, if that still leads to it. Returns 1 with the path; 0 if the file
 * is deleted; or -errno. */
static int path_of_inode(struct camfs *fs, struct inode *inode, char **ret_path,
			 struct stat *ret_st)
{
	int error, r = inodes_stat_name(&fs->inodes, inode, ret_st);

	if (r < 0) {
		_cleanup_close_ int fd = inodes_open(&fs->inodes, inode);

		return fd >= 0 && fstat(fd, ret_st) == 0 && !ret_st->st_nlink
			       ? 0
			       : -ESTALE;
	}
	*ret_path = inodes_path(&fs->inodes, inode, &error);
	return *ret_path ? 1 : error;
}

/* What it is now that nobody else may write it. */
static int file_of_inode(struct camfs *fs, struct inode *inode,
			 const char *path, struct stale_save_file *ret_file)
{
	uint64_t name, moment = fs->seen ? seen_moment(fs->seen) : 0;
	struct stat st = {};
	int r = fs->seen ? inodes_stat_name(&fs->inodes, inode, &st) : 0;

	if (r == 0)
		r = inodes_name_hash(&fs->inodes, inode, &name);
	if (r == 0)
		*ret_file =
			(struct stale_save_file){ name, path,
						  seen_version(&st, moment) };
	return r;
}

int gate_open(const struct caller *who, struct inode *inode, int flags,
	      struct grant *ret_grant)
{
	_cleanup_free_ char *path = NULL;
	struct stale_save_file file;
	struct stat st;
	int r = path_of_inode(who->fs, inode, &path, &st);

	if (r == 0 &&
	    inodes_tell_gone(&who->fs->inodes, inode, who->process.pid))
		return -ESTALE;
	if (r > 0)
		r = grant_path(who, path, &st, ret_grant);
	if (r < 0 || !path)
		return r;
	if (gate_still_leads(who->fs, path, inode) &&
	    file_of_inode(who->fs, inode, path, &file) == 0)
		return begin_handle(who, &file, flags, ret_grant);
	gate_close(who->fs, ret_grant, false, false);
	return -ESTALE;
}

int gate_empty(const struct caller *who, struct inode *inode,
	       const struct grant *grant)
{
	struct stale_save why;
	int error;
	_cleanup_free_ char *path =
		inodes_path(&who->fs->inodes, inode, &error);
	const char *name = path ? path : "";
	int r = stale_save_empty(who, grant->write, name, &why);

	return r == STALE_SAVE ? refuse(who, name, &why.changer, why.text) : r;
}

static void give_back(struct camfs *fs, struct checkout *co, bool flushed,
		      bool written, pid_t pid)
{
	_cleanup_free_ char *path = checkouts_path(fs->checkouts, co);
	_cleanup_record_ struct record was = {};

	if (checkouts_give_back(fs->checkouts, co, flushed, written, pid,
				&was) &&
	    path)
		history_append(&fs->history, HISTORY_SAVED, path, &was, NULL);
}

void gate_close(struct camfs *fs, struct grant *grant, bool flushed,
		bool written)
{
	seen_end(fs->seen, grant->write,
		 written && grant->after.exists ? &grant->after : NULL,
		 grant->mapped);
	if (grant->checkout)
		give_back(fs, grant->checkout, flushed, written, grant->pid);
	if (grant->folder)
		checkouts_scratch(fs->checkouts, grant->pid, grant->folder, -1);
	free(grant->folder);
	*grant = (struct grant){};
}

/* ---- names ---- */

int gate_name(struct camfs *fs, struct inode *dir, int dirfd, const char *name,
	      struct gate_name *ret_name)
{
	struct gate_name n = { .dir = dir, .dirfd = dirfd, .name = name };
	int error;

	if (share_stat(&fs->share, dirfd, name, &n.st) < 0)
		n.st = (struct stat){};
	n.path = inodes_path_of(&fs->inodes, dir, name, &error);
	if (!n.path)
		return error;
	n.inodes = &fs->inodes;
	n.inode = inodes_named(n.inodes, dir, name, &n.st);
	*ret_name = n;
	return 0;
}

void gate_name_release(struct gate_name *n)
{
	free(n->path);
	if (n->inode)
		inodes_forget(n->inodes, n->inode->id, 1);
	*n = (struct gate_name){};
}

static bool is_folder(const struct gate_name *n)
{
	return n->st.st_nlink && S_ISDIR(n->st.st_mode);
}

static int check_all_aliases(const struct caller *who, struct gate_name *names,
			     size_t n)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		if (names[i].document)
			r = check_aliases(who, &names[i].st, names[i].path);
	return r;
}

static int check_all_writers(const struct caller *who, struct gate_name *names,
			     size_t n)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		if (names[i].document && S_ISREG(names[i].st.st_mode))
			r = gate_check_writers(who, &names[i].st,
					       names[i].path);
	return r;
}

/* Claims what is to be taken of the names. Returns how much that is. */
static size_t claim_names(const struct caller *who, struct gate_name *names,
			  size_t n, struct checkout_claim *ret_claims)
{
	size_t n_claims = 0;

	for (size_t i = 0; i < n; i++) {
		bool folder = is_folder(&names[i]);

		names[i].document =
			folder ||
			is_document(who->fs, names[i].path, who->process.name);
		if (names[i].document)
			ret_claims[n_claims++] =
				(struct checkout_claim){ .path = names[i].path,
							 .tree = folder };
	}
	return n_claims;
}

static struct stale_save_file file_of_name(struct camfs *fs,
					   const struct gate_name *n)
{
	return (struct stale_save_file){
		inode_name_hash(n->dir, n->name), n->path,
		stale_save_version_of(fs, n->dirfd, n->name)
	};
}

static int begin_writes(const struct caller *who, struct gate_name *names,
			size_t n)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		struct stale_save_file file = file_of_name(who->fs, &names[i]);

		if (names[i].document && !is_folder(&names[i]))
			r = begin_write(who, &file, O_WRONLY, &names[i].write);
	}
	return r;
}

int gate_enter(const struct caller *who, struct gate_name *names, size_t n)
{
	_cleanup_conflict_ struct registry_conflict conflict = {};
	struct checkout_claim claims[MAX_NAMES];
	size_t n_claims = claim_names(who, names, n, claims);
	struct wait w = caller_wait(who);
	int r;

	/* two folders that had the same name, one after the other */
	if (n == 2 && !strcmp(names[0].path, names[1].path))
		return -ESTALE;
	r = check_all_aliases(who, names, n);
	if (r < 0 || n_claims == 0)
		return r;
	r = checkouts_take(who->fs->checkouts, claims, n_claims, &who->record,
			   &w, &conflict);
	r = verdict(who, r == CHECKOUTS_REFUSED ? conflict.path : names[0].path,
		    r, &conflict);
	if (r < 0)
		return r;
	for (size_t i = n; i-- > 0;)
		if (names[i].document)
			names[i].checkout = claims[--n_claims].checkout;
	for (size_t i = 0; i < n; i++)
		if (!is_still_in(who->fs, names[i].path, names[i].dir,
				 names[i].name))
			return -ESTALE;
	r = check_all_aliases(who, names, n);
	if (r == 0)
		r = check_all_writers(who, names, n);
	return r == 0 ? begin_writes(who, names, n) : r;
}

void gate_leave(const struct caller *who, struct gate_name *n, int result,
		bool exists, bool written)
{
	struct checkouts *checkouts = who->fs->checkouts;
	struct seen_version now;

	if (!n->checkout)
		return;
	now = stale_save_version_of(who->fs, n->dirfd, n->name);
	seen_end(who->fs->seen, n->write, result == 0 ? &now : NULL, false);
	n->write = NULL;
	if (result == 0 && exists)
		checkouts_name_exists(checkouts, n->checkout);
	else if (result == 0)
		checkouts_name_gone(checkouts, n->checkout);
	give_back(who->fs, n->checkout, false, result == 0 && written,
		  who->process.pid);
	n->checkout = NULL;
}

static int check_path(const struct caller *who, const char *path,
		      const struct stat *st, bool after_close)
{
	_cleanup_conflict_ struct registry_conflict conflict = {};
	bool folder = st->st_nlink && S_ISDIR(st->st_mode);
	struct wait w = caller_wait(who);
	int r;

	if (!folder && !is_document(who->fs, path, who->process.name))
		return check_aliases(who, st, path);
	r = checkouts_check(who->fs->checkouts, path, folder, after_close,
			    &who->record, &w, &conflict);
	r = verdict(who, path, r, &conflict);
	return r == 0 ? check_aliases(who, st, path) : r;
}

int gate_check_name(const struct caller *who, struct gate_name *n)
{
	return check_path(who, n->path, &n->st, false);
}

void gate_made(const struct caller *who, const struct gate_name *n)
{
	struct stale_save_file file = file_of_name(who->fs, n);

	stale_save_made(who, file.name, &file.now);
	checkouts_name_made(who->fs->checkouts, n->path);
}

int gate_check(const struct caller *who, struct inode *inode)
{
	_cleanup_free_ char *path = NULL;
	struct stat st;
	int r;

	if (!S_ISREG(inode->type))
		return 0; /* only files are checked out */
	r = path_of_inode(who->fs, inode, &path, &st);
	return r <= 0 ? r : check_path(who, path, &st, true);
}

void gate_folder_moved(const struct caller *who, const char *from,
		       const char *to, bool exchange)
{
	checkouts_move(who->fs->checkouts, from, to, exchange, &who->record);
}

void gate_folder_gone(const struct caller *who, const char *path)
{
	checkouts_folder_gone(who->fs->checkouts, path, &who->record);
}

int gate_check_writers(const struct caller *who, const struct stat *st,
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
	return refuse_held(who, path, &conflict);
}

int gate_refuse(const struct caller *who, const char *path,
		const struct registry_conflict *conflict)
{
	return refuse_held(who, path, conflict);
}

int gate_failed(const struct caller *who, const char *path, int error)
{
	return failed(who->fs, path, error);
}

bool gate_is_document(const struct caller *who, const char *path)
{
	return is_document(who->fs, path, who->process.name);
}

int gate_check_links(const struct caller *who, const struct stat *st,
		     const char *path)
{
	int r = check_aliases(who, st, path);

	return r == 0 && st->st_nlink > 1 ? gate_check_writers(who, st, path)
					  : r;
}

void gate_note(const struct caller *who, const char *event, const char *path)
{
	history_append(&who->fs->history, event, path, &who->record, NULL);
}

/* ---- what the registry has to tell ---- */

/* Nobody of ours has the file open that is at the path; but somebody has it
 * open, by its name. While an operation on the name is under way, that is so
 * for a moment; but only then do we find its record gone, too, if somebody who
 * ignores the file lock has just wiped it. */
bool gate_was_replaced(void *camfs, const char *path)
{
	struct camfs *fs = camfs;
	struct stat st;

	return fs->checkouts && fs->mapped &&
	       checkouts_in_use(fs->checkouts, path) &&
	       inodes_stat_path(&fs->inodes, path, &st) == 0 &&
	       S_ISREG(st.st_mode) && !file_has_writer(fs, &st) &&
	       !mapped_has(fs->mapped, &st);
}

/* If it is still so: he may have taken it again since. */
static void lose(struct camfs *fs, const char *path, const struct record *was)
{
	if (!gate_was_replaced(fs, path))
		return;
	checkouts_lost(fs->checkouts, path);
	log_warning("lost '%s': it was taken from %s through another mount; "
		    "what is still written to it here is in '" STATE_NAME
		    "/" RECOVERED_DIR "'",
		    path, was ? was->user : "unknown");
	history_append(&fs->history, HISTORY_LOST, path, was, NULL);
}

static void on_record_event(struct camfs *fs, const struct registry_event *e)
{
	const struct record *r = e->record;
	const char *user = r ? r->user : "unknown";
	const char *since = r ? or_unknown(r->timestamp) : "unknown";

	switch (e->type) {
	case REGISTRY_REAPED:
		log_warning("reaped '%s': checked out by %s on %s since %s by "
			    "a mount that is gone",
			    e->path, user,
			    or_unknown(r ? record_machine(r) : NULL), since);
		history_append(&fs->history, HISTORY_REAPED, e->path, r, NULL);
		break;
	case REGISTRY_REPLACED:
		lose(fs, e->path, r);
		break;
	case REGISTRY_REASSERTED:
		log_warning("reasserted '%s': its record (%s, since %s) was "
			    "lost from '%s' while the file is open",
			    e->path, user, since, fs->share.locks_name);
		history_append(&fs->history, HISTORY_REASSERTED, e->path, r,
			       NULL);
		break;
	default:
		log_error("lost '%s': %s has recorded it in '%s', though it is "
			  "open for writing here; both may write",
			  e->path, user, fs->share.locks_name);
		history_append(&fs->history, HISTORY_LOST, e->path, NULL, r);
	}
}

void gate_on_event(void *camfs, const struct registry_event *e)
{
	struct camfs *fs = camfs;

	switch (e->type) {
	case REGISTRY_MENDED:
		log_error("'%s' was damaged; it is kept as '%s', and the last "
			  "good state is back in its place",
			  fs->share.locks_name, e->path);
		history_append(&fs->history, HISTORY_DAMAGED, e->path, NULL,
			       NULL);
		break;
	case REGISTRY_STUCK:
		log_error("cannot write checkins to '%s': %s; they wait, and "
			  "the paths stay checked out until it can be written",
			  fs->share.locks_name, strerror(-e->error));
		break;
	default:
		on_record_event(fs, e);
	}
}
