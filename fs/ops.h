/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the operations have in common, and their names, for the table in
 * ops.c. Each has the signature and the duty that <fuse_lowlevel.h> says.
 */
#ifndef FS_OPS_H
#define FS_OPS_H

#include "fs/camfs.h"

/* The inode of a request. If there is none, or it belongs to `.locks`, which
 * no ordinary operation touches, the error is replied and NULL returned. */
struct inode *ops_inode(fuse_req_t req, fuse_ino_t ino);

/* Whether a name may be used in a folder: 0; for our own files, which are not
 * to be seen, -ENOENT, or -EPERM if the name is to be made; -EPERM for
 * `.locks` in the root. */
int ops_check_name(struct camfs *fs, const struct inode *dir, const char *name,
		   bool make);

/* The folder for a new or removed name, opened. Returns the descriptor, or -1
 * when the error has been replied. */
int ops_open_dir(fuse_req_t req, fuse_ino_t ino, const char *name, bool to_make,
		 struct inode **ret_dir);

/* How long the kernel may believe what we say of a file. */
double ops_cache_seconds(const struct camfs *fs, const struct stat *st);

/* Replies with an entry for what is now found under the name. */
void ops_reply_entry(fuse_req_t req, struct inode *dir, int dirfd,
		     const char *name);

/* Fills an entry, which counts as one lookup; `name` NULL: a file without one.
 * Returns 0 or -errno. */
int ops_fill_entry(struct camfs *fs, struct inode *dir, const char *name,
		   struct found *found, struct fuse_entry_param *ret_entry);

/* ops_lookup.c */
void op_lookup(fuse_req_t req, fuse_ino_t dir, const char *name);
void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t n);
void op_forget_multi(fuse_req_t req, size_t n, struct fuse_forget_data *list);
void op_readlink(fuse_req_t req, fuse_ino_t ino);

/* ops_make.c */
void op_mknod(fuse_req_t req, fuse_ino_t dir, const char *name, mode_t mode,
	      dev_t dev);
void op_mkdir(fuse_req_t req, fuse_ino_t dir, const char *name, mode_t mode);
void op_symlink(fuse_req_t req, const char *target, fuse_ino_t dir,
		const char *name);

/* ops_name.c */
void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t dir, const char *name);
void op_unlink(fuse_req_t req, fuse_ino_t dir, const char *name);
void op_rmdir(fuse_req_t req, fuse_ino_t dir, const char *name);
void op_rename(fuse_req_t req, fuse_ino_t dir, const char *name,
	       fuse_ino_t to_dir, const char *to_name, unsigned int flags);

/* ops_attr.c */
void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_statx(fuse_req_t req, fuse_ino_t ino, int flags, int mask,
	      struct fuse_file_info *fi);
void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int valid,
		struct fuse_file_info *fi);
void op_statfs(fuse_req_t req, fuse_ino_t ino);
void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size);
void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name,
		 const char *value, size_t size, int flags);
void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size);
void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name);

/* ops_file.c */
void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_create(fuse_req_t req, fuse_ino_t dir, const char *name, mode_t mode,
	       struct fuse_file_info *fi);
void op_tmpfile(fuse_req_t req, fuse_ino_t dir, mode_t mode,
		struct fuse_file_info *fi);
void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
	     struct fuse_file_info *fi);
void op_write_buf(fuse_req_t req, fuse_ino_t ino, struct fuse_bufvec *data,
		  off_t offset, struct fuse_file_info *fi);
void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_poll(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi,
	     struct fuse_pollhandle *ph);
void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync,
	      struct fuse_file_info *fi);
void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset,
		  off_t length, struct fuse_file_info *fi);
void op_lseek(fuse_req_t req, fuse_ino_t ino, off_t offset, int whence,
	      struct fuse_file_info *fi);
void op_copy_file_range(fuse_req_t req, fuse_ino_t ino, off_t offset,
			struct fuse_file_info *fi, fuse_ino_t to_ino,
			off_t to_offset, struct fuse_file_info *to_fi,
			size_t size, int flags);

/* ops_dir.c */
void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		struct fuse_file_info *fi);
void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		    struct fuse_file_info *fi);
void op_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync,
		 struct fuse_file_info *fi);

#endif
