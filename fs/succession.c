/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/succession.h"

#include <string.h>

#include "core/cleanup.h"
#include "core/recovered.h"
#include "fs/fence.h"
#include "fs/log.h"

/* Why what he has open is set aside. */
static const char *what_is_known(const struct caller *who,
				 const struct record *was)
{
	return was->host && !strcmp(was->host, who->fs->host)
		       ? "is gone, while his program can still write to it"
		       : "has not been heard of for too long";
}

static void tell(const struct caller *who, const char *path,
		 const struct record *was)
{
	log_warning("reaped '%s': checked out by %s on %s since %s by a mount "
		    "that %s; %s (pid %s) takes it over",
		    path, was->user, log_or_unknown(record_machine(was)),
		    log_or_unknown(was->timestamp), what_is_known(who, was),
		    who->user, who->pid);
	history_append(&who->fs->history, HISTORY_REAPED, path, was, NULL);
}

/* The path is ours for the moment. Returns 0 or -errno. */
static int set_aside(const struct caller *who, const char *path,
		     const struct seizure *s)
{
	_cleanup_buffer_ struct buffer recovered = {};
	int r = fence_set_aside(who->fs, path, s, &recovered);

	if (r < 0)
		log_error("cannot take '%s' over from %s on %s, whose mount "
			  "%s: setting it aside in "
			  "'" STATE_NAME "/" RECOVERED_DIR "': %s",
			  path, s->was.user,
			  log_or_unknown(record_machine(&s->was)),
			  what_is_known(who, &s->was), strerror(-r));
	return r;
}

bool succession_take(const struct caller *who,
		     struct registry_conflict *conflict)
{
	_cleanup_conflict_ struct registry_conflict now = {};
	struct checkouts *checkouts = who->fs->checkouts;
	struct wait w = caller_wait(who);
	struct seizure s = { .path = conflict->path };
	int r;

	if (!conflict->given_up)
		return false;
	r = checkouts_seize(checkouts, &s, 1, &who->record, NULL,
			    conflict->holder.lease, &w, &now);
	if (r == 0 && s.was.user && set_aside(who, conflict->path, &s) < 0) {
		checkouts_unseize(checkouts, &s);
		return false;
	}
	if (r == 0 && s.was.user)
		tell(who, conflict->path, &s.was);
	if (r == 0) {
		checkouts_seized(checkouts, &s);
		checkouts_give_up(checkouts, s.checkout);
	}
	if (r >= 0) /* else somebody else was first */
		registry_conflict_release(conflict);
	return r >= 0;
}
