/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/gate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "fs/file.h"
#include "fs/links.h"
#include "fs/machine.h"
#include "fs/lost.h"
#include "fs/spelling.h"
#include "fs/succession.h"
#include "fs/undo.h"
#include "fs/verdict.h"

#define MAX_NAMES 2

/* A document that is checked out by now is to be written. */
static int begin_write(const struct caller *who,
		       const struct stale_save_file *file, int flags,
		       struct seen_write **ret_write)
{
	struct stale_save why;
	int r = stale_save_begin(who, file, stale_save_kind(flags), ret_write,
				 &why);

	return r == STALE_SAVE
		       ? verdict_refuse(who, file->path, &why.changer, why.text)
		       : r;
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

static int check_path(const struct caller *who, const char *path,
		      const struct stat *st, bool after_close)
{
	_cleanup_conflict_ struct registry_conflict conflict = {};
	bool folder = st->st_nlink && S_ISDIR(st->st_mode);
	struct wait w = caller_wait(who);
	int r;

	if (!folder && !is_document(who->fs, path, who->process.name))
		return links_check(who, st, path);
	r = checkouts_check(who->fs->checkouts, path, folder, after_close,
			    &who->record, &w, &conflict);
	r = verdict_of(who, path, r, &conflict);
	return r == 0 ? links_check(who, st, path) : r;
}

/* To Windows, a name that another has in another case is the same one. */
static int check_spelling(const struct caller *who, const char *path)
{
	_cleanup_free_ char *other = spelling_of_record(who, path);
	struct stat none = {};

	return other ? check_path(who, other, &none, false) : 0;
}

/* ---- handles ---- */

static int take_one(const struct caller *who, const char *path,
		    struct checkout **ret_checkout)
{
	_cleanup_conflict_ struct registry_conflict conflict = {};
	struct checkout_claim claim = { .path = path };
	struct wait w = caller_wait(who);
	int r;

	do
		r = checkouts_take(who->fs->checkouts, &claim, 1, &who->record,
				   &w, &conflict);
	while (r == CHECKOUTS_REFUSED && succession_take(who, &conflict));
	r = verdict_of(who, path, r, &conflict);
	if (r == 0)
		*ret_checkout = claim.checkout;
	return r;
}

/* No document is in that folder: it keeps none checked out. */
#define NO_FOLDER "/"

static int grant_scratch(struct camfs *fs, const char *path,
			 struct grant *grant)
{
	const char *slash = strrchr(path, '/');

	grant->folder = documents_stay_aside(path) ? strdup(NO_FOLDER)
			: slash ? strndup(path, (size_t)(slash - path))
				: strdup("");
	if (!grant->folder)
		return -ENOMEM;
	checkouts_scratch(fs->checkouts, grant->pid, grant->folder, 1);
	return 0;
}

int gate_tmpfile(const struct caller *who, struct grant *ret_grant)
{
	struct grant grant = { .uid = who->uid,
			       .pid = who->process.pid,
			       .folder = strdup(NO_FOLDER) };

	if (!grant.folder)
		return -ENOMEM;
	checkouts_scratch(who->fs->checkouts, grant.pid, grant.folder, 1);
	*ret_grant = grant;
	return 0;
}

static int grant_path(const struct caller *who, const char *path,
		      const struct stat *st, struct grant *ret_grant)
{
	struct grant grant = { .uid = who->uid, .pid = who->process.pid };
	bool document = is_document(who->fs, path, who->process.name);
	int r = st ? links_check_early(who, st, path) : 0;

	if (r < 0)
		return r;
	r = document ? take_one(who, path, &grant.checkout)
		     : grant_scratch(who->fs, path, &grant);
	if (r == 0 && st)
		r = links_check(who, st, path);
	if (r == 0 && st && document)
		r = links_check_writers(who, st, path);
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
	int r = path ? verdict_sure(who, path) : error;

	if (r == 0)
		r = check_spelling(who, path);
	if (r == 0)
		r = grant_path(who, path, NULL, ret_grant);
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

/* The name it was known by leads elsewhere. Returns 1 if it has another by now;
 * 0 if it is deleted; or -ESTALE. */
static int find_name(struct camfs *fs, struct inode *inode, struct stat *ret_st)
{
	_cleanup_close_ int fd = inodes_open(&fs->inodes, inode);
	uint64_t name;
	int r;

	if (fd < 0 || fstat(fd, ret_st) < 0)
		return -ESTALE;
	if (!ret_st->st_nlink)
		return 0;
	if (inodes_name_hash(&fs->inodes, inode, &name) == 0)
		return -ESTALE; /* the kernel looks that up again */
	r = lost_find_name(&fs->inodes, inode);
	if (r == 0)
		r = inodes_stat_name(&fs->inodes, inode, ret_st);
	/* none on the share: what was kept or set aside is not to be written */
	return r == 0 ? 1 : -ESTALE;
}

/* Its path, if that still leads to it. Returns 1 with the path; 0 if the file
 * is deleted; or -errno. */
static int path_of_inode(struct camfs *fs, struct inode *inode, char **ret_path,
			 struct stat *ret_st)
{
	int error, r;

	if (inodes_has_moved(&fs->inodes, inode))
		return -ESTALE;
	r = inodes_stat_name(&fs->inodes, inode, ret_st);
	r = r < 0 ? find_name(fs, inode, ret_st) : 1;
	if (r <= 0)
		return r;
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

/* Asks the share nothing, which may hang. */
static int check_sure(const struct caller *who, struct inode *inode)
{
	_cleanup_free_ char *path = NULL;
	int error;

	if (registry_is_sure(who->fs->registry))
		return 0;
	path = inodes_path(&who->fs->inodes, inode, &error);
	return verdict_sure(who, path ? path : "a deleted file");
}

int gate_open(const struct caller *who, struct inode *inode, int flags,
	      struct grant *ret_grant)
{
	_cleanup_free_ char *path = NULL;
	struct stale_save_file file;
	struct stat st;
	int r = check_sure(who, inode);

	if (r < 0)
		return r;
	r = path_of_inode(who->fs, inode, &path, &st);
	if (r == 0 &&
	    inodes_tell_gone(&who->fs->inodes, inode, who->process.pid))
		return -ESTALE;
	if (r == 0)
		return gate_tmpfile(who, ret_grant); /* which it may be */
	if (r > 0)
		r = machine_check(who, inode, path);
	if (r == 0 && path)
		r = grant_path(who, path, &st, ret_grant);
	if (r < 0)
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

	return r == STALE_SAVE
		       ? verdict_refuse(who, name, &why.changer, why.text)
		       : r;
}

static void give_back(struct camfs *fs, struct checkout *co, bool flushed,
		      bool written, pid_t pid)
{
	_cleanup_free_ char *path = checkouts_path(fs->checkouts, co);
	_cleanup_record_ struct record was = {};
	char *version = NULL;
	bool saved = checkouts_give_back(fs->checkouts, co, flushed, written,
					 pid, &was, &version);

	if (saved && path)
		history_append(&fs->history, HISTORY_SAVED, path, &was, NULL);
	undo_end(fs, path, version, saved);
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
	n.history = &fs->history;
	n.inode = inodes_named(n.inodes, dir, name, &n.st);
	*ret_name = n;
	return 0;
}

void gate_name_release(struct gate_name *n)
{
	if (n->saved.user)
		history_append(n->history, HISTORY_SAVED, n->path, &n->saved,
			       NULL);
	record_release(&n->saved);
	free(n->path);
	free(n->version);
	if (n->inode)
		inodes_forget(n->inodes, n->inode->id, 1);
	*n = (struct gate_name){};
}

static bool is_folder(const struct gate_name *n)
{
	return n->st.st_nlink && S_ISDIR(n->st.st_mode);
}

static int check_all_spellings(const struct caller *who,
			       const struct gate_name *names, size_t n)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		if (!names[i].st.st_nlink)
			r = check_spelling(who, names[i].path);
	return r;
}

static int check_all_aliases(const struct caller *who, struct gate_name *names,
			     size_t n, bool early)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		const struct gate_name *it = &names[i];

		if (it->document)
			r = early ? links_check_early(who, &it->st, it->path)
				  : links_check(who, &it->st, it->path);
	}
	return r;
}

