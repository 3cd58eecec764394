/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What people do on purpose: keep a checkout, check it in, take it over. Asked
 * for by plain files in `.locks` (fs/ctldir.h) or by the command line
 * (fs/control.h), always as the caller.
 *
 * Whoever keeps a file must be able to write it. An admin is root, or a member
 * of the group the mount was told (--admin-group).
 */
#ifndef FS_KEPT_H
#define FS_KEPT_H

#include "fs/caller.h"

#define KEPT_MESSAGE_MAX 4096 /* bytes */

enum kept_why {
	KEPT_DONE,
	KEPT_HELD,	/* another owner has it */
	KEPT_OPEN,	/* one's own, but open: ends with its last close */
	KEPT_NOT_YOURS, /* another's, who alone can end it */
	KEPT_NOT_OUT,	/* nobody has it */
	KEPT_NO_FILE,
	KEPT_NO_PERMISSION, /* to write the file */
	KEPT_NO_DOCUMENT,   /* a scratch name, a folder, a device */
	KEPT_NOT_ADMIN,
	KEPT_NO_VERSION, /* fs/revert.h; and the next */
	KEPT_SEVERAL,	 /* the file has other names, too */
	KEPT_TROUBLE,
};

struct kept_answer {
	enum kept_why why;
	int error; /* -errno, for who asked by a plain file */
	struct registry_conflict conflict; /* path: which; holder: if a record
					      is in the way, else no user */
	struct buffer recovered; /* of what was set aside: PATH NUL NAME NUL */
};

void kept_answer_release(struct kept_answer *a);

/* Keeps the paths, all or none. `message`: NULL leaves that of one's own. That
 * it is not too long is for the caller to see to, here and below. */
void kept_checkout(const struct caller *who, const char *const *paths, size_t n,
		   const char *message, struct kept_answer *ret_answer);

/* Ends one's own kept checkouts, all or none. */
void kept_checkin(const struct caller *who, const char *const *paths, size_t n,
		  struct kept_answer *ret_answer);

/* Frees the paths, whoever has them; admins only. If one is not checked out,
 * the others are freed all the same. */
void kept_break(const struct caller *who, const char *const *paths, size_t n,
		const char *reason, struct kept_answer *ret_answer);

/* Breaks and keeps in one step: whoever has them; or, with `own`, one's own
 * from another host or mount, for which one need be no admin. */
void kept_steal(const struct caller *who, const char *const *paths, size_t n,
		const char *message, bool own, struct kept_answer *ret_answer);

bool kept_is_admin(const struct caller *who);

/* ---- for fs/revert.c, which answers likewise ---- */

/* Whether it may be, and is not ours: whatever somebody wrote. */
bool kept_may_be_document(const struct caller *who, const char *path);

/* What is there, as far as he may write it. Sets ret_error for KEPT_TROUBLE. */
enum kept_why kept_look(const struct caller *who, const char *path,
			struct stat *ret_st, int *ret_error);

/* They fill the answer, and return false. */
bool kept_refuse(const struct caller *who, struct kept_answer *a,
		 const char *path, enum kept_why why);
bool kept_trouble(const struct caller *who, struct kept_answer *a,
		  const char *path, int error);
bool kept_held(const struct caller *who, struct kept_answer *a,
	       enum kept_why why);

#define _cleanup_answer_ __attribute__((cleanup(kept_answer_release)))

#endif
