/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/kept.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/beneath.h"
#include "core/cleanup.h"
#include "core/recovered.h"
#include "fs/creds.h"
#include "fs/fence.h"
#include "fs/gate.h"
#include "fs/links.h"
#include "fs/succession.h"
#include "fs/verdict.h"
#include "fs/log.h"

void kept_answer_release(struct kept_answer *a)
{
	registry_conflict_release(&a->conflict);
	buffer_release(&a->recovered);
}

/* ---- answers ---- */

static int error_of(const struct caller *who, enum kept_why why)
{
	switch (why) {
	case KEPT_DONE:
		return 0;
	case KEPT_NOT_YOURS:
	case KEPT_NOT_ADMIN:
	case KEPT_NO_DOCUMENT:
		return -EPERM;
	case KEPT_NOT_OUT:
	case KEPT_NO_FILE:
		return -ENOENT;
	case KEPT_NO_PERMISSION:
		return -EACCES;
	default:
		return caller_busy(who);
	}
}

static bool refuse(const struct caller *who, struct kept_answer *a,
		   const char *path, enum kept_why why)
{
	a->why = why;
	a->error = error_of(who, why);
	if (!a->conflict.path)
		a->conflict.path = strdup(path);
	return false;
}

static bool trouble(const struct caller *who, struct kept_answer *a,
		    const char *path, int error)
{
	refuse(who, a, path, KEPT_TROUBLE);
	a->error = error;
	return false;
}

/* Another has a path: one line in the log, and in the history. */
static bool held(const struct caller *who, struct kept_answer *a,
		 enum kept_why why)
{
	int error = verdict_held(who, a->conflict.path, &a->conflict);

	refuse(who, a, a->conflict.path, why);
	if (why == KEPT_HELD)
		a->error = error;
	return false;
}

/* ---- what may be asked for ---- */

bool kept_is_admin(const struct caller *who)
{
	gid_t admins = who->fs->admins;
	const struct fuse_ctx *ctx = fuse_req_ctx(who->req);
	_cleanup_free_ gid_t *groups = NULL;
	int n;

	if (who->uid == 0 || who->uid == geteuid())
		return true;
	if (admins == (gid_t)-1)
		return false;
	if (ctx->gid == admins)
		return true;
	/* of the caller, not of who has its id by now */
	n = process_groups(ctx->pid, ctx->uid, &groups);
	for (int i = 0; i < n; i++)
		if (groups[i] == admins)
			return true;
	return false;
}

/* What the caller may write is looked at as the caller: nothing is to be
 * learned of folders he can't search. */
static enum kept_why look(const struct caller *who, const char *path,
			  struct stat *ret_st, int *ret_error)
{
	_cleanup_close_ int fd = -1;

	CREDS_SCOPE(who->req);
	fd = beneath_open(who->fs->share.root_fd, path, O_PATH, 0);
	if (fd == -EACCES)
		return KEPT_NO_PERMISSION;
	if (fd == -ELOOP || fd == -EXDEV)
		return KEPT_NO_DOCUMENT;
	if (fd == -ENOENT || fd == -ENOTDIR || fd == -ENAMETOOLONG)
		return KEPT_NO_FILE;
	if (fd < 0 || fstat(fd, ret_st) < 0) {
		*ret_error = fd < 0 ? fd : -errno;
		return KEPT_TROUBLE;
	}
	if (!S_ISREG(ret_st->st_mode))
		return KEPT_NO_DOCUMENT;
	if (faccessat(fd, "", W_OK, AT_EACCESS | AT_EMPTY_PATH) < 0)
		return KEPT_NO_PERMISSION;
	return KEPT_DONE;
}

/* A path has one spelling: what is checked out under another is not. */
static bool is_spelt_right(const char *path)
{
	for (const char *name = path;; name = strchr(name, '/') + 1) {
		size_t len = strcspn(name, "/");

		if (len == 0 || (len == 1 && name[0] == '.') ||
		    (len == 2 && !strncmp(name, "..", 2)))
			return false;
		if (!name[len])
			return true;
	}
}

/* Our own files are not to be found, by whatever way. */
static bool is_hidden(const struct share *share, const char *path)
{
	const char *name;
	_cleanup_close_ int parent =
		beneath_open_parent(share->root_fd, path, &name);
	size_t len = strlen(STATE_NAME);
	struct stat st;

	if (!strncmp(path, STATE_NAME, len) && (!path[len] || path[len] == '/'))
		return true;
	return parent >= 0 && fstat(parent, &st) == 0 &&
	       (share_is_hidden(share, st.st_dev, st.st_ino, name) ||
		share_is_state(share, st.st_dev, st.st_ino));
}

