/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Files whose handles are released, but which may still be mapped for writing;
 * see fs/file.h. What such a handle had, a checkout or, of a scratch file, its
 * folder, stays with the mapping, and follows the file's name as a handle does.
 */
#ifndef FS_MAPPED_H
#define FS_MAPPED_H

#include "fs/file.h"

struct mapped;
struct mapping;

int mapped_open(struct mapped **ret_mapped, struct camfs *fs);

/* It looks no more, and tells the kernel nothing; before the session ends. What
 * is still mapped outlives us: file_leave(). */
void mapped_stop(struct mapped *m);

/* Forgets what it waits for. NULL-safe. */
void mapped_free(struct mapped *m);

/* Whether it waits for the end of a mapping of that file. */
bool mapped_has(struct mapped *m, const struct stat *st);

/* Whether another user can write to that file so; then who is set. */
bool mapped_by_other(struct mapped *m, const struct stat *st, uid_t uid,
		     uid_t *ret_uid, pid_t *ret_pid);

/* The inode's name was changed: as file_retarget(), for its mappings. */
void mapped_retarget(struct mapped *m, const struct inode *inode, uint64_t name,
		     struct checkout *checkout, const char *folder);

/* A handle is released in steps, so that at any time either it is among its
 * inode's, or its mapping is here:
 *
 *	mapped_begin()	NULL when it can't be mapped, or memory is short
 *	mapped_enter()	under the inode's stripe, as it is taken out there
 *	mapped_wait() or mapped_leave()
 *
 * mapped_wait() looks again and again, more and more seldom, and closes the
 * gate when it is over. It takes the descriptor and the file, whose own is
 * closed. mapped_leave(): it is not mapped; the file's grant is final. */
struct mapping *mapped_begin(struct mapped *m, struct open_file *file);
void mapped_enter(struct mapping *map);
void mapped_wait(struct mapping *map, int fd, bool written);
void mapped_leave(struct mapping *map);

#endif
