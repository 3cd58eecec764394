/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Metrics as Prometheus reads them (its text format, version 0.0.4).
 *
 *	exposition_family(&x, "camlock_records", "gauge", "What ...");
 *	exposition_value(&x, "camlock_records", "kind", "open", 3);
 *
 * Every sample has a label `share`: one machine may have several mounts. After
 * an error nothing is added any more, and it stays in `error`.
 */
#ifndef CORE_EXPOSITION_H
#define CORE_EXPOSITION_H

#include "core/buffer.h"

struct exposition {
	struct buffer *b;
	const char *share;
	int error; /* 0 or -ENOMEM */
};

void exposition_family(struct exposition *x, const char *name, const char *type,
		       const char *help);

/* With one label more, or none (NULL). */
void exposition_value(struct exposition *x, const char *name, const char *label,
		      const char *label_value, double value);

/* How many records there are of each kind. */
struct exposition_records {
	size_t open, kept, stale;
};

void exposition_records(struct exposition *x,
			const struct exposition_records *n);

#endif
