/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Kept checkouts of a share without a mount: as the user who runs us, with
 * nothing but his rights to the share's files.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/ask.h"
#include "cli/bare.h"
#include "cli/cli.h"
#include "core/cleanup.h"
#include "core/documents.h"
#include "core/etcd_address.h"
#include "core/history.h"
#include "core/recovered.h"
#include "core/users.h"

/* One request being done. */
struct doing {
	const struct place *place;
	const struct ask *ask;
	struct answer *answer;
	struct bare bare;
	int share; /* its folder */
	struct users *users;
	struct wait wait;
	char user[USER_NAME_SIZE];
	char pid[16];
	struct record me; /* borrows from here */
	struct history history;
};

static char *borrow(const char *text)
{
	return (char *)(uintptr_t)text; /* struct record's are not const */
}

/* ---- answers ---- */

static int refuse(struct doing *d, const char *path, const char *why)
{
	struct answer *a = d->answer;

	a->result = ANSWER_REFUSED;
	a->path = strdup(path);
	a->why = strdup(why);
	return a->path && a->why ? DONE : fail(TROUBLE, "out of memory");
}

static int refuse_for(struct doing *d, struct registry_conflict *conflict,
		      const char *why)
{
	d->answer->holder = conflict->holder;
	conflict->holder = (struct record){};
	return refuse(d, conflict->path, why);
}

/* They are replaced, so the folder must be writable. */
static int refuse_records(struct doing *d)
{
	const char *slash = strrchr(d->bare.shown, '/');
	_cleanup_free_ char *folder =
		slash ? strndup(d->bare.shown, (size_t)(slash - d->bare.shown))
		      : strdup(".");

	if (!folder)
		return fail(TROUBLE, "out of memory");
	return refuse(d, folder, WHY_NO_PERMISSION);
}

static int trouble_elsewhere(struct doing *d, int error)
{
	_cleanup_buffer_ struct buffer why = {};

	registry_explain(d->bare.registry, error, &why);
	return fail(TROUBLE, "cannot change the records of '%s': %s",
		    d->place->root, why.data ? why.data : reason(error));
}

/* The records could not be changed. */
static int trouble(struct doing *d, int error)
{
	if (etcd_address_is(registry_where(d->bare.registry)))
		return trouble_elsewhere(d, error);
	if (error == -EACCES || error == -EPERM || error == -EROFS)
		return refuse_records(d);
	if (error == -ETIMEDOUT)
		return fail(TROUBLE,
			    "another program holds the file lock of '%s'",
			    d->bare.shown);
	return fail(TROUBLE, "cannot change '%s': %s", d->bare.shown,
		    reason(error));
}

/* ---- history ---- */

/* Whether it may be written is for who owns the share to say; records do not
 * depend on it. */
static void note(struct doing *d, const char *event, const char *path,
		 const struct record *holder)
{
	struct record who = d->me;

	if (!*d->ask->message)
		who.message = NULL;
	history_append(&d->history, event, path, &who, holder);
}

static void note_all(struct doing *d, const char *event)
{
	for (size_t i = 0; i < d->ask->n; i++)
		note(d, event, d->ask->paths[i], NULL);
}

/* Who has a path at that moment; no user: nobody. */
static void find_holder(const struct snapshot *s, const char *path,
			struct record *ret_holder)
{
	size_t i = snapshot_search(s, path), len;
	const char *text;

	if (i >= snapshot_count(s) || strcmp(snapshot_path(s, i), path) != 0)
		return;
	text = snapshot_text(s, i, &len);
	if (record_parse(ret_holder, text, len) < 0)
		*ret_holder = (struct record){};
}

/* ---- what may be checked out ---- */