/* Whatever somebody wrote into locks.json. */
static bool may_be_document(const struct caller *who, const char *path)
{
	return is_spelt_right(path) && !is_hidden(&who->fs->share, path);
}

/* Whether it is a document he may write, that nobody else is writing by one of
 * its other names. */
static bool may_keep(const struct caller *who, const char *path,
		     struct kept_answer *a)
{
	enum kept_why why = KEPT_NO_FILE;
	struct stat st;
	int error;

	if (may_be_document(who, path))
		why = look(who, path, &st, &error);
	if (why == KEPT_TROUBLE)
		return trouble(who, a, path, error);
	if (why == KEPT_DONE && !gate_is_document(who, path))
		why = KEPT_NO_DOCUMENT;
	if (why != KEPT_DONE)
		return refuse(who, a, path, why);
	a->error = links_check_all(who, &st, path);
	if (a->error < 0)
		refuse(who, a, path, KEPT_HELD);
	return a->error == 0;
}

static bool may_keep_all(const struct caller *who, const char *const *paths,
			 size_t n, struct kept_answer *a)
{
	for (size_t i = 0; i < n; i++)
		if (!may_keep(who, paths[i], a))
			return false;
	return true;
}

/* ---- one's own ---- */

static void note_all(const struct caller *who, const char *event,
		     const char *const *paths, size_t n, const char *message)
{
	char *text = (char *)message;
	struct record rec = who->record;

	rec.message = text;
	for (size_t i = 0; i < n; i++)
		history_append(&who->fs->history, event, paths[i], &rec, NULL);
}

static bool keep(const struct caller *who, const char *const *paths, size_t n,
		 const char *message, struct kept_answer *a)
{
	struct wait w = caller_wait(who);
	struct record want = who->record;
	size_t n_new;
	int r;

	want.message = (char *)message;
	do
		r = checkouts_keep(who->fs->checkouts, paths, n, &want, &w,
				   &n_new, &a->conflict);
	while (r == CHECKOUTS_REFUSED && succession_take(who, &a->conflict));
	if (r == CHECKOUTS_REFUSED)
		return held(who, a, KEPT_HELD);
	if (r < 0)
		return trouble(who, a, paths[0],
			       verdict_failed(who->fs, paths[0], r));
	if (n_new || message)
		note_all(who, HISTORY_CHECKOUT, paths, n, message);
	return true;
}

void kept_checkout(const struct caller *who, const char *const *paths, size_t n,
		   const char *message, struct kept_answer *ret_answer)
{
	if (may_keep_all(who, paths, n, ret_answer))
		keep(who, paths, n, message, ret_answer);
}

static struct owner owner_of(const struct caller *who)
{
	return record_owner(&who->record, registry_lease(who->fs->registry));
}

/* Why a record in the way is not ended. */
static enum kept_why why_not(const struct record *holder,
			     const struct owner *owner)
{
	return record_owned_by(holder, owner) ? KEPT_OPEN : KEPT_NOT_YOURS;
}

void kept_checkin(const struct caller *who, const char *const *paths, size_t n,
		  struct kept_answer *ret_answer)
{
	struct wait w = caller_wait(who);
	struct owner owner = owner_of(who);
	struct registry_conflict *conflict = &ret_answer->conflict;
	int r = registry_unkeep(who->fs->registry, paths, n, &owner, &w,
				conflict);

	if (r == REGISTRY_HELD)
		refuse(who, ret_answer, conflict->path,
		       why_not(&conflict->holder, &owner));
	else if (r == -ENOENT)
		refuse(who, ret_answer, conflict->path, KEPT_NOT_OUT);
	else if (r < 0)
		trouble(who, ret_answer, paths[0],
			verdict_failed(who->fs, paths[0], r));
	else
		note_all(who, HISTORY_CHECKIN, paths, n, NULL);
}

/* ---- another's ---- */

static void tell(const struct caller *who, const char *event, const char *path,
		 const struct record *was, const char *reason)
{
	struct record by = who->record;

	by.message = (char *)reason;
	log_warning("%s '%s': %s (pid %s) took it from %s on %s, who had it "
		    "since %s: %s",
		    event, path, who->user, who->pid, was->user,
		    log_or_unknown(was->host), log_or_unknown(was->timestamp),
		    reason ? reason : "");
	history_append(&who->fs->history, event, path, &by, was);
}

