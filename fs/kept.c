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
	case KEPT_NO_VERSION:
		return -ENOENT;
	case KEPT_NO_PERMISSION:
		return -EACCES;
	default:
		return caller_busy(who);
	}
}

bool kept_refuse(const struct caller *who, struct kept_answer *a,
		 const char *path, enum kept_why why)
{
	a->why = why;
	a->error = error_of(who, why);
	if (!a->conflict.path)
		a->conflict.path = strdup(path);
	return false;
}

bool kept_trouble(const struct caller *who, struct kept_answer *a,
		  const char *path, int error)
{
	registry_conflict_release(&a->conflict); /* of a path before it */
	kept_refuse(who, a, path, KEPT_TROUBLE);
	a->error = error;
	return false;
}

/* Another has a path: one line in the log, and in the history. */
bool kept_held(const struct caller *who, struct kept_answer *a,
	       enum kept_why why)
{
	int error = verdict_held(who, a->conflict.path, &a->conflict);

	kept_refuse(who, a, a->conflict.path, why);
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
enum kept_why kept_look(const struct caller *who, const char *path,
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
bool kept_may_be_document(const struct caller *who, const char *path)
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

	if (kept_may_be_document(who, path))
		why = kept_look(who, path, &st, &error);
	if (why == KEPT_TROUBLE)
		return kept_trouble(who, a, path, error);
	if (why == KEPT_DONE && !gate_is_document(who, path))
		why = KEPT_NO_DOCUMENT;
	if (why != KEPT_DONE)
		return kept_refuse(who, a, path, why);
	a->error = links_check_all(who, &st, path);
	if (a->error < 0)
		kept_refuse(who, a, path, KEPT_HELD);
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
		return kept_held(who, a, KEPT_HELD);
	if (r < 0)
		return kept_trouble(who, a, paths[0],
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
		kept_refuse(who, ret_answer, conflict->path,
			    why_not(&conflict->holder, &owner));
	else if (r == -ENOENT)
		kept_refuse(who, ret_answer, conflict->path, KEPT_NOT_OUT);
	else if (r < 0)
		kept_trouble(who, ret_answer, paths[0],
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

/* What he may still write to a path is out of the way. Returns 0 or -errno. */
static int set_aside(const struct caller *who, const struct seizure *s,
		     struct kept_answer *a)
{
	int r;

	if (!s->was.user || !kept_may_be_document(who, s->path) ||
	    !fence_is_needed(who->fs, s->path, s))
		return 0;
	r = fence_set_aside(who->fs, s->path, s, &a->recovered);
	if (r < 0)
		log_error("cannot set '%s' aside in '" STATE_NAME
			  "/" RECOVERED_DIR "': %s; %s keeps it",
			  s->path, strerror(-r), s->was.user);
	return r;
}

static int finish_seizure(const struct caller *who, struct seizure *s,
			  const char *event, const char *reason,
			  struct kept_answer *a)
{
	int r = set_aside(who, s, a);

	if (r < 0) {
		kept_trouble(who, a, s->path, r);
		return r;
	}
	if (s->was.user)
		tell(who, event, s->path, &s->was, reason);
	else
		kept_refuse(who, a, s->path, KEPT_NOT_OUT);
	checkouts_seized(who->fs->checkouts, s);
	return 0;
}

/* Takes the paths for the caller, for as long as the checkouts are used; but if
 * one can't be set aside, neither that nor those behind it. */
static bool take_over(const struct caller *who, struct seizure *s, size_t n,
		      const char *event, const char *reason, bool own,
		      struct kept_answer *a)
{
	struct checkouts *checkouts = who->fs->checkouts;
	struct wait w = caller_wait(who);
	int r = checkouts_seize(checkouts, s, n, &who->record,
				own ? who->user : NULL, NULL, &w, &a->conflict);

	if (r == CHECKOUTS_REFUSED)
		return kept_held(who, a, KEPT_NOT_YOURS);
	if (r < 0)
		return kept_trouble(who, a, s[0].path,
				    verdict_failed(who->fs, s[0].path, r));
	for (size_t i = 0; i < n; i++) {
		if (!s[i].checkout)
			continue;
		if (r == 0)
			r = finish_seizure(who, &s[i], event, reason, a);
		if (r < 0)
			checkouts_unseize(checkouts, &s[i]);
	}
	return r == 0;
}

/* When this returns, whoever looks sees them gone: checkins are written in
 * their order. */
static void give_back(const struct caller *who, const struct seizure *s,
		      size_t n, bool seized)
{
	_cleanup_conflict_ struct registry_conflict conflict = {};
	struct checkouts *checkouts = who->fs->checkouts;
	struct owner nobody = { .user = "" };
	struct wait w = caller_wait(who);
	const char *last = NULL;

	for (size_t i = 0; i < n; i++) {
		_cleanup_record_ struct record was = {};

		if (!s[i].checkout)
			continue;
		if (seized)
			checkouts_give_up(checkouts, s[i].checkout);
		else
			checkouts_give_back(checkouts, s[i].checkout, false,
					    false, 0, &was, NULL);
		last = s[i].path;
	}
	if (last)
		registry_check(who->fs->registry, last, false, &nobody, &w,
			       &conflict);
}

/* Whoever tried is told of, and so is from whom. */
static void refuse_admins_work(const struct caller *who, const char *path,
			       struct kept_answer *a)
{
	_cleanup_conflict_ struct registry_conflict conflict = {};
	struct owner nobody = { .user = "" };
	struct wait w = caller_wait(who);
	bool is_held = registry_check(who->fs->registry, path, false, &nobody,
				      &w, &conflict) == REGISTRY_HELD;

	verdict_refuse(who, path, is_held ? &conflict.holder : NULL,
		       "only root and the mount's --admin-group take a "
		       "checkout away");
	kept_refuse(who, a, path, KEPT_NOT_ADMIN);
}

void kept_break(const struct caller *who, const char *const *paths, size_t n,
		const char *reason, struct kept_answer *ret_answer)
{
	_cleanup_free_ struct seizure *s = NULL;

	if (!kept_is_admin(who)) {
		refuse_admins_work(who, paths[0], ret_answer);
		return;
	}
	s = calloc(n, sizeof(*s));
	if (!s) {
		kept_trouble(who, ret_answer, paths[0], -ENOMEM);
		return;
	}
	for (size_t i = 0; i < n; i++)
		s[i].path = paths[i];
	take_over(who, s, n, HISTORY_BROKEN, reason, false, ret_answer);
	give_back(who, s, n, true);
}

/* As any open would, if the path is free or his own; else it is one to be
 * seized. */
static bool take_or_note(const struct caller *who, struct seizure *free_one,
			 struct seizure *seize, size_t *n_seize,
			 struct kept_answer *a)
{
	_cleanup_conflict_ struct registry_conflict conflict = {};
	struct checkout_claim claim = { .path = free_one->path };
	struct wait w = caller_wait(who);
	int r;

	do
		r = checkouts_take(who->fs->checkouts, &claim, 1, &who->record,
				   &w, &conflict);
	while (r == CHECKOUTS_REFUSED && succession_take(who, &conflict));
	if (r < 0)
		return kept_trouble(who, a, claim.path,
				    verdict_failed(who->fs, claim.path, r));
	if (r == 0)
		free_one->checkout = claim.checkout;
	else
		seize[(*n_seize)++].path = claim.path;
	return true;
}

static void steal(const struct caller *who, const char *const *paths, size_t n,
		  const char *message, bool own, struct kept_answer *a)
{
	_cleanup_free_ struct seizure *taken = calloc(2 * n, sizeof(*taken));
	struct seizure *seize;
	size_t n_seize = 0;
	bool good = true;

	if (!taken) {
		kept_trouble(who, a, paths[0], -ENOMEM);
		return;
	}
	seize = taken + n;
	for (size_t i = 0; good && i < n; i++) {
		taken[i].path = paths[i];
		good = take_or_note(who, &taken[i], seize, &n_seize, a);
	}
	if (good && n_seize)
		good = take_over(who, seize, n_seize, HISTORY_STOLEN, message,
				 own, a);
	if (good && a->why == KEPT_NOT_OUT) { /* by now */
		registry_conflict_release(&a->conflict);
		a->why = KEPT_DONE;
		a->error = 0;
	}
	if (good)
		keep(who, paths, n, message, a);
	give_back(who, taken, n, false);
	give_back(who, seize, n_seize, true);
}

void kept_steal(const struct caller *who, const char *const *paths, size_t n,
		const char *message, bool own, struct kept_answer *ret_answer)
{
	if (!own && !kept_is_admin(who))
		refuse_admins_work(who, paths[0], ret_answer);
	else if (may_keep_all(who, paths, n, ret_answer))
		steal(who, paths, n, message, own, ret_answer);
}
