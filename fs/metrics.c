/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/metrics.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/cleanup.h"
#include "core/exposition.h"
#include "core/wait.h"
#include "fs/log.h"
#include "fs/metricsfile.h"

#define LENGTH(a) (sizeof(a) / sizeof(*(a)))

/* All the history may say (core/history.h); what else, is "other". */
static const char *const events[] = {
	HISTORY_SAVED,	   HISTORY_DELETED, HISTORY_RENAMED,	HISTORY_REFUSED,
	HISTORY_CHECKOUT,  HISTORY_CHECKIN, HISTORY_BROKEN,	HISTORY_STOLEN,
	HISTORY_RECOVERED, HISTORY_REAPED,  HISTORY_REASSERTED, HISTORY_LOST,
	HISTORY_STALE,	   HISTORY_DAMAGED, HISTORY_REVERTED,	"other",
};

/* By the kind of what was in the way. */
static const char *const reasons[] = {
	RECORD_KIND_OPEN, RECORD_KIND_KEPT, "changed", /* a stale save */
	"running",				       /* a machine has it */
	"other",
};

enum failure {
	TIMED_OUT,
	INTERRUPTED,
	FAILED
};

static const char *const failures[] = { "timeout", "interrupted", "error" };

struct metrics {
	struct camfs *fs;
	struct measures measures;
	atomic_uint_fast64_t events[LENGTH(events)];
	atomic_uint_fast64_t reasons[LENGTH(reasons)];
	atomic_uint_fast64_t failures[LENGTH(failures)];
	time_t began;
	struct metricsfile *file; /* NULL: none is wanted */
};

/* ---- counting ---- */

static void count(atomic_uint_fast64_t *n)
{
	atomic_fetch_add_explicit(n, 1, memory_order_relaxed);
}

static void changed(void *metrics)
{
	struct metrics *m = metrics;

	if (m->file)
		metricsfile_tell(m->file);
}

/* The last one, if it is none of the others. */
static size_t index_of(const char *name, const char *const *names, size_t n)
{
	size_t i = 0;

	while (i < n - 1 && strcmp(name, names[i]) != 0)
		i++;
	return i;
}

/* A Python tool's record says no kind, and names no program. */
static const char *kind_of(const struct record *holder)
{
	if (holder && holder->kind)
		return holder->kind;
	return holder && holder->pid ? RECORD_KIND_OPEN : RECORD_KIND_KEPT;
}

static void on_event(void *metrics, const char *event,
		     const struct record *holder)
{
	struct metrics *m = metrics;
	const char *kind = kind_of(holder);

	count(&m->events[index_of(event, events, LENGTH(events))]);
	if (!strcmp(event, HISTORY_REFUSED))
		count(&m->reasons[index_of(kind, reasons, LENGTH(reasons))]);
	changed(m);
}

void metrics_failed(struct metrics *m, int error)
{
	enum failure f = error == -ETIMEDOUT ? TIMED_OUT
			 : error == -EINTR   ? INTERRUPTED
					     : FAILED;

	count(&m->failures[f]);
	changed(m);
}

struct measures *metrics_measures(struct metrics *m)
{
	return &m->measures;
}

/* ---- showing ---- */

static void put_counts(struct exposition *x, const char *name, const char *help,
		       const char *label, const char *const *names,
		       atomic_uint_fast64_t *counts, size_t n)
{
	exposition_family(x, name, "counter", help);
	for (size_t i = 0; i < n; i++)
		exposition_value(x, name, label, names[i], (double)counts[i]);
}

static void put_times(struct exposition *x, const char *name, const char *help,
		      const struct measures_times *t, const uint64_t *bounds)
{
	char part[64], bound[32];
	uint64_t n = 0;

	exposition_family(x, name, "histogram", help);
	snprintf(part, sizeof(part), "%s_bucket", name);
	for (int i = 0; i < MEASURES_BOUNDS; i++) {
		n += t->counts[i];
		snprintf(bound, sizeof(bound), "%g",
			 (double)bounds[i] / NSEC_PER_SEC);
		exposition_value(x, part, "le", bound, (double)n);
	}
	n += t->counts[MEASURES_BOUNDS];
	exposition_value(x, part, "le", "+Inf", (double)n);
	snprintf(part, sizeof(part), "%s_sum", name);
	exposition_value(x, part, NULL, NULL, (double)t->sum / NSEC_PER_SEC);
	snprintf(part, sizeof(part), "%s_count", name);
	exposition_value(x, part, NULL, NULL, (double)n);
}

