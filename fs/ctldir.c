/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/ctldir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/beneath.h"
#include "core/cleanup.h"
#include "fs/creds.h"
#include "fs/ctlfile.h"
#include "fs/ctlnodes.h"
#include "fs/ctlview.h"
#include "fs/ownerfile.h"
#include "fs/page.h"
#include "fs/spelling.h"
#include "fs/undo.h"

struct ctldir {
	struct camfs *fs;
	struct ctlnodes nodes;
	pthread_mutex_t mutex; /* a leaf */
	struct ctlfile *files; /* under mutex: the kernel's handles */
};

int ctldir_open(struct ctldir **ret_ctldir, struct camfs *fs)
{
	struct ctldir *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->fs = fs;
	ctlnodes_init(&c->nodes, CTLDIR_BIT | inodes_first_id());
	pthread_mutex_init(&c->mutex, NULL);
	*ret_ctldir = c;
	return 0;
}

/* The session may end without the kernel's releasing all of them. */
static void fill_handle(struct ctldir *c, struct fuse_file_info *fi,
			struct ctlfile *f)
{
	fi->fh = (uintptr_t)f;
	fi->direct_io = 1;
	LOCK_SCOPE(&c->mutex);
	f->next = c->files;
	if (f->next)
		f->next->previous = f;
	c->files = f;
}

static void close_handle(struct ctldir *c, struct ctlfile *f)
{
	pthread_mutex_lock(&c->mutex);
	if (f->next)
		f->next->previous = f->previous;
	if (f->previous)
		f->previous->next = f->next;
	else
		c->files = f->next;
	pthread_mutex_unlock(&c->mutex);
	ctlfile_unref(f);
}

void ctldir_free(struct ctldir *c)
{
	if (!c)
		return;
	while (c->files)
		close_handle(c, c->files);
	ctlnodes_release(&c->nodes);
	pthread_mutex_destroy(&c->mutex);
	free(c);
}

bool ctldir_is_name(const char *name)
{
	return !strcmp(name, CTL_NAME) || !strcmp(name, PAGE_NAME);
}

void ctldir_forget(struct camfs *fs, fuse_ino_t ino, uint64_t n)
{
	ctlnodes_forget(&fs->ctldir->nodes, ino, n);
}

static char *join(struct ctldir *c, fuse_ino_t dir, const char *name)
{
	bool in_root = !ctldir_owns(dir);
	_cleanup_free_ char *parent = in_root ? NULL
					      : ctlnodes_path(&c->nodes, dir);
	char *path = NULL;

	if (in_root)
		return strdup(strcmp(name, PAGE_NAME) ? "" : CTLVIEW_PAGE);
	if (!parent ||
	    asprintf(&path, "%s%s%s", parent, *parent ? "/" : "", name) < 0)
		return NULL;
	return path;
}

/* ---- requests ---- */

/* The type of what is at a path in the share, for the caller; 0: nothing. */
static mode_t type_in_share(fuse_req_t req, const char *path)
{
	const struct share *share = &camfs_of(req)->share;
	_cleanup_close_ int fd = -1;
	struct stat st;

	CREDS_SCOPE(req);
	fd = beneath_open(share->root_fd, path, O_PATH, 0);
	if (fd < 0 || fstat(fd, &st) < 0 ||
	    share_is_state(share, st.st_dev, st.st_ino))
		return 0;
	return st.st_mode & S_IFMT;
}

/* Every folder of the share that the caller can enter is one here. A file that
 * is `known`, because it was a record a moment ago, is there to be opened, and
 * so kept: otherwise who opens it when another has just checked it in would be
 * told that there is none. */
static int stat_path(fuse_req_t req, const char *path, bool known,
		     struct stat *ret_st)
{
	const char *version = ctlview_version(path);
	const char *owner = ownerfile_of(path);
	int r = owner	  ? ownerfile_stat(req, owner, ret_st)
		: version ? undo_stat_version(req, version, ret_st)
			  : ctlview_stat(camfs_of(req), path, ret_st);
	mode_t type;

	if (r != -ENOENT || ctlview_is_special(path))
		return r;
	type = type_in_share(req, path);
	if (!S_ISDIR(type) && !(known && S_ISREG(type)))
		return -ENOENT;
	ctlview_stat_folder(ret_st);
	if (S_ISREG(type)) {
		ret_st->st_mode = S_IFREG | 0666;
		ret_st->st_nlink = 1;
	}
	return 0;
}

/* An entry that counts as one lookup. */
static int fill_entry(fuse_req_t req, const char *path,
		      struct fuse_entry_param *ret_entry)
{
	struct fuse_entry_param entry = {};
	int r = stat_path(req, path, false, &entry.attr);

	if (r < 0)
		return r;
	entry.ino = ctlnodes_get(&camfs_of(req)->ctldir->nodes, path);
	entry.attr.st_ino = entry.ino;
	*ret_entry = entry;
	return entry.ino ? 0 : -ENOMEM;
}