static bool exists_beside(void *arg, const char *name)
{
	_cleanup_buffer_ struct buffer path = {};
	const struct doing *d = ((const void **)arg)[0];
	const char *document = ((const void **)arg)[1];
	const char *slash = strrchr(document, '/');
	int folder = slash ? (int)(slash - document) + 1 : 0;

	return buffer_printf(&path, "%.*s%s", folder, document, name) == 0 &&
	       faccessat(d->share, path.data, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static const char *why_not(const struct doing *d, const char *path)
{
	static const struct documents documents;
	const void *where[] = { d, path };
	struct stat st;

	if (fstatat(d->share, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return WHY_NO_FILE;
	if (!S_ISREG(st.st_mode) ||
	    !documents_include(&documents, path, "", exists_beside, where))
		return WHY_NOT_A_DOCUMENT;
	if (faccessat(d->share, path, W_OK, AT_EACCESS) < 0)
		return WHY_NO_PERMISSION;
	return NULL;
}

static int check_files(struct doing *d)
{
	for (size_t i = 0; i < d->ask->n; i++) {
		const char *why = why_not(d, d->ask->paths[i]);

		if (why)
			return refuse(d, d->ask->paths[i], why);
	}
	return DONE;
}

/* ---- the verbs ---- */

static const char *over_whom(const struct doing *d)
{
	switch (d->ask->mode) {
	case ASK_STEAL:
		return REGISTRY_ANYBODY;
	case ASK_HERE:
		return d->user;
	default:
		return NULL;
	}
}

/* An open checkout that no `over` moves: its mount would put it back. */
static const char *why_held(const struct doing *d,
			    const struct registry_conflict *c)
{
	return d->ask->mode != ASK_PLAIN && record_is_open(&c->holder)
		       ? WHY_NOT_HERE
		       : WHY_HELD;
}

/* Whether nobody on this host has the file open for writing, by what
 * F_SETLEASE says in fcntl(2). Who opens it just now sends us a signal: one
 * that is ignored by default, where SIGIO would kill us. */
static bool is_quiet(const struct doing *d, const char *path)
{
	_cleanup_close_ int fd = openat(
		d->share, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	return fd < 0 || (fcntl(fd, F_SETSIG, SIGURG) == 0 &&
			  fcntl(fd, F_SETLEASE, F_RDLCK) == 0);
}

static bool may_be_writing(const struct doing *d, const char *path,
			   const struct record *holder)
{
	return (holder->host && strcmp(holder->host, bare_host()) != 0) ||
	       !is_quiet(d, path);
}

/* What he goes on writing is his, and in nobody's way. Only root can give a
 * file to somebody. */
static int set_aside(struct doing *d, const char *path,
		     const struct record *holder)
{
	_cleanup_free_ char *name = NULL;
	struct record rec = *holder;
	int r;

	if (geteuid() != 0 || !may_be_writing(d, path, holder))
		return DONE;
	r = recovered_set_aside(d->share, d->place->state, path, holder->user,
				users_id(d->users, holder->user), &name);
	if (r < 0)
		complain("what %s may still write to '%s' could not be put "
			 "aside: %s",
			 holder->user, path, reason(r));
	if (r <= 0)
		return DONE;
	rec.message = name;
	history_append(&d->history, HISTORY_RECOVERED, path, &rec, NULL);
	return answer_add_recovered(d->answer, path, name) < 0
		       ? fail(TROUBLE, "out of memory")
		       : DONE;
}

/* What was in the way of each path; no user: nothing was. */
static void release_list(struct record *list, size_t n)
{
	for (size_t i = 0; list && i < n; i++)
		record_release(&list[i]);
	free(list);
}

static int keep(struct doing *d, struct record *ret_was)
{
	_cleanup_conflict_ struct registry_conflict conflict = {};
	const struct ask *a = d->ask;
	int r = registry_keep(d->bare.registry, (const char *const *)a->paths,
			      a->n, &d->me, over_whom(d), &d->wait, NULL,
			      ret_was, &conflict);

	if (r == REGISTRY_HELD)
		return refuse_for(d, &conflict, why_held(d, &conflict));
	return r < 0 ? trouble(d, r) : DONE;
}

/* It is kept now; `was` is who had it before. */
static int note_kept(struct doing *d, const char *path,
		     const struct record *was)
{
	if (d->ask->mode != ASK_STEAL || !was->user ||
	    !strcmp(was->user, d->user)) {
		note(d, HISTORY_CHECKOUT, path, NULL);
		return DONE;
	}
	note(d, HISTORY_STOLEN, path, was);
	return set_aside(d, path, was);
}

static int checkout(struct doing *d)
{
	size_t n = d->ask->n;
	struct record *was = calloc(n, sizeof(*was));
	int status = was ? check_files(d) : fail(TROUBLE, "out of memory");

	if (status == DONE && d->answer->result == ANSWER_DONE)
		status = keep(d, was);
	if (status == DONE && d->answer->result == ANSWER_DONE)
		for (size_t i = 0; status == DONE && i < n; i++)
			status = note_kept(d, d->ask->paths[i], &was[i]);
	release_list(was, n);
	return status;
}

/* A record of his own that is open, or another's. */
static const char *why_stays(const struct doing *d,
			     const struct registry_conflict *c)
{
	return record_is_open(&c->holder) && !strcmp(c->holder.user, d->user)
		       ? WHY_OPEN
		       : WHY_NOT_YOURS;
}

static int checkin(struct doing *d)
{
	_cleanup_conflict_ struct registry_conflict conflict = {};
	struct owner owner = { .user = d->user,
			       .host = bare_host(),
			       .seat = "" };
	int r = registry_unkeep(d->bare.registry,
				(const char *const *)d->ask->paths, d->ask->n,
				&owner, &d->wait, &conflict);

	if (r == REGISTRY_HELD)
		return refuse_for(d, &conflict, why_stays(d, &conflict));
	if (r == -ENOENT && conflict.path)
		return refuse(d, conflict.path, WHY_NOT_CHECKED_OUT);
	if (r < 0)
		return trouble(d, r);
	note_all(d, HISTORY_CHECKIN);
	return DONE;
}

/* What a living mount has, it would put back. */
static int check_not_open(struct doing *d)
{
	_cleanup_snapshot_ struct snapshot *s = NULL;
	struct record *holder = &d->answer->holder;
	int r = registry_snapshot(d->bare.registry, &s);

	if (r < 0)
		return trouble(d, r);
	for (size_t i = 0; i < d->ask->n; i++) {
		find_holder(s, d->ask->paths[i], holder);
		if (holder->user && record_is_open(holder) &&
		    !registry_is_stale(d->bare.registry, holder))
			return refuse(d, d->ask->paths[i], WHY_NOT_HERE);
		record_release(holder);
		*holder = (struct record){};
	}
	return DONE;
}

static int note_broken(struct doing *d, const char *path,
		       const struct record *was)
{
	if (!was->user)
		return d->answer->path ? DONE
				       : refuse(d, path, WHY_NOT_CHECKED_OUT);
	note(d, HISTORY_BROKEN, path, was);
	return set_aside(d, path, was);
}

/* All that are checked out, even if one is not. */
static int break_all(struct doing *d)
{
	size_t n = d->ask->n;
	struct record *was = calloc(n, sizeof(*was));
	int status = was ? check_not_open(d) : fail(TROUBLE, "out of memory");
	int r;

	if (status == DONE && d->answer->result == ANSWER_DONE) {
		r = registry_break(d->bare.registry,
				   (const char *const *)d->ask->paths, n,
				   &d->wait, was);
		status = r < 0 ? trouble(d, r) : DONE;
		for (size_t i = 0; r == 0 && status == DONE && i < n; i++)
			status = note_broken(d, d->ask->paths[i], &was[i]);
	}
	release_list(was, n);
	return status;
}

/* ---- all of it ---- */

static int introduce(struct doing *d)
{
	static char app[] = "camlock", kept[] = RECORD_KIND_KEPT;

	if (users_open(&d->users) < 0)
		return fail(TROUBLE, "out of memory");
	users_name(d->users, geteuid(), d->user);
	snprintf(d->pid, sizeof(d->pid), "%d", (int)getpid());
	d->me = (struct record){
		.user = d->user,
		.host = borrow(bare_host()),
		.seat = borrow(""),
		.message = *d->ask->message ? borrow(d->ask->message) : NULL,
		.kind = kept,
		.app = app,
		.pid = d->pid,
	};
	return DONE;
}

static int run(struct doing *d)
{
	int status = introduce(d);

	if (status != DONE)
		return status;
	d->share = open(d->place->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->share < 0)
		return fail(TROUBLE, "cannot open '%s': %s", d->place->root,
			    reason(errno));
	switch (d->ask->verb) {
	case ASK_CHECKOUT:
		return checkout(d);
	case ASK_CHECKIN:
		return checkin(d);
	case ASK_BREAK:
		return break_all(d);
	default:
		return refuse(d, d->ask->paths[0], WHY_NOT_HERE);
	}
}

int ask_bare(struct answer *ret_answer, const struct place *place,
	     const struct ask *a)
{
	_cleanup_answer_ struct answer answer = {};
	struct doing d = { .place = place,
			   .ask = a,
			   .answer = &answer,
			   .share = -1,
			   .wait = wait_for_ms(LOCK_WAIT_MS) };
	int status = bare_open(&d.bare, place, a->locks);

	if (status != DONE)
		return status;
	history_init(&d.history, place->state);
	status = run(&d);
	history_release(&d.history);
	cleanup_close(&d.share);
	users_free(d.users);
	bare_close(&d.bare);
	if (status != DONE)
		return status;
	*ret_answer = answer;
	answer = (struct answer){};
	return DONE;
}
