/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Checkouts of files whose handles are released, but which may still be
 * mapped for writing; see fs/file.h.
 */
#ifndef FS_MAPPED_H
#define FS_MAPPED_H

#include "fs/file.h"

struct mapped;

int mapped_open(struct mapped **ret_mapped, struct camfs *fs);

/* It looks no more, and tells the kernel nothing; before the session ends. */
void mapped_stop(struct mapped *m);

/* Forgets what it waits for. NULL-safe. */
void mapped_free(struct mapped *m);

/* Whether nobody can write to the file of this descriptor, which was opened
 * for reading only. */
bool mapped_is_over(int fd);

/* Whether it waits for the end of a mapping of that file. */
bool mapped_has(struct mapped *m, const struct stat *st);

/* Looks again and again, more and more seldom, and closes the gate when it is
 * over. Takes the descriptor and the file, whose own is closed. */
void mapped_wait(struct mapped *m, int fd, struct open_file *file,
		 bool written);

#endif
