/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/notice.h"

#include <errno.h>
#include <string.h>

#include "core/recovered.h"
#include "fs/file.h"
#include "fs/log.h"
#include "fs/mapped.h"

/* Nobody of ours has the file open that is at the path; but somebody has it
 * open, by its name. While an operation on the name is under way, that is so
 * for a moment; but only then do we find its record gone, too, if somebody who
 * ignores the file lock has just wiped it. */
bool notice_was_replaced(void *camfs, const char *path)
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
	if (!notice_was_replaced(fs, path))
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
	const char *since = r ? log_or_unknown(r->timestamp) : "unknown";

	switch (e->type) {
	case REGISTRY_REAPED:
		log_warning("reaped '%s': checked out by %s on %s since %s by "
			    "a mount that is gone",
			    e->path, user,
			    log_or_unknown(r ? record_machine(r) : NULL),
			    since);
		history_append(&fs->history, HISTORY_REAPED, e->path, r, NULL);
		break;
	case REGISTRY_REPLACED:
		lose(fs, e->path, r);
		break;
	case REGISTRY_REASSERTED:
		log_warning("reasserted '%s': its record (%s, since %s) was "
			    "lost from '%s' while the file is open",
			    e->path, user, since, registry_where(fs->registry));
		history_append(&fs->history, HISTORY_REASSERTED, e->path, r,
			       NULL);
		break;
	default:
		log_error("lost '%s': %s has recorded it in '%s', though it is "
			  "open for writing here; both may write",
			  e->path, user, registry_where(fs->registry));
		history_append(&fs->history, HISTORY_LOST, e->path, NULL, r);
	}
}

static void tell_unsure(const struct camfs *fs, const struct registry_event *e)
{
	if (e->error == -ENOLCK) {
		log_error("the locks of '%s' are not seen by other hosts: one "
			  "of them lives, and has no lock here; nothing is "
			  "checked out, for two could write one file; mount "
			  "the share so that its locks reach the server, and "
			  "this again",
			  fs->options->share);
		return;
	}
	log_error("cut off from %s (%s): nothing is checked out until it is "
		  "back, and what is can be taken over by other hosts%s",
		  e->path,
		  e->why     ? e->why
		  : e->error ? strerror(-e->error)
			     : "it doesn't answer",
		  registry_is_sure(fs->registry) ? ""
		  : fs->passthrough ? "; what programs write to files they "
				      "have open goes there all the same: the "
				      "kernel writes it by itself"
				    : "; nobody can write to what is open");
}

void notice_event(void *camfs, const struct registry_event *e)
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
	case REGISTRY_UNSURE:
		tell_unsure(fs, e);
		break;
	case REGISTRY_SURE:
		log_warning("%s is back: what was not taken over meanwhile is "
			    "still checked out here",
			    e->path);
		break;
	case REGISTRY_STUCK:
		log_error("cannot write checkins to '%s': %s; they wait, and "
			  "the paths stay checked out until it can be written",
			  registry_where(fs->registry), strerror(-e->error));
		break;
	default:
		on_record_event(fs, e);
	}
}
