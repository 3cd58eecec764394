/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The share's file handles (name_to_handle_at(2)), by which a file is found
 * again whatever its name is; and the same put into a number that fits into 62
 * bits, for an inode's id: then an NFS client's handle of the mount, which is
 * that id, leads to its file for as long as there is one, whatever we have
 * forgotten, and after the mount was mounted anew.
 *
 * A number can be had where a handle is nothing but the inode's number, below
 * 2^30, and its generation, which tells it from earlier files of that number:
 * on ext4, and on XFS below about 500 GB.
 */
#ifndef FS_HANDLE_H
#define FS_HANDLE_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/siphash.h"

#define HANDLE_SIZE 128 /* MAX_HANDLE_SZ */

/* What a share's handles look like; `bytes` 0: no numbers. */
struct handle_form {
	int type;
	unsigned bytes;
};

union handle_space {
	struct file_handle handle;
	char space[sizeof(struct file_handle) + HANDLE_SIZE];
};

/* The handle of a name in a folder, or of the descriptor itself (name ""), and
 * the mount it is on. Returns 0 or -errno. */
int handle_get(int fd, const char *name, union handle_space *ret_handle,
	       int *ret_mount_id);

/* A copy on the heap, or NULL. */
struct file_handle *handle_copy(const struct file_handle *handle);

/* Two NULLs are the same. */
bool handle_same(const struct file_handle *a, const struct file_handle *b);

/* As that of one file, whose inode number is known. */
struct handle_form handle_form_of(const struct file_handle *handle, ino_t ino);

/* The inode number in a handle of that form, or 0. */
ino_t handle_ino(const struct handle_form *form,
		 const struct file_handle *handle);

/* The number, or 0 if there is none; and the handle for a number. */
uint64_t handle_number(const struct handle_form *form,
		       const struct file_handle *handle, ino_t ino);
void handle_of_number(const struct handle_form *form, uint64_t number,
		      union handle_space *ret_handle);

/* The key by which numbers we gave out are known from those somebody made up;
 * in .camlock, so that it is the same for every mount of the share. Returns 0
 * or -errno. */
int handle_key(int state_fd, uint8_t ret_key[SIPHASH_KEY_SIZE]);

#endif