static void reply_entry(fuse_req_t req, int r,
			const struct fuse_entry_param *entry)
{
	struct camfs *fs = camfs_of(req);

	if (r < 0)
		fuse_reply_err(req, -r);
	else if (fuse_reply_entry(req, entry) < 0)
		ctldir_forget(fs, entry->ino, 1);
}

int ctldir_lookup_owner(fuse_req_t req, const char *path)
{
	_cleanup_free_ char *node = ownerfile_node(path);
	struct fuse_entry_param entry;
	int r = node ? fill_entry(req, node, &entry) : -ENOMEM;

	if (r != -ENOENT)
		reply_entry(req, r, &entry);
	return r == -ENOENT ? r : 0;
}

/* What Windows asks for in another case is what the share has. */
static char *spell(fuse_req_t req, char *path)
{
	char *other = type_in_share(req, path) ? NULL
					       : spelling_in_share(req, path);

	if (!other || !type_in_share(req, other)) {
		free(other);
		return path;
	}
	free(path);
	return other;
}

void ctldir_lookup(fuse_req_t req, fuse_ino_t dir, const char *name)
{
	_cleanup_free_ char *path = join(camfs_of(req)->ctldir, dir, name);
	struct fuse_entry_param entry;
	int r = path ? fill_entry(req, path, &entry) : -ESTALE;

	if (r == -ENOENT && !ctlview_is_special(path)) {
		path = spell(req, path);
		r = fill_entry(req, path, &entry);
	}

	reply_entry(req, r, &entry);
}

static void reply_attr(fuse_req_t req, fuse_ino_t ino, const char *path)
{
	struct stat st;
	int r = path ? stat_path(req, path, true, &st) : -ESTALE;

	st.st_ino = ino;
	if (r < 0)
		fuse_reply_err(req, -r);
	else
		fuse_reply_attr(req, &st, 0);
}

void ctldir_getattr(fuse_req_t req, fuse_ino_t ino)
{
	_cleanup_free_ char *path =
		ctlnodes_path(&camfs_of(req)->ctldir->nodes, ino);

	reply_attr(req, ino, path);
}

int ctldir_stat(fuse_req_t req, fuse_ino_t ino, struct stat *ret_st)
{
	_cleanup_free_ char *path =
		ctlnodes_path(&camfs_of(req)->ctldir->nodes, ino);
	int r = path ? stat_path(req, path, true, ret_st) : -ESTALE;

	if (r == 0)
		ret_st->st_ino = ino;
	return r;
}

/* What a shell and touch(1) do to a file besides writing it changes nothing,
 * but only the holder may do it. */
void ctldir_setattr(fuse_req_t req, fuse_ino_t ino, int valid)
{
	static const int harmful = FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID |
				   FUSE_SET_ATTR_GID;
	_cleanup_free_ char *path =
		ctlnodes_path(&camfs_of(req)->ctldir->nodes, ino);
	uid_t uid = fuse_req_ctx(req)->uid;
	struct stat st;
	int r = path ? stat_path(req, path, true, &st) : -ESTALE;

	if (r == 0 && ((valid & harmful) || !(st.st_mode & 0222) ||
		       (S_ISREG(st.st_mode) && !ctlview_is_special(path) &&
			st.st_uid != uid && uid)))
		r = -EPERM;
	if (r < 0)
		fuse_reply_err(req, -r);
	else
		reply_attr(req, ino, path);
}

void ctldir_open_file(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct camfs *fs = camfs_of(req);
	_cleanup_free_ char *path = ctlnodes_path(&fs->ctldir->nodes, ino);
	struct ctlfile *f;
	int r = path ? ctlfile_open(req, path, fi->flags, &f) : -ESTALE;

	if (r < 0) {
		fuse_reply_err(req, -r);
		return;
	}
	fill_handle(camfs_of(req)->ctldir, fi, f);
	if (fuse_reply_open(req, fi) < 0)
		close_handle(fs->ctldir, f);
}

/* The path of a name that is about to be made or removed; NULL when the error
 * has been replied. */
static char *path_for(fuse_req_t req, fuse_ino_t dir, const char *name)
{
	char *path = join(camfs_of(req)->ctldir, dir, name);

	if (path && !ctlview_is_special(path))
		return spell(req, path);
	fuse_reply_err(req, path ? EPERM : ESTALE);
	free(path);
	return NULL;
}

void ctldir_create(fuse_req_t req, fuse_ino_t dir, const char *name,
		   struct fuse_file_info *fi)
{
	struct camfs *fs = camfs_of(req);
	_cleanup_free_ char *path = path_for(req, dir, name);
	struct fuse_entry_param entry;
	struct ctlfile *f;
	int r;

	if (!path)
		return;
	r = ctlfile_keep(req, path, NULL);
	if (r == 0)
		r = fill_entry(req, path, &entry);
	if (r == 0) {
		r = ctlfile_open(req, path, fi->flags, &f);
		if (r < 0)
			ctldir_forget(camfs_of(req), entry.ino, 1);
	}
	if (r < 0) {
		fuse_reply_err(req, -r);
		return;
	}
	fill_handle(camfs_of(req)->ctldir, fi, f);
	if (fuse_reply_create(req, &entry, fi) < 0) {
		ctldir_forget(fs, entry.ino, 1);
		close_handle(fs->ctldir, f);
	}
}

