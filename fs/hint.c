/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/hint.h"

#include <errno.h>
#include <string.h>

#include "core/cleanup.h"
#include "fs/caller.h"

/* It must be seen soon after a checkout. */
#define LONGEST 1.0

/* Through another mount, or kept on purpose. */
static int find_other(struct camfs *fs, const char *path,
		      struct record *ret_holder)
{
	_cleanup_snapshot_ struct snapshot *s = NULL;
	int r = registry_snapshot_others(fs->registry, &s);
	const char *text;
	size_t i, len;

	if (r < 0)
		return r;
	i = snapshot_search(s, path);
	if (i == snapshot_count(s) || strcmp(snapshot_path(s, i), path) != 0)
		return -ENOENT;
	text = snapshot_text(s, i, &len);
	return record_parse(ret_holder, text, len);
}

/* Whether somebody has it now, and who. */
static bool find_holder(struct camfs *fs, struct inode *inode, uid_t *ret_uid)
{
	int error;
	_cleanup_free_ char *path = inodes_path(&fs->inodes, inode, &error);
	_cleanup_record_ struct record holder = {};
	int r = path ? checkouts_holder(fs->checkouts, path, &holder) : error;

	if (r == -ENOENT && path)
		r = find_other(fs, path, &holder);
	if (r == 0)
		*ret_uid = users_id(fs->users, holder.user);
	return r == 0;
}

double hint_apply(fuse_req_t req, struct inode *inode, struct stat *st,
		  double seconds)
{
	struct camfs *fs = camfs_of(req);
	uid_t uid = fuse_req_ctx(req)->uid, holder;

	if (!fs->options->read_only_hint || !S_ISREG(st->st_mode))
		return seconds;
	if (!find_holder(fs, inode, &holder))
		return seconds < LONGEST ? seconds : LONGEST;
	/* Samba would say "access denied"; "in use", when it opens it, is
	 * better */
	if (holder == st->st_uid && uid != holder && uid != 0 &&
	    !caller_is_smbd(req))
		st->st_mode &= ~(mode_t)(S_IWGRP | S_IWOTH);
	return 0;
}

void hint_apply_x(fuse_req_t req, struct inode *inode, struct statx *x)
{
	struct stat st = { .st_mode = x->stx_mode, .st_uid = x->stx_uid };

	hint_apply(req, inode, &st, 0);
	x->stx_mode = (uint16_t)st.st_mode;
}

void hint_entry(fuse_req_t req, struct fuse_entry_param *entry)
{
	struct camfs *fs = camfs_of(req);
	struct inode *inode = fs->options->read_only_hint
				      ? inodes_find(&fs->inodes, entry->ino)
				      : NULL;

	if (!inode || !S_ISREG(entry->attr.st_mode))
		return;
	entry->attr_timeout =
		hint_apply(req, inode, &entry->attr, entry->attr_timeout);
}
