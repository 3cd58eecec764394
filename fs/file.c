/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/writers.h"
#include "fs/backing.h"
#include "fs/machine.h"
#include "fs/mapped.h"

/* How often to look at once whether a released handle's file is free of
 * writers: the kernel puts its own reference off for a moment. */
#define LOOKS_AT_ONCE 4

bool file_flags_write(int flags)
{
	return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC);
}

static struct open_file *file_of_use(struct inode_use *use)
{
	return container_of(use, struct open_file, use);
}

static bool can_write(const struct open_file *f)
{
	return f->grant.checkout || f->grant.folder;
}

/* ---- opening and releasing ---- */

static bool keeps_bits(const struct open_file *file)
{
	struct stat st;

	return file->uid == 0 && file_flags_write(file->flags) &&
	       fstat(file->use.fd, &st) == 0 &&
	       (st.st_mode & (S_ISUID | S_ISGID));
}

static void link_file(fuse_req_t req, struct open_file *file,
		      struct fuse_file_info *fi)
{
	struct camfs *fs = camfs_of(req);
	struct inode *inode = file->inode;
	pthread_mutex_t *stripe = inode_stripe(&fs->inodes, inode);
	_cleanup_close_ int opened = -1;
	int reader = file_flags_write(file->flags) ? -1 : file->use.fd;

	pthread_mutex_lock(stripe);
	if (reader < 0 && backing_is_needed(fs, file)) {
		pthread_mutex_unlock(stripe);
		reader = opened = backing_open_reader(file);
		pthread_mutex_lock(stripe);
	}
	backing_choose(req, file, reader, fi);
	file->use.next = inode->uses;
	inode->uses = &file->use;
	pthread_mutex_unlock(stripe);
}

int file_check_room(fuse_req_t req)
{
	return quota_has_room(&camfs_of(req)->quota, QUOTA_HANDLES,
			      fuse_req_ctx(req)->uid)
		       ? 0
		       : -EMFILE;
}

/* A write through a mapping changes the time without the kernel's noticing.
 * Attributes only: that takes no lock a request could hold. */
static void refresh_time(struct camfs *fs, const struct open_file *file,
			 bool written)
{
	bool scratch = !file->grant.checkout; /* of which nothing is known */

	if (file->passthrough && (file->flags & O_ACCMODE) == O_RDWR &&
	    (written || scratch))
		fuse_lowlevel_notify_inval_inode(fs->session, file->id, -1, 0);
}

void file_free(struct camfs *fs, struct open_file *file, bool written)
{
	refresh_time(fs, file, written);
	gate_close(fs, &file->grant, file->flushed, written);
	quota_give(&fs->quota, QUOTA_HANDLES, file->uid);
	free(file);
}

static void set_machine(struct open_file *file, const struct camfs *fs,
			pid_t tid)
{
	file->machine = machine_of(fs, tid);
	if (!file->machine)
		return;
	file->reader = process_id(tid);
	clock_gettime(CLOCK_REALTIME, &file->since);
}

int file_open(fuse_req_t req, struct inode *inode, int fd, struct grant *grant,
	      bool emptied, struct fuse_file_info *fi)
{
	struct camfs *fs = camfs_of(req);
	uid_t uid = fuse_req_ctx(req)->uid;
	struct open_file *file;

	if (!quota_take(&fs->quota, QUOTA_HANDLES, uid))
		return -EMFILE;
	file = calloc(1, sizeof(*file));
	if (!file) {
		quota_give(&fs->quota, QUOTA_HANDLES, uid);
		return -ENOMEM;
	}
	file->inode = inode;
	file->id = inode->id;
	file->uid = uid;
	file->use.fd = fd;
	file->flags = fi->flags;
	file->emptied = emptied;
	file->keeps_bits = keeps_bits(file);
	if (grant->checkout && !emptied && fstat(fd, &file->start) < 0) {
		int r = -errno;

		file_free(fs, file, false);
		return r;
	}
	if (!file_flags_write(fi->flags))
		set_machine(file, fs, fuse_req_ctx(req)->pid);
	file->grant = *grant;
	*grant = (struct grant){};
	fi->fh = (uintptr_t)file;
	/* Only a writer's flush says anything to us. (Once it is linked, a
	 * rename may change what it has.) */
	fi->noflush = !can_write(file);
	link_file(req, file, fi);
	return 0;
}

