/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How the mount is doing, for Prometheus: `camlock metrics`, and the file of
 * --metrics for node_exporter's textfile collector.
 *
 * The file is replaced in one step (a temporary file beside it, renamed), when
 * something was counted, but at most every METRICS_SECONDS: while nothing is
 * done, nobody wakes up. It is removed when the mount ends.
 */
#ifndef FS_METRICS_H
#define FS_METRICS_H

#include "core/buffer.h"
#include "core/measures.h"
#include "fs/camfs.h"

#define METRICS_SECONDS 15

struct metrics;

/* Counts from now on; the history must be initialised. On error says what is
 * wrong with the file, and returns -errno. */
int metrics_open(struct metrics **ret_metrics, struct camfs *fs);

/* What core counts. */
struct measures *metrics_measures(struct metrics *m);

/* An opening or the like failed for want of the file lock, or of the share. */
void metrics_failed(struct metrics *m, int error);

/* Begins to write the file, when the rest of `fs` is there; and ends that. */
int metrics_start(struct metrics *m);
void metrics_stop(struct metrics *m); /* NULL-safe, as the next */
void metrics_free(struct metrics *m);

/* Appends all there is to say. Returns 0 or -errno. */
int metrics_read(struct metrics *m, struct buffer *b);

#endif
