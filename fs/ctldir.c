/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/ctldir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "fs/ctlview.h"

/* A path the kernel has looked up. It need not be there any more. */
struct node {
	struct hash_node by_id;
	struct hash_node by_path;
	uint64_t id;
	uint64_t nlookup;
	char path[];
};

struct ctldir {
	struct camfs *fs;
	pthread_mutex_t mutex; /* a leaf */
	struct hash by_id;     /* under mutex */
	struct hash by_path;   /* under mutex */
	uint64_t last_id;      /* under mutex */
};

/* An open file or folder: its content as it was when opened. A reply is made
 * from it, and as soon as the kernel has that, it may release the handle. */
struct open_ctl {
	atomic_int refs;
	int fd; /* of the history; else -1 */
	struct buffer text;
};

static struct open_ctl *ctl_of(const struct fuse_file_info *fi)
{
	return (struct open_ctl *)(uintptr_t)fi->fh;
}

int ctldir_open(struct ctldir **ret_ctldir, struct camfs *fs)
{
	struct ctldir *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->fs = fs;
	pthread_mutex_init(&c->mutex, NULL);
	*ret_ctldir = c;
	return 0;
}

static void drop_node(struct hash_node *n)
{
	free(container_of(n, struct node, by_id));
}

void ctldir_free(struct ctldir *c)
{
	if (!c)
		return;
	free(c->by_path.slots);
	hash_clear(&c->by_id, drop_node);
	pthread_mutex_destroy(&c->mutex);
	free(c);
}

/* ---- nodes ---- */

static uint64_t hash_id(uint64_t id)
{
	return hash_bytes(&id, sizeof(id));
}

static struct node *find_id(struct ctldir *c, uint64_t id)
{
	for (struct hash_node *n = hash_first(&c->by_id, hash_id(id)); n;
	     n = hash_next(n)) {
		struct node *node = container_of(n, struct node, by_id);

		if (node->id == id)
			return node;
	}
	return NULL;
}

static struct node *find_path(struct ctldir *c, const char *path)
{
	for (struct hash_node *n = hash_first(&c->by_path, hash_string(path));
	     n; n = hash_next(n)) {
		struct node *node = container_of(n, struct node, by_path);

		if (!strcmp(node->path, path))
			return node;
	}
	return NULL;
}

static struct node *new_node(struct ctldir *c, const char *path)
{
	size_t size = strlen(path) + 1;
	struct node *node = calloc(1, sizeof(*node) + size);

	if (!node)
		return NULL;
	memcpy(node->path, path, size);
	node->id = CTLDIR_BIT | ++c->last_id;
	if (hash_insert(&c->by_id, &node->by_id, hash_id(node->id)) < 0) {
		free(node);
		return NULL;
	}
	if (hash_insert(&c->by_path, &node->by_path, hash_string(path)) < 0) {
		hash_remove(&c->by_id, &node->by_id);
		free(node);
		return NULL;
	}
	return node;
}

/* The id of a path, with one more lookup; 0 when memory is short. */
static uint64_t get_node(struct ctldir *c, const char *path)
{
	struct node *node;

	LOCK_SCOPE(&c->mutex);
	node = find_path(c, path);
	if (!node)
		node = new_node(c, path);
	if (!node)
		return 0;
	node->nlookup++;
	return node->id;
}

void ctldir_forget(struct camfs *fs, fuse_ino_t ino, uint64_t n)
{
	struct ctldir *c = fs->ctldir;
	struct node *node;

	LOCK_SCOPE(&c->mutex);
	node = find_id(c, ino);
	if (!node)
		return;
	node->nlookup -= n < node->nlookup ? n : node->nlookup;
	if (node->nlookup)
		return;
	hash_remove(&c->by_id, &node->by_id);
	hash_remove(&c->by_path, &node->by_path);
	free(node);
}

/* A copy of its path, on the heap. */
static char *path_of(struct ctldir *c, uint64_t id)
{
	struct node *node;

	LOCK_SCOPE(&c->mutex);
	node = find_id(c, id);
	return node ? strdup(node->path) : NULL;
}

static char *join(struct ctldir *c, fuse_ino_t dir, const char *name)
{
	_cleanup_free_ char *parent = dir == FUSE_ROOT_ID ? NULL
							  : path_of(c, dir);
	char *path = NULL;

	if (dir == FUSE_ROOT_ID)
		return strdup("");
	if (!parent ||
	    asprintf(&path, "%s%s%s", parent, *parent ? "/" : "", name) < 0)
		return NULL;
	return path;
}

/* ---- requests ---- */

