/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * libfuse, and what older versions of it lack.
 *
 * Kernel passthrough needs libfuse 3.17; with an older one it is never used.
 */
#ifndef FS_FUSE_H
#define FS_FUSE_H

#ifndef FUSE_USE_VERSION
#define FUSE_USE_VERSION 314
#endif

#include <fuse_lowlevel.h>

#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
#define HAVE_PASSTHROUGH 1
#else
#define HAVE_PASSTHROUGH 0
#endif

/* KILLS_PRIV(): whether a write takes set-user-ID bits away; any but root's.
 * O_TMPFILE, if the kernel is 6.1 or newer, and when a file was made
 * (statx(2)), if it is 6.6 or newer. */
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)
#define HAVE_TMPFILE 1
#define HAVE_STATX 1
#define KILLS_PRIV(fi) ((fi)->kill_suidgid)
#else
#define HAVE_TMPFILE 0
#define HAVE_STATX 0
#define KILLS_PRIV(fi) true
#endif

/* That set-user-ID bits are cleared by us, not by the kernel asking us to. What
 * version 2 (libfuse 3.16) has more matters with passthrough only. */
#ifdef FUSE_CAP_HANDLE_KILLPRIV_V2
#define CAP_KILLPRIV FUSE_CAP_HANDLE_KILLPRIV_V2
#else
#define CAP_KILLPRIV FUSE_CAP_HANDLE_KILLPRIV
#endif

#endif