/* Takes a path for the caller, for as long as the checkout is used. */
static bool take_over(const struct caller *who, const char *path,
		      const char *event, const char *reason, bool own,
		      struct checkout **ret_checkout, struct kept_answer *a)
{
	struct checkouts *checkouts = who->fs->checkouts;
	struct wait w = caller_wait(who);
	struct seizure s = {};
	int r = checkouts_seize(checkouts, path, &who->record,
				own ? who->user : NULL, NULL, &w, &s,
				&a->conflict);

	if (r == CHECKOUTS_REFUSED)
		return held(who, a, KEPT_NOT_YOURS);
	if (r < 0)
		return trouble(who, a, path, verdict_failed(who->fs, path, r));
	if (s.was.user && may_be_document(who, path) &&
	    fence_is_needed(who->fs, path, &s))
		r = fence_set_aside(who->fs, path, &s, &a->recovered);
	if (r < 0) {
		log_error("cannot set '%s' aside in '" STATE_NAME
			  "/" RECOVERED_DIR "': %s; %s keeps it",
			  path, strerror(-r), s.was.user);
		checkouts_unseize(checkouts, &s);
		return trouble(who, a, path, r);
	}
	if (s.was.user)
		tell(who, event, path, &s.was, reason);
	else
		refuse(who, a, path, KEPT_NOT_OUT); /* which may be all right */
	*ret_checkout = s.checkout;
	checkouts_seized(checkouts, &s);
	return true;
}

/* When this returns, whoever looks sees it gone. */
static void give_back(const struct caller *who, const char *path,
		      struct checkout *co)
{
	_cleanup_conflict_ struct registry_conflict conflict = {};
	_cleanup_record_ struct record was = {};
	struct owner nobody = { .user = "" };
	struct wait w = caller_wait(who);

	checkouts_give_back(who->fs->checkouts, co, false, false, 0, &was);
	registry_check(who->fs->registry, path, false, &nobody, &w, &conflict);
}

static bool break_one(const struct caller *who, const char *path,
		      const char *reason, struct kept_answer *a)
{
	struct checkout *co;

	if (!take_over(who, path, HISTORY_BROKEN, reason, false, &co, a))
		return false;
	give_back(who, path, co);
	return a->why == KEPT_DONE;
}

void kept_break(const struct caller *who, const char *const *paths, size_t n,
		const char *reason, struct kept_answer *ret_answer)
{
	if (!kept_is_admin(who)) {
		refuse(who, ret_answer, paths[0], KEPT_NOT_ADMIN);
		return;
	}
	for (size_t i = 0; i < n; i++)
		if (!break_one(who, paths[i], reason, ret_answer))
			return;
}

/* As any open would, if the path is free or his own; else by force. */
static bool steal_one(const struct caller *who, const char *message, bool own,
		      struct checkout_claim *claim, struct kept_answer *a)
{
	_cleanup_conflict_ struct registry_conflict conflict = {};
	struct wait w = caller_wait(who);
	int r;

	do
		r = checkouts_take(who->fs->checkouts, claim, 1, &who->record,
				   &w, &conflict);
	while (r == CHECKOUTS_REFUSED && succession_take(who, &conflict));
	if (r < 0)
		return trouble(who, a, claim->path,
			       verdict_failed(who->fs, claim->path, r));
	if (r == 0)
		return true;
	if (!take_over(who, claim->path, HISTORY_STOLEN, message, own,
		       &claim->checkout, a))
		return false;
	if (a->why == KEPT_NOT_OUT) { /* by now */
		registry_conflict_release(&a->conflict);
		a->why = KEPT_DONE;
		a->error = 0;
	}
	return true;
}

static void steal(const struct caller *who, const char *const *paths, size_t n,
		  const char *message, bool own, struct kept_answer *a)
{
	struct checkout_claim *taken = calloc(n, sizeof(*taken));
	size_t n_taken = 0;

	if (!taken) {
		trouble(who, a, paths[0], -ENOMEM);
		return;
	}
	for (; n_taken < n; n_taken++) {
		taken[n_taken].path = paths[n_taken];
		if (!steal_one(who, message, own, &taken[n_taken], a))
			break;
	}
	if (n_taken == n)
		keep(who, paths, n, message, a);
	for (size_t i = 0; i < n_taken; i++)
		give_back(who, paths[i], taken[i].checkout);
	free(taken);
}

void kept_steal(const struct caller *who, const char *const *paths, size_t n,
		const char *message, bool own, struct kept_answer *ret_answer)
{
	if (!own && !kept_is_admin(who))
		refuse(who, ret_answer, paths[0], KEPT_NOT_ADMIN);
	else if (may_keep_all(who, paths, n, ret_answer))
		steal(who, paths, n, message, own, ret_answer);
}