void ctldir_lookup(fuse_req_t req, fuse_ino_t dir, const char *name)
{
	struct ctldir *c = camfs_of(req)->ctldir;
	_cleanup_free_ char *path = join(c, dir, name);
	struct fuse_entry_param entry = {};
	int r = path ? ctlview_stat(c->fs, path, &entry.attr) : -ESTALE;

	if (r == 0) {
		entry.ino = get_node(c, path);
		entry.attr.st_ino = entry.ino;
		r = entry.ino ? 0 : -ENOMEM;
	}
	if (r < 0)
		fuse_reply_err(req, -r);
	else if (fuse_reply_entry(req, &entry) < 0)
		ctldir_forget(c->fs, entry.ino, 1);
}

void ctldir_getattr(fuse_req_t req, fuse_ino_t ino)
{
	struct ctldir *c = camfs_of(req)->ctldir;
	_cleanup_free_ char *path = path_of(c, ino);
	struct stat st;
	int r = path ? ctlview_stat(c->fs, path, &st) : -ESTALE;

	st.st_ino = ino;
	if (r < 0)
		fuse_reply_err(req, -r);
	else
		fuse_reply_attr(req, &st, 0);
}

static void unref_ctl(struct open_ctl *o)
{
	if (atomic_fetch_sub(&o->refs, 1) > 1)
		return;
	if (o->fd >= 0)
		close(o->fd);
	buffer_release(&o->text);
	free(o);
}

static int fill_file(struct camfs *fs, const char *path, struct open_ctl *o)
{
	if (strcmp(path, CTLVIEW_HISTORY) != 0)
		return ctlview_read(fs, path, &o->text);
	o->fd = openat(fs->share.state_fd, HISTORY_NAME,
		       O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	return o->fd < 0 ? -errno : 0;
}

static void
reply_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi,
	   int (*fill)(struct camfs *, const char *, struct open_ctl *))
{
	struct camfs *fs = camfs_of(req);
	_cleanup_free_ char *path = path_of(fs->ctldir, ino);
	struct open_ctl *o = calloc(1, sizeof(*o));
	int r = -ENOMEM;

	if (o) {
		o->refs = 1;
		o->fd = -1;
		r = path ? fill(fs, path, o) : -ESTALE;
	}
	if (r < 0) {
		if (o)
			unref_ctl(o);
		fuse_reply_err(req, -r);
		return;
	}
	fi->fh = (uintptr_t)o;
	fi->direct_io = 1;
	if (fuse_reply_open(req, fi) < 0)
		unref_ctl(o);
}

void ctldir_open_file(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	if ((fi->flags & O_ACCMODE) != O_RDONLY)
		fuse_reply_err(req, EACCES);
	else
		reply_open(req, ino, fi, fill_file);
}

static void reply_file(fuse_req_t req, int fd, size_t size, off_t offset)
{
	struct fuse_bufvec buf = FUSE_BUFVEC_INIT(size);

	buf.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
	buf.buf[0].fd = fd;
	buf.buf[0].pos = offset;
	fuse_reply_data(req, &buf, 0);
}

static void reply_text(fuse_req_t req, const struct open_ctl *o, size_t size,
		       off_t offset)
{
	if ((size_t)offset >= o->text.len)
		size = 0;
	else if (size > o->text.len - (size_t)offset)
		size = o->text.len - (size_t)offset;
	fuse_reply_buf(req, size ? o->text.data + offset : NULL, size);
}

void ctldir_read(fuse_req_t req, size_t size, off_t offset,
		 struct fuse_file_info *fi)
{
	struct open_ctl *o = ctl_of(fi);

	atomic_fetch_add(&o->refs, 1);
	if (o->fd >= 0)
		reply_file(req, o->fd, size, offset);
	else
		reply_text(req, o, size, offset);
	unref_ctl(o);
}

void ctldir_release(fuse_req_t req, struct fuse_file_info *fi)
{
	unref_ctl(ctl_of(fi));
}

static int fill_folder(struct camfs *fs, const char *path, struct open_ctl *o)
{
	static const char dots[] = "d.\0d..";
	int r = buffer_append(&o->text, dots, sizeof(dots));

	return r == 0 ? ctlview_list(fs, path, &o->text) : r;
}

void ctldir_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	reply_open(req, ino, fi, fill_folder);
}

/* An entry's offset is the one behind it in the list. */
static void reply_entries(fuse_req_t req, size_t size, off_t offset,
			  struct fuse_file_info *fi, bool plus)
{
	const struct buffer *list = &ctl_of(fi)->text;
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
	unref_ctl(ctl_of(fi));
}
