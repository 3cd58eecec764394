/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/page.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/cleanup.h"
#include "core/wait.h"
#include "fs/file.h"
#include "fs/pageview.h"
#include "fs/watch.h"

#define ROWS_MAX 5000
#define REFUSALS_MAX 10
#define GOOD_FOR NSEC_PER_SEC  /* while nothing changes: times go on */
#define PAD_TO 4096

struct page {
	struct camfs *fs;
	pthread_mutex_t mutex;	      /* a leaf */
	struct buffer text;	      /* under mutex: as last made */
	char stamp[WATCH_STAMP_SIZE]; /* under mutex: of what it says */
	uint64_t good_until;	      /* under mutex */
};

int page_open(struct page **ret_page, struct camfs *fs)
{
	struct page *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->fs = fs;
	pthread_mutex_init(&p->mutex, NULL);
	*ret_page = p;
	return 0;
}

void page_free(struct page *p)
{
	if (!p)
		return;
	buffer_release(&p->text);
	pthread_mutex_destroy(&p->mutex);
	free(p);
}

/* ---- the records ---- */

static void fill_row(struct camfs *fs, struct pageview_row *row)
{
	const struct record *r = &row->record;

	row->program = alive_program(r, fs->host);
	row->is_stale = record_is_open(r) && registry_is_stale(fs->registry, r);
	row->is_untouched = record_is_open(r) &&
			    file_is_untouched(fs, row->path);
}

static int fill_rows(struct camfs *fs, const struct snapshot *s,
		     struct pageview *v)
{
	size_t n = snapshot_count(s);

	v->n_left_out = n > ROWS_MAX ? n - ROWS_MAX : 0;
	n -= v->n_left_out;
	v->rows = calloc(n + 1, sizeof(*v->rows));
	if (!v->rows)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		struct pageview_row *row = &v->rows[v->n_rows];
		size_t len;
		const char *text = snapshot_text(s, i, &len);
		int r = record_parse(&row->record, text, len);

		if (r == -ENOMEM)
			return r;
		if (r < 0)
			continue; /* somebody's other entry */
		row->path = snapshot_path(s, i);
		fill_row(fs, row);
		v->n_rows++;
	}
	return 0;
}

/* ---- the refusals ---- */

static bool is_refusal(const char *line, size_t len)
{
	static const char mark[] = "\"event\": \"" HISTORY_REFUSED "\"";

	return memmem(line, len, mark, sizeof(mark) - 1) != NULL;
}

static void add_refusal(struct pageview *v, const char *line, size_t len)
{
	if (is_refusal(line, len) &&
	    event_parse(&v->refusals[v->n_refusals], line, len) == 0)
		v->n_refusals++;
}

/* From the last line backwards. One that is not whole is none. */
static int fill_refusals(struct camfs *fs, struct pageview *v)
{
	_cleanup_buffer_ struct buffer text = {};
	int r = history_read_end(fs->share.state_fd, &text);
	const char *line;
	size_t len;

	if (r < 0)
		return r;
	v->refusals = calloc(REFUSALS_MAX, sizeof(*v->refusals));
	if (!v->refusals)
		return -ENOMEM;
	while (v->n_refusals < REFUSALS_MAX &&
	       history_take_line(&text, &line, &len))
		add_refusal(v, line, len);
	return 0;
}

/* ---- the page ---- */

static void release_view(struct pageview *v)
{
	for (size_t i = 0; v->rows && i < v->n_rows; i++)
		record_release(&v->rows[i].record);
	for (size_t i = 0; v->refusals && i < v->n_refusals; i++)
		event_release(&v->refusals[i]);
	free(v->rows);
	free(v->refusals);
}

static const char *name_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

static int pad(struct buffer *b)
{
	size_t len = b->len / PAD_TO * PAD_TO + PAD_TO;

	if (buffer_reserve(b, len) < 0)
		return -ENOMEM;
	memset(b->data + b->len, ' ', len - b->len);
	b->data[len - 1] = '\n';
	b->data[b->len = len] = '\0';
	return 0;
}

static int make(struct camfs *fs, struct buffer *b)
{
	_cleanup_snapshot_ struct snapshot *s = NULL;
	_cleanup_(release_view) struct pageview v = {
		.share = name_of(fs->options->share),
		.host = fs->host,
	};
	int r = registry_snapshot(fs->registry, &s);

	clock_gettime(CLOCK_REALTIME, &v.now);
	if (r == 0)
		r = fill_rows(fs, s, &v);
	if (r == 0)
		r = fill_refusals(fs, &v);
	if (r == 0)
		r = pageview_append(b, &v);
	return r == 0 ? pad(b) : r;
}

/* Whether the last one is good; `b` may be NULL. */
static bool read_last(struct page *p, const char *stamp, struct buffer *b,
		      size_t *ret_size, int *ret_error)
{
	LOCK_SCOPE(&p->mutex);
	if (clock_now() >= p->good_until || strcmp(p->stamp, stamp) != 0)
		return false;
	*ret_size = p->text.len;
	*ret_error = b ? buffer_append(b, p->text.data, p->text.len) : 0;
	return true;
}

/* The stamp was taken before, so that what changed meanwhile is seen. */
static int keep_last(struct page *p, const char *stamp, const struct buffer *b)
{
	struct buffer text = {};
	int r = buffer_append(&text, b->data, b->len);

	if (r < 0)
		return r;
	pthread_mutex_lock(&p->mutex);
	struct buffer old = p->text;

	p->text = text;
	p->good_until = clock_now() + GOOD_FOR;
	strcpy(p->stamp, stamp);
	pthread_mutex_unlock(&p->mutex);
	buffer_release(&old);
	return 0;
}

static int get(struct page *p, struct buffer *b, size_t *ret_size)
{
	_cleanup_buffer_ struct buffer text = {};
	char stamp[WATCH_STAMP_SIZE];
	int r;

	watch_take_stamp(p->fs, stamp);
	if (read_last(p, stamp, b, ret_size, &r))
		return r;
	r = make(p->fs, &text);
	if (r == 0)
		r = keep_last(p, stamp, &text);
	if (r < 0)
		return r;
	*ret_size = text.len;
	return b ? buffer_append(b, text.data, text.len) : 0;
}

int page_read(struct page *p, struct buffer *b)
{
	size_t size;

	return get(p, b, &size);
}

int page_size(struct page *p, size_t *ret_size)
{
	return get(p, NULL, ret_size);
}