static int check_all_writers(const struct caller *who, struct gate_name *names,
			     size_t n)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		if (names[i].document && S_ISREG(names[i].st.st_mode))
			r = links_check_writers(who, &names[i].st,
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
							 .tree = folder,
							 .operation = true };
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

	r = verdict_sure(who, names[0].path);
	if (r < 0)
		return r;
	/* two folders that had the same name, one after the other */
	if (n == 2 && !strcmp(names[0].path, names[1].path))
		return -ESTALE;
	r = check_all_spellings(who, names, n);
	if (r == 0)
		r = check_all_aliases(who, names, n, true);
	if (r < 0 || n_claims == 0)
		return r;
	do
		r = checkouts_take(who->fs->checkouts, claims, n_claims,
				   &who->record, &w, &conflict);
	while (r == CHECKOUTS_REFUSED && succession_take(who, &conflict));
	r = verdict_of(who,
		       r == CHECKOUTS_REFUSED ? conflict.path : names[0].path,
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
	r = check_all_aliases(who, names, n, false);
	if (r == 0)
		r = check_all_writers(who, names, n);
	return r == 0 ? begin_writes(who, names, n) : r;
}

void gate_leave(const struct caller *who, struct gate_name *n, int result,
		bool exists, bool written)
{
	struct checkouts *checkouts = who->fs->checkouts;
	struct seen_version now;
	char *version = NULL;

	if (!n->checkout)
		return;
	now = stale_save_version_of(who->fs, n->dirfd, n->name);
	seen_end(who->fs->seen, n->write, result == 0 ? &now : NULL, false);
	n->write = NULL;
	if (result == 0 && exists)
		checkouts_name_exists(checkouts, n->checkout);
	else if (result == 0)
		checkouts_name_gone(checkouts, n->checkout);
	checkouts_operation_done(checkouts, n->checkout);
	checkouts_give_back(checkouts, n->checkout, false,
			    result == 0 && written, who->process.pid, &n->saved,
			    &version);
	n->checkout = NULL;
	undo_end(who->fs, n->path, version, false);
}

int gate_check_name(const struct caller *who, struct gate_name *n)
{
	int r = n->st.st_nlink ? 0 : check_spelling(who, n->path);

	return r == 0 ? check_path(who, n->path, &n->st, false) : r;
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

bool gate_is_document(const struct caller *who, const char *path)
{
	return is_document(who->fs, path, who->process.name);
}

void gate_note(const struct caller *who, const char *event, const char *path)
{
	history_append(&who->fs->history, event, path, &who->record, NULL);
}
