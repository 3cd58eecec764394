/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A file that is kept up to date by a thread: not more often than it must, and
 * not at all while nothing is told. See fs/metrics.h.
 */
#ifndef FS_METRICSFILE_H
#define FS_METRICSFILE_H

#include "core/buffer.h"

struct metricsfile;

/* Its folder is opened, and tried. All that is read begins with `head`: what is
 * there and does not is somebody else's, which is neither replaced nor removed.
 * Returns 0; -EEXIST if it is; or another -errno. */
int metricsfile_open(struct metricsfile **ret_file, const char *path,
		     const char *head, int (*read)(void *arg, struct buffer *b),
		     void *arg);

/* It is written at once, and then after changes. */
int metricsfile_start(struct metricsfile *f);

/* Something has changed. Keeps nobody waiting. */
void metricsfile_tell(struct metricsfile *f);

/* Writes no more, and removes it. */
void metricsfile_stop(struct metricsfile *f);
void metricsfile_free(struct metricsfile *f); /* NULL-safe; stopped */

#endif
