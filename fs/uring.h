/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An io_uring(7) with one command at a time, and a descriptor that ends the
 * waiting. Of one thread, the one that first submits something.
 */
#ifndef FS_URING_H
#define FS_URING_H

#include <linux/io_uring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define URING_COMMAND offsetof(struct io_uring_sqe, cmd) /* 80 bytes */

struct uring {
	int fd; /* 0: not open */
	bool is_watching;
	bool has_ended;
	int stop_fd;
	unsigned char *rings;
	size_t rings_size;
	unsigned char *sqes; /* of 128 bytes */
	struct io_uring_params params;
};

/* Returns 0 or -errno. */
int uring_open(struct uring *u, int stop_fd);

/* An entry to fill in, all zero. */
struct io_uring_sqe *uring_next(struct uring *u);

/* Hands it to the kernel. Returns 0, or -errno if it failed at once. */
int uring_submit(struct uring *u);

/* Hands it to the kernel, if that was not done, and waits until it is done.
 * Returns 0, or -errno: that of the command, or -ECANCELED because stop_fd is
 * readable. */
int uring_wait(struct uring *u);

/* Also of one that is all zero. */
void uring_close(struct uring *u);

#endif
