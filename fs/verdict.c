/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/verdict.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/cleanup.h"
#include "fs/log.h"
#include "fs/metrics.h"

/* The only place where a conflict becomes an error number. */
int verdict_refuse(const struct caller *who, const char *path,
		   const struct record *holder, const char *why)
{
	log_warning("refused '%s' to %s (%s, pid %s): %s", path, who->user,
		    log_or_unknown(who->process.name), who->pid, why);
	history_append(&who->fs->history, HISTORY_REFUSED, path, &who->record,
		       holder);
	return caller_busy(who);
}

int verdict_held(const struct caller *who, const char *path,
		 const struct registry_conflict *conflict)
{
	_cleanup_buffer_ struct buffer why = {};
	const struct record *holder = &conflict->holder;
	bool same = !strcmp(path, conflict->path);

	if (buffer_printf(&why,
			  "%s%s%schecked out by %s on %s since %s, \"%s\"",
			  same ? "" : "'", same ? "" : conflict->path,
			  same ? "" : "' is ", holder->user,
			  log_or_unknown(record_machine(holder)),
			  log_or_unknown(holder->timestamp),
			  holder->message ? holder->message : "") < 0)
		return verdict_refuse(who, path, holder, "checked out");
	return verdict_refuse(who, path, holder, why.data);
}

/* Nothing goes into the history: that is on the share. */
int verdict_sure(const struct caller *who, const char *what)
{
	if (registry_is_sure(who->fs->registry))
		return 0;
	log_error("cannot check out '%s' for %s (%s, pid %s): the share is cut "
		  "off",
		  what, who->user, log_or_unknown(who->process.name), who->pid);
	return -EIO;
}

int verdict_failed(struct camfs *fs, const char *path, int error)
{
	_cleanup_buffer_ struct buffer why = {};

	metrics_failed(fs->metrics, error);
	registry_explain(fs->registry, error, &why);
	if (error == -ETIMEDOUT)
		log_error("cannot check out '%s' within %u ms: %s", path,
			  fs->options->lock_timeout, why.data ? why.data : "");
	else if (error != -EINTR)
		log_error("cannot check out '%s': recording it in %s", path,
			  why.data ? why.data : strerror(-error));
	return error;
}

int verdict_of(const struct caller *who, const char *path, int r,
	       const struct registry_conflict *conflict)
{
	if (r == CHECKOUTS_REFUSED)
		return verdict_held(who, path, conflict);
	return r < 0 ? verdict_failed(who->fs, path, r) : 0;
}