static char *path_of_grant(struct camfs *fs, const struct open_file *file)
{
	LOCK_SCOPE(inode_stripe(&fs->inodes, file->inode));
	return file->grant.checkout
		       ? checkouts_path(fs->checkouts, file->grant.checkout)
		       : NULL;
}

bool file_is_current(struct camfs *fs, struct open_file *file)
{
	_cleanup_free_ char *path = path_of_grant(fs, file);

	return !path || gate_still_leads(fs, path, file->inode);
}

/* What the kernel wrote by itself, we only see in the file's times. */
bool file_has_changed(int fd, const struct stat *start)
{
	struct stat now;

	return fstat(fd, &now) == 0 &&
	       (now.st_size != start->st_size ||
		now.st_mtim.tv_sec != start->st_mtim.tv_sec ||
		now.st_mtim.tv_nsec != start->st_mtim.tv_nsec);
}

/* Returns a backing file to close, or 0. */
static int32_t leave_inode(struct camfs *fs, struct open_file *file)
{
	pthread_mutex_t *stripe = inode_stripe(&fs->inodes, file->inode);
	struct inode_use **p = &file->inode->uses;
	int32_t unused;

	file->mapping = mapped_begin(fs->mapped, file);
	pthread_mutex_lock(stripe);
	while (*p != &file->use)
		p = &(*p)->next;
	*p = file->use.next;
	unused = backing_leave(file);
	if (file->mapping)
		mapped_enter(file->mapping);
	pthread_mutex_unlock(stripe);
	return unused;
}

void file_unlink(fuse_req_t req, struct open_file *file)
{
	backing_close(req, leave_inode(camfs_of(req), file));
}

/* A descriptor to find out with whether the file is still mapped for writing;
 * or -1. */
