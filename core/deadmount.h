/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a mount answers whose daemon is gone.
 */
#ifndef CORE_DEADMOUNT_H
#define CORE_DEADMOUNT_H

#include <errno.h>
#include <stdbool.h>

/* It is ENOTCONN for good. But the kernel lets the connection go a moment after
 * the daemon, some milliseconds with io_uring, and ends what was asked in
 * between with ECONNABORTED, or with ECANCELED if it was on its way to a thread
 * already (fs/fuse/dev_uring.c, seen with Linux 6.18). */
static inline bool deadmount_says(int error)
{
	return error == ENOTCONN || error == ECONNABORTED || error == ECANCELED;
}

#endif