static void put_mount(struct exposition *x, const struct metrics *m)
{
	exposition_family(x, "camlock_info", "gauge",
			  "Which camlock has mounted the share.");
	exposition_value(x, "camlock_info", "version", CAMLOCK_VERSION, 1);
	exposition_family(x, "camlock_start_time_seconds", "gauge",
			  "When it was mounted, in seconds after 1970.");
	exposition_value(x, "camlock_start_time_seconds", NULL, NULL,
			 (double)m->began);
}

static void put_checkouts(struct exposition *x, struct metrics *m)
{
	static const char name[] = "camlock_checkouts_total";
	size_t kept = index_of(HISTORY_CHECKOUT, events, LENGTH(events));

	exposition_family(x, name, "counter",
			  "Checkouts through this mount since it was mounted.");
	exposition_value(x, name, "kind", RECORD_KIND_OPEN,
			 (double)m->measures.checkouts);
	exposition_value(x, name, "kind", RECORD_KIND_KEPT,
			 (double)m->events[kept]);
	put_times(x, "camlock_hold_seconds",
		  "How long open checkouts lasted that are over.",
		  &m->measures.holds, measures_hold_bounds);
}

static void put_refusals(struct exposition *x, struct metrics *m)
{
	put_counts(x, "camlock_refusals_total",
		   "Who did not get a file, by what was in the way: an open or "
		   "a kept checkout, a change he had not read, or a machine "
		   "that "
		   "runs it.",
		   "reason", reasons, m->reasons, LENGTH(reasons));
	put_counts(x, "camlock_failures_total",
		   "Checkouts that could not be recorded: the file lock was "
		   "not to be had, the caller gave up, or the share failed.",
		   "reason", failures, m->failures, LENGTH(failures));
	put_times(x, "camlock_file_lock_wait_seconds",
		  "How long it took to get the file lock, or failed.",
		  &m->measures.waits, measures_wait_bounds);
}

static int count_records(struct camfs *fs, struct exposition_records *ret_n)
{
	_cleanup_snapshot_ struct snapshot *s = NULL;
	struct exposition_records n = {};
	int r = registry_snapshot(fs->registry, &s);

	for (size_t i = 0; r == 0 && i < snapshot_count(s); i++) {
		_cleanup_record_ struct record rec = {};
		size_t len;
		const char *text = snapshot_text(s, i, &len);

		r = record_parse(&rec, text, len);
		if (r == -EINVAL) /* somebody's other entry */
			r = 0;
		else if (r == 0 && !record_is_open(&rec))
			n.kept++;
		else if (r == 0 && registry_is_stale(fs->registry, &rec))
			n.stale++;
		else if (r == 0)
			n.open++;
	}
	*ret_n = n;
	return r;
}

int metrics_read(struct metrics *m, struct buffer *b)
{
	struct exposition x = { .b = b, .share = m->fs->options->share };
	struct exposition_records n;
	int r = count_records(m->fs, &n);

	if (r < 0)
		return r;
	put_mount(&x, m);
	exposition_records(&x, &n);
	put_checkouts(&x, m);
	put_refusals(&x, m);
	put_counts(&x, "camlock_events_total",
		   "What came into the history through this mount.", "event",
		   events, m->events, LENGTH(events));
	return x.error;
}

/* ---- opening and closing ---- */

#define HEAD "# HELP camlock_" /* of all that put_mount() begins with */

static int read_for_file(void *metrics, struct buffer *b)
{
	return metrics_read(metrics, b);
}

int metrics_open(struct metrics **ret_metrics, struct camfs *fs)
{
	struct metrics *m = calloc(1, sizeof(*m));
	const char *path = fs->options->metrics;
	int r = 0;

	if (!m)
		return -ENOMEM;
	m->fs = fs;
	m->began = time(NULL);
	if (path)
		r = metricsfile_open(&m->file, path, HEAD, read_for_file, m);
	if (r < 0) {
		log_error("cannot write the metrics to '%s': %s; %s", path,
			  strerror(-r),
			  r == -EEXIST ? "and it is none of camlock's"
				       : "its folder must be there, for the "
					 "daemon to write in");
		free(m);
		return r;
	}
	m->measures.on_change = changed;
	m->measures.on_change_arg = m;
	fs->history.on_event = on_event;
	fs->history.on_event_arg = m;
	*ret_metrics = m;
	return 0;
}

int metrics_start(struct metrics *m)
{
	return m->file ? metricsfile_start(m->file) : 0;
}

void metrics_stop(struct metrics *m)
{
	if (m && m->file)
		metricsfile_stop(m->file);
}

void metrics_free(struct metrics *m)
{
	if (!m)
		return;
	metricsfile_free(m->file);
	free(m);
}
