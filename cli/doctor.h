/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The inside of `camlock doctor`: what it looks at. Nothing is changed, and a
 * check that can't be made from here, for want of rights, finds nothing, or
 * says so in a note.
 */
#ifndef CLI_DOCTOR_H
#define CLI_DOCTOR_H

#include "cli/findings.h"
#include "cli/mounts.h"
#include "cli/place.h"

struct doctor {
	struct findings found;
	struct mounts mounts;
	const struct mount_info *mount; /* NULL: a share without one */
	struct place place;
	const char *share;    /* the raw folder; NULL if it is covered */
	const char *locks;    /* as --locks; or NULL */
	const char *smb_conf; /* NULL: the system's */
};

/* Whether the mount answers; if not, there is no looking into it. */
bool doctor_mount_answers(struct doctor *d);

/* How it is mounted, and whether there is a way around it. */
void doctor_check_mount(struct doctor *d);

/* Whether it is mounted after the next boot, too. */
void doctor_check_start(struct doctor *d);

/* What an ordinary user may mount. */
void doctor_check_fuse_conf(struct doctor *d);

/* What belongs to an installed program. */
void doctor_check_install(struct doctor *d);

/* `.camlock`: whose it is, the lock file, the records, what is left over, and
 * the versions. */
void doctor_check_state(struct doctor *d);

/* What the share lies on: which kind, how full, whose clock. */
void doctor_check_share(struct doctor *d);

/* Sections of Samba's that export it. */
void doctor_check_samba(struct doctor *d);

/* Whether a list with commas has that word, or one that begins so if it ends
 * with '='. */
bool doctor_has_option(const char *options, const char *word);

#endif
