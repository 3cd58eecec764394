/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/revert.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/beneath.h"
#include "core/cleanup.h"
#include "core/copy.h"
#include "core/stamp.h"
#include "core/versions.h"
#include "fs/creds.h"
#include "fs/file.h"
#include "fs/links.h"
#include "fs/mapped.h"
#include "fs/undo.h"
#include "fs/verdict.h"
#include "fs/watch.h"

/* A document that is being reverted. */
struct target {
	const struct caller *who;
	const char *path;
	const char *version;
	int from;	  /* that */
	int parent;	  /* the folder the document is in, */
	const char *last; /* and its name there */
	struct stat st;	  /* of the document; st_nlink 0: it is gone */
	struct checkout *checkout;
	struct kept_answer *answer;
};

static bool refuse(struct target *t, enum kept_why why)
{
	return kept_refuse(t->who, t->answer, t->path, why);
}

static bool trouble(struct target *t, int error)
{
	return kept_trouble(t->who, t->answer, t->path, error);
}

/* ---- whether ---- */

/* Whether he may make something in the folder the document was in. */
static int may_make(struct target *t)
{
	const char *last;
	_cleanup_close_ int parent = -1;

	CREDS_SCOPE(t->who->req);
	parent = beneath_open_parent(t->who->fs->share.root_fd, t->path, &last);
	if (parent < 0)
		return parent;
	return faccessat(parent, "", W_OK | X_OK, AT_EACCESS | AT_EMPTY_PATH) <
			       0
		       ? -errno
		       : 0;
}

static bool may_write(struct target *t)
{
	enum kept_why why;
	int error;

	t->st = (struct stat){};
	why = kept_look(t->who, t->path, &t->st, &error);
	if (why == KEPT_DONE)
		return true;
	if (why == KEPT_TROUBLE)
		return trouble(t, error);
	if (why != KEPT_NO_FILE)
		return refuse(t, why);
	error = may_make(t);
	if (error == -EACCES)
		return refuse(t, KEPT_NO_PERMISSION);
	return error == 0 || trouble(t, error);
}

static bool open_version(struct target *t)
{
	_cleanup_free_ char *path = NULL;
	char time[TIMESTAMP_SIZE];
	const char *user;

	if (strchr(t->version, '/') || !stamp_parse(t->version, time, &user))
		return refuse(t, KEPT_NO_VERSION);
	if (asprintf(&path, "%s/%s", t->path, t->version) < 0) {
		path = NULL;
		return trouble(t, -ENOMEM);
	}
	t->from = undo_open_version(t->who->req, path, O_RDONLY | O_NONBLOCK);
	if (t->from == -EACCES)
		return refuse(t, KEPT_NO_PERMISSION);
	if (t->from == -ENOENT || t->from == -ENOTDIR)
		return refuse(t, KEPT_NO_VERSION);
	return t->from >= 0 || trouble(t, t->from);
}

static bool take(struct target *t)
{
	const struct caller *who = t->who;
	struct checkout_claim claim = { .path = t->path, .operation = true };
	struct wait w = caller_wait(who);
	int r = checkouts_take(who->fs->checkouts, &claim, 1, &who->record, &w,
			       &t->answer->conflict);

	if (r == CHECKOUTS_REFUSED)
		return kept_held(who, t->answer, KEPT_HELD);
	if (r < 0)
		return trouble(t, verdict_failed(who->fs, t->path, r));
	t->checkout = claim.checkout;
	return true;
}

/* Not while a program of his own could still write to what is replaced; nor is
 * one of several names parted from the others. */
static bool is_free(struct target *t)
{
	struct camfs *fs = t->who->fs;

	if (!t->st.st_nlink)
		return true;
	if (file_has_writer(fs, &t->st) || mapped_has(fs->mapped, &t->st))
		return refuse(t, KEPT_OPEN);
	return t->st.st_nlink == 1 || refuse(t, KEPT_SEVERAL);
}

/* ---- doing it ---- */

static int keep_present(struct target *t)
{
	struct gate_name n = { .dirfd = t->parent,
			       .name = t->last,
			       .st = t->st,
			       .path = (char *)t->path,
			       .checkout = t->checkout };
	int r = undo_before_name(t->who, &n, true);

	free(n.version);
	return r;
}