void ctldir_mknod(fuse_req_t req, fuse_ino_t dir, const char *name, mode_t mode)
{
	_cleanup_free_ char *path = path_for(req, dir, name);
	struct fuse_entry_param entry;
	int r = -EPERM;

	if (!path)
		return;
	if (S_ISREG(mode))
		r = ctlfile_keep(req, path, NULL);
	if (r == 0)
		r = fill_entry(req, path, &entry);
	reply_entry(req, r, &entry);
}

void ctldir_unlink(fuse_req_t req, fuse_ino_t dir, const char *name)
{
	_cleanup_free_ char *path = path_for(req, dir, name);

	if (path)
		fuse_reply_err(req, -ctlfile_remove(req, path));
}

/* With the last checkout in it a folder is gone from here. */
void ctldir_rmdir(fuse_req_t req, fuse_ino_t dir, const char *name)
{
	_cleanup_free_ char *path = path_for(req, dir, name);
	struct stat st;
	int r;

	if (!path)
		return;
	r = ctlview_stat(camfs_of(req), path, &st);
	if (r == 0)
		r = S_ISDIR(st.st_mode) ? -ENOTEMPTY : -ENOTDIR;
	else if (r == -ENOENT && S_ISDIR(type_in_share(req, path)))
		r = 0;
	fuse_reply_err(req, -r);
}

void ctldir_read(fuse_req_t req, size_t size, off_t offset,
		 struct fuse_file_info *fi)
{
	ctlfile_read(req, ctlfile_of(fi), size, offset);
}

void ctldir_write(fuse_req_t req, struct fuse_bufvec *data,
		  struct fuse_file_info *fi)
{
	ctlfile_write(req, ctlfile_of(fi), data);
}

void ctldir_poll(fuse_req_t req, struct fuse_file_info *fi,
		 struct fuse_pollhandle *ph)
{
	ctlfile_poll(req, ctlfile_of(fi), ph);
}

void ctldir_release(fuse_req_t req, struct fuse_file_info *fi)
{
	close_handle(camfs_of(req)->ctldir, ctlfile_of(fi));
}

/* ---- folders ---- */

static int list_folder(fuse_req_t req, const char *path, struct buffer *list)
{
	const char *version = ctlview_version(path);

	if (!version)
		return ctlview_list(camfs_of(req), path, list);
	return ctlview_list_folder(
		undo_open_version(req, version, O_RDONLY | O_DIRECTORY), list);
}

void ctldir_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	static const char dots[] = "d.\0d..";
	struct camfs *fs = camfs_of(req);
	_cleanup_free_ char *path = ctlnodes_path(&fs->ctldir->nodes, ino);
	_cleanup_buffer_ struct buffer list = {};
	int r = path ? buffer_append(&list, dots, sizeof(dots)) : -ESTALE;
	struct ctlfile *f = NULL;

	if (r == 0)
		r = list_folder(req, path, &list);
	if (r == 0)
		r = ctlfile_new(req, &list, &f);
	if (r < 0) {
		fuse_reply_err(req, -r);
		return;
	}
	fill_handle(camfs_of(req)->ctldir, fi, f);
	if (fuse_reply_open(req, fi) < 0)
		close_handle(fs->ctldir, f);
}

/* An entry's offset is the one behind it in the list. */
static void reply_entries(fuse_req_t req, size_t size, off_t offset,
			  struct fuse_file_info *fi, bool plus)
{
	const struct buffer *list = &ctlfile_of(fi)->text;
	_cleanup_free_ char *buf = malloc(size);
	size_t used = 0;

	if (!buf) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	for (size_t at = (size_t)offset; at < list->len;) {
		const char *name = list->data + at + 1;
		struct fuse_entry_param entry = {
			/* its number is told when it is looked up */
			.attr.st_ino = CTLDIR_BIT,
			.attr.st_mode = list->data[at] == 'd' ? S_IFDIR
							      : S_IFREG,
		};
		size_t n;

		at += strlen(name) + 2;
		n = plus ? fuse_add_direntry_plus(req, buf + used, size - used,
						  name, &entry, (off_t)at)
			 : fuse_add_direntry(req, buf + used, size - used, name,
					     &entry.attr, (off_t)at);
		if (n > size - used)
			break;
		used += n;
	}
	fuse_reply_buf(req, buf, used);
}

void ctldir_readdir(fuse_req_t req, size_t size, off_t offset,
		    struct fuse_file_info *fi)
{
	reply_entries(req, size, offset, fi, false);
}

void ctldir_readdirplus(fuse_req_t req, size_t size, off_t offset,
			struct fuse_file_info *fi)
{
	reply_entries(req, size, offset, fi, true);
}

void ctldir_releasedir(fuse_req_t req, struct fuse_file_info *fi)
{
	close_handle(camfs_of(req)->ctldir, ctlfile_of(fi));
}