static int open_mapping_probe(const struct open_file *file)
{
	char path[PROC_PATH_SIZE];

	if (!file->mapping)
		return -1;
	share_proc_path(file->use.fd, path);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static bool is_mapped(int probe)
{
	for (int i = 0; i < LOOKS_AT_ONCE; i++) {
		if (!writers_exist(probe))
			return false;
		sched_yield();
	}
	return true;
}

static void close_one(struct camfs *fs, struct open_file *file)
{
	_cleanup_close_ int probe = open_mapping_probe(file);
	bool written = file->emptied ||
		       file_has_changed(file->use.fd, &file->start);

	file->grant.after = stale_save_version(fs, file->use.fd);
	close(file->use.fd);
	if (probe >= 0 && is_mapped(probe)) {
		mapped_wait(file->mapping, take_fd(probe), written);
		return;
	}
	if (file->mapping)
		mapped_leave(file->mapping);
	/* through a mapping that has just ended */
	if (probe >= 0) {
		written |= file_has_changed(probe, &file->start);
		file->grant.after = stale_save_version(fs, probe);
	}
	file_free(fs, file, file->grant.checkout && written);
}

void file_close(struct camfs *fs, struct open_file *file)
{
	struct quota_waiter *next = &file->closing;
	uid_t uid = file->uid;

	if (!quota_begin(&fs->quota, uid, next))
		return;
	do
		close_one(fs, container_of(next, struct open_file, closing));
	while ((next = quota_end(&fs->quota, uid)));
}

void file_release(fuse_req_t req, struct open_file *file)
{
	file_unlink(req, file); /* no rename changes its grant from here on */
	file_close(camfs_of(req), file);
}

void file_lose(struct camfs *fs, struct open_file *file)
{
	leave_inode(fs, file); /* the kernel's backing files went, too */
	file_close(fs, file);
}

struct open_files {
	struct inode_use *uses;
};

static void take_all(void *arg, struct inode *inode)
{
	struct open_files *all = arg;

	while (inode->uses) {
		struct inode_use *use = inode->uses;

		inode->uses = use->next;
		use->next = all->uses;
		all->uses = use;
	}
}

/* No descriptor of ours that could write, so that others' can be told. */
static void read_only(struct open_file *file)
{
	int reader = backing_open_reader(file);

	if (reader < 0)
		return;
	close(file->use.fd);
	file->use.fd = reader;
}

void file_leave(struct camfs *fs, struct open_file *file)
{
	seen_end(fs->seen, file->grant.write, NULL, false);
	free(file->grant.folder);
	free(file);
}

void file_close_all(struct camfs *fs, bool early)
{
	struct open_files all = {};

	inodes_for_each(&fs->inodes, take_all, &all);
	for (struct inode_use *u = all.uses; early && u; u = u->next)
		read_only(file_of_use(u));
	while (all.uses) {
		struct open_file *file = file_of_use(all.uses);

		all.uses = file->use.next;
		if (early && writers_exist(file->use.fd)) {
			close(file->use.fd);
			file_leave(fs, file);
		} else {
			file_close(fs, file);
		}
	}
}

/* ---- while it is open ---- */

int file_check_write(struct camfs *fs, const struct open_file *file)
{
	if (registry_is_sure(fs->registry))
		return 0;
	LOCK_SCOPE(inode_stripe(&fs->inodes, file->inode));
	return file->grant.checkout ? -EIO : 0;
}

void file_set_flushed(struct camfs *fs, struct open_file *file, bool flushed)
{
	LOCK_SCOPE(inode_stripe(&fs->inodes, file->inode));
	if (flushed || file->flushed)
		seen_flushed(fs->seen, file->grant.write, flushed);
	if (!file->grant.checkout || file->flushed == flushed)
		return;
	file->flushed = flushed;
	checkouts_flushed(fs->checkouts, file->grant.checkout, flushed);
}

/* A handle's old grant, to be given back when no mutex is held. */
struct old_grant {
	struct old_grant *next;
	struct grant grant;
	bool flushed;
};

/* Under the stripe. Without memory the handle keeps what it has. */
static struct old_grant *exchange_grant(struct camfs *fs,
					struct open_file *file, uint64_t name,
					struct checkout *checkout,
					const char *folder)
{
	struct old_grant *old = calloc(1, sizeof(*old));
	char *copy = folder ? strdup(folder) : NULL;

	if (!old || (folder && !copy)) {
		free(old);
		return NULL;
	}
	old->grant = file->grant;
	old->flushed = file->flushed;
	old->grant.write = NULL; /* it stays with the handle */
	seen_moved(fs->seen, file->grant.write, name);
	file->grant.checkout = checkout;
	file->grant.folder = copy;
	if (checkout)
		checkouts_add_use(fs->checkouts, checkout, file->flushed);
	if (copy)
		checkouts_scratch(fs->checkouts, file->grant.pid, copy, 1);
	/* A temp file is new to the document, all of it. */
	if (!old->grant.checkout)
		file->emptied = true;
	return old;
}

void file_retarget(struct camfs *fs, struct inode *inode, uint64_t name,
		   struct checkout *checkout, const char *folder)
{
	struct old_grant *list = NULL;

	pthread_mutex_lock(inode_stripe(&fs->inodes, inode));
	for (struct inode_use *u = inode->uses; u; u = u->next) {
		struct old_grant *old;

		if (!can_write(file_of_use(u)))
			continue;
		old = exchange_grant(fs, file_of_use(u), name, checkout,
				     folder);
		if (!old)
			continue;
		old->next = list;
		list = old;
	}
	pthread_mutex_unlock(inode_stripe(&fs->inodes, inode));
	while (list) {
		struct old_grant *old = list;

		list = old->next;
		gate_close(fs, &old->grant, old->grant.checkout && old->flushed,
			   false);
		free(old);
	}
	mapped_retarget(fs->mapped, inode, name, checkout, folder);
}

bool file_find_machine(struct camfs *fs, struct inode *inode, pid_t but,
		       struct file_reader *ret_reader)
{
	LOCK_SCOPE(inode_stripe(&fs->inodes, inode));
	for (struct inode_use *u = inode->uses; u; u = u->next) {
		const struct open_file *f = file_of_use(u);

		if (!f->machine || f->reader == but)
			continue;
		*ret_reader = (struct file_reader){ f->machine, f->uid,
						    f->reader, f->since };
		return true;
	}
	return false;
}

struct other_writer {
	struct camfs *fs;
	uid_t uid; /* not he */
	const struct open_file *found;
	struct grant grant; /* of it, if it was found */
};

static void look_for_writer(void *arg, struct inode *inode)
{
	struct other_writer *other = arg;

	LOCK_SCOPE(inode_stripe(&other->fs->inodes, inode));
	for (struct inode_use *u = inode->uses; u; u = u->next) {
		const struct open_file *f = file_of_use(u);

		if (!can_write(f) || f->grant.uid == other->uid)
			continue;
		other->found = f;
		other->grant = f->grant;
	}
}

static void look_for_any_writer(void *arg, struct inode *inode)
{
	struct other_writer *any = arg;

	LOCK_SCOPE(inode_stripe(&any->fs->inodes, inode));
	for (struct inode_use *u = inode->uses; u; u = u->next)
		if (can_write(file_of_use(u)))
			any->found = file_of_use(u);
}

bool file_has_writer(struct camfs *fs, const struct stat *st)
{
	struct other_writer any = { .fs = fs };

	inodes_with_file(&fs->inodes, st, look_for_any_writer, &any);
	return any.found;
}

bool file_has_other_writer(struct camfs *fs, const struct stat *st, uid_t uid,
			   uid_t *ret_uid, pid_t *ret_pid)
{
	struct other_writer other = { .fs = fs, .uid = uid };

	inodes_with_file(&fs->inodes, st, look_for_writer, &other);
	if (!other.found)
		return mapped_by_other(fs->mapped, st, uid, ret_uid, ret_pid);
	*ret_uid = other.grant.uid;
	*ret_pid = other.grant.pid;
	return true;
}

/* Whether a file's size or time is not what it was, as far as the kernel has
 * heard: its file system, which may hang, is not asked. */
static bool looks_changed(int fd, const struct stat *start)
{
	struct statx now;

	return statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC,
		     STATX_SIZE | STATX_MTIME, &now) == 0 &&
	       ((off_t)now.stx_size != start->st_size ||
		now.stx_mtime.tv_sec != start->st_mtim.tv_sec ||
		now.stx_mtime.tv_nsec != start->st_mtim.tv_nsec);
}

struct look {
	struct camfs *fs;
	bool found;
	bool changed;
};

static void look_at_inode(void *arg, struct inode *inode)
{
	struct look *look = arg;
	struct open_file *oldest = NULL;

	LOCK_SCOPE(inode_stripe(&look->fs->inodes, inode));
	for (struct inode_use *u = inode->uses; u; u = u->next) {
		struct open_file *f = file_of_use(u);

		if (!f->grant.checkout)
			continue;
		look->changed |= f->emptied;
		oldest = f;
	}
	look->found = oldest;
	if (oldest && !look->changed)
		look->changed = looks_changed(oldest->use.fd, &oldest->start);
}

bool file_is_untouched(struct camfs *fs, const char *path)
{
	struct look look = { .fs = fs };

	inodes_with_path(&fs->inodes, path, look_at_inode, &look);
	return look.found && !look.changed;
}