static int copy_rights(struct target *t, int to)
{
	_cleanup_close_ int present =
		t->st.st_nlink ? beneath_open(t->parent, t->last,
					      O_RDONLY | O_NONBLOCK, 0)
			       : -1;
	struct stat now;
	int r;

	if (t->st.st_nlink && (present < 0 || fstat(present, &now) < 0 ||
			       now.st_ino != t->st.st_ino))
		return -ESTALE;
	r = copy_attributes(present < 0 ? t->from : present, to);
	if (r == 0 && present < 0 && fstat(to, &now) == 0 &&
	    fchmod(to, now.st_mode & 0777) < 0)
		r = -errno;
	futimens(to, NULL);
	return r;
}

static int put_there(struct target *t, int dir, const char *temp)
{
	unsigned flags = t->st.st_nlink ? 0 : RENAME_NOREPLACE;
	_cleanup_close_ int to = openat(
		dir, temp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		0600);
	int r = to < 0 ? -errno : copy_content(t->from, to);

	if (r == 0)
		r = copy_rights(t, to);
	if (r == 0 && fsync(to) < 0)
		r = -errno;
	if (r == 0 && renameat2(dir, temp, t->parent, t->last, flags) < 0)
		r = -errno;
	if (r < 0 && to >= 0)
		unlinkat(dir, temp, 0);
	return r;
}

static int replace(struct target *t)
{
	_cleanup_close_ int dir = beneath_open(t->who->fs->share.state_fd,
					       VERSIONS_DIR,
					       O_RDONLY | O_DIRECTORY, 0);
	_cleanup_buffer_ struct buffer temp = {};
	int r = dir < 0 ? dir : stamp_append(&temp, t->who->pid);

	if (r == 0)
		r = keep_present(t);
	return r == 0 ? put_there(t, dir, temp.data) : r;
}

/* Nobody's save is stale by it who has not read the document. */
static int replace_seen(struct target *t)
{
	struct camfs *fs = t->who->fs;
	struct seen_version now = stale_save_version_at(fs, t->path);
	struct seen_write *write = NULL;
	struct stale_save why;
	struct stat st;
	int r;

	if (fstat(t->parent, &st) < 0)
		return -errno;
	struct stale_save_file file = {
		inode_name_hash_of(st.st_dev, st.st_ino, t->last), t->path, now
	};

	stale_save_begin(t->who, &file, STALE_SAVE_APPENDS, &write, &why);
	r = replace(t);
	now = stale_save_version_at(fs, t->path);
	seen_end(fs->seen, write, r == 0 ? &now : NULL, false);
	return r;
}

static void tell(struct target *t)
{
	struct camfs *fs = t->who->fs;
	struct record rec = t->who->record;

	rec.message = (char *)t->version;
	history_append(&fs->history, HISTORY_REVERTED, t->path, &rec, NULL);
	watcher_tell_replaced(fs->watcher, t->path);
}

static bool revert(struct target *t)
{
	struct camfs *fs = t->who->fs;
	_cleanup_close_ int parent =
		beneath_open_parent(fs->share.root_fd, t->path, &t->last);
	int r = parent;

	t->parent = parent;
	if (r >= 0 && t->st.st_nlink)
		r = links_check_all(t->who, &t->st, t->path);
	if (r >= 0)
		r = replace_seen(t);
	if (r < 0)
		return trouble(t, r);
	checkouts_name_exists(fs->checkouts, t->checkout);
	tell(t);
	return true;
}

/* When this returns, whoever looks sees it gone. */
static void give_back(struct target *t)
{
	_cleanup_conflict_ struct registry_conflict conflict = {};
	struct owner nobody = { .user = "" };
	struct wait w = caller_wait(t->who);
	struct camfs *fs = t->who->fs;

	checkouts_give_up(fs->checkouts, t->checkout);
	registry_check(fs->registry, t->path, false, &nobody, &w, &conflict);
}

void revert_run(const struct caller *who, const char *path, const char *version,
		struct kept_answer *ret_answer)
{
	struct target t = { .who = who,
			    .path = path,
			    .version = version,
			    .from = -1,
			    .answer = ret_answer };
	bool done;

	if (!kept_may_be_document(who, path) || !gate_is_document(who, path)) {
		refuse(&t, KEPT_NO_DOCUMENT);
		return;
	}
	done = may_write(&t) && open_version(&t) && take(&t);
	/* again, now that nobody else writes it */
	done = done && may_write(&t) && is_free(&t) && revert(&t);
	if (t.checkout)
		give_back(&t);
	cleanup_close(&t.from);
	if (!done)
		return;
	if (who->fs->versions)
		versions_prune(who->fs->versions, path);
	watcher_await_told(who->fs->watcher);
}
