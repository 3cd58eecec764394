/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/pageview.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/escape.h"
#include "core/timestamp.h"

#define REFRESH_SECONDS "10"
#define PEOPLE_SHOWN 12
#define MINUTE 60
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

/* What is being written; after an error nothing is added any more. */
struct html {
	struct buffer *b;
	const struct pageview *v;
	int error;
};

/* Our own words. */
static void put(struct html *h, const char *markup)
{
	if (h->error == 0)
		h->error = buffer_append_string(h->b, markup);
}

static void put_f(struct html *h, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void put_f(struct html *h, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	if (h->error == 0)
		h->error = buffer_vprintf(h->b, format, ap);
	va_end(ap);
}

/* Anybody's words. */
static void put_text(struct html *h, const char *text)
{
	if (h->error == 0 && text)
		h->error = escape_append_html(h->b, text);
}

static void put_small(struct html *h, const char *text)
{
	if (!text || !*text)
		return;
	put(h, "<small>");
	put_text(h, text);
	put(h, "</small>");
}

/* ---- times ---- */

/* How long ago: 2 h 10 min. */
static void put_ago(struct html *h, time_t seconds)
{
	if (seconds < MINUTE)
		put(h, "0 min");
	else if (seconds < HOUR)
		put_f(h, "%d min", (int)(seconds / MINUTE));
	else if (seconds < DAY)
		put_f(h, "%d h %d min", (int)(seconds / HOUR),
		      (int)(seconds % HOUR / MINUTE));
	else if (seconds < 10 * DAY)
		put_f(h, "%d d %d h", (int)(seconds / DAY),
		      (int)(seconds % DAY / HOUR));
	else
		put_f(h, "%ld days", (long)(seconds / DAY));
}

/* When: 09:40, Mon 09:40, 2026-11-03 09:40, as near as it is. */
static void put_when(struct html *h, const struct timespec *when)
{
	time_t now = h->v->now.tv_sec;
	struct tm then = {}, today = {};
	char text[64] = "";

	localtime_r(&when->tv_sec, &then);
	localtime_r(&now, &today);
	if (then.tm_year == today.tm_year && then.tm_yday == today.tm_yday)
		strftime(text, sizeof(text), "%H:%M", &then);
	else if (when->tv_sec < now && now - when->tv_sec < 6 * DAY)
		strftime(text, sizeof(text), "%a %H:%M", &then);
	else
		strftime(text, sizeof(text), "%F %H:%M", &then);
	put(h, text);
}

static void put_time(struct html *h, const char *timestamp, const char *ago)
{
	char utc[TIMESTAMP_SIZE];
	struct timespec when;

	if (!timestamp || timestamp_parse(timestamp, &when) < 0) {
		put_small(h, timestamp ? timestamp : "unknown");
		return;
	}
	timestamp_format(&when, utc);
	put_f(h, "<time datetime=\"%s\"><b>", utc);
	put_ago(h, h->v->now.tv_sec - when.tv_sec);
	put(h, ago);
	put(h, "</b><small>");
	put_when(h, &when);
	put(h, "</small></time>");
}

/* ---- cells ---- */

/* The name, and below it the folder. */
static void put_path(struct html *h, const char *path)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *folder =
		slash ? strndup(path, (size_t)(slash - path)) : NULL;

	put(h, "<b>");
	put_text(h, slash ? slash + 1 : path);
	put(h, "</b>");
	put_small(h, folder);
}

struct state {
	const char *css;
	const char *word;
	const char *more; /* our own words, too */
};

static struct state state_of(const struct pageview_row *row)
{
	if (row->is_stale)
		return (struct state){ "gone", "mount gone",
				       "holds nothing any more" };
	if (!record_is_open(&row->record))
		return (struct state){ "kept", "kept",
				       "until it is given back" };
	if (row->program == PROGRAM_GONE || row->program == PROGRAM_OTHER)
		return (struct state){ "gone", "program gone",
				       "being given back" };
	if (row->is_untouched)
		return (struct state){ "open", "open", "nothing written yet" };
	if (row->program == PROGRAM_RUNS)
		return (struct state){ "open", "open", "program is running" };
	return (struct state){ "open", "open", NULL };
}

static void put_state(struct html *h, const struct pageview_row *row)
{
	struct state s = state_of(row);

	put_f(h, "<td class=\"state %s\"><b>%s</b>", s.css, s.word);
	put_small(h, s.more);
	put(h, "</td>");
}

static void put_row(struct html *h, const struct pageview_row *row)
{
	const struct record *r = &row->record;

	put(h, "<tr><td class=file>");
	put_path(h, row->path);
	put(h, "</td><td class=who><b>");
	put_text(h, r->user);
	put(h, "</b></td><td class=at>");
	put_text(h, record_machine(r));
	put(h, "</td><td class=since>");
	put_time(h, r->timestamp, "");
	put(h, "</td><td class=why>");
	put_text(h, r->message);
	put(h, "</td>");
	put_state(h, row);
	put(h, "</tr>\n");
}

static void put_person(struct html *h, const struct record *r)
{
	const char *machine = record_machine(r);

	put(h, "<b>");
	put_text(h, r->user);
	put(h, "</b>");
	put_small(h, machine);
}

/* Of a stale save, what was changed, and when. */
static void put_holder(struct html *h, const struct event *e)
{
	const struct record *holder = &e->holder;

	put(h, "</td><td class=who>");
	if (holder->user)
		put_person(h, holder);
	put(h, "</td><td class=why>");
	put_text(h, holder->message);
	put(h, "</td>");
}

static void put_refusal(struct html *h, const struct event *e)
{
	put(h, "<tr><td class=file>");
	put_path(h, e->path ? e->path : "");
	put(h, "</td><td class=who>");
	if (e->who.user)
		put_person(h, &e->who);
	put(h, "</td><td class=at>");
	put_text(h, e->who.app);
	put(h, "</td><td class=since>");
	put_time(h, e->time, " ago");
	put_holder(h, e);
	put(h, "</tr>\n");
}

/* ---- who has how many ---- */

struct person {
	const char *user;
	size_t n;
};

static int by_user(const void *a, const void *b)
{
	const struct person *x = a, *y = b;

	return strcmp(x->user, y->user);
}

static int by_number(const void *a, const void *b)
{
	const struct person *x = a, *y = b;

	return x->n != y->n ? (x->n < y->n ? 1 : -1) : by_user(a, b);
}

/* The one with the most first. Returns how many; 0 when memory is short. */
static size_t count_people(const struct pageview *v, struct person **ret_people)
{
	struct person *people = calloc(v->n_rows + 1, sizeof(*people));
	size_t n = 0;

	*ret_people = people;
	for (size_t i = 0; people && i < v->n_rows; i++)
		people[i] = (struct person){ v->rows[i].record.user, 1 };
	if (!people)
		return 0;
	qsort(people, v->n_rows, sizeof(*people), by_user);
	for (size_t i = 0; i < v->n_rows; i++) {
		if (n && !strcmp(people[n - 1].user, people[i].user))
			people[n - 1].n++;
		else
			people[n++] = people[i];
	}
	qsort(people, n, sizeof(*people), by_number);
	return n;
}

static void put_people(struct html *h, const struct person *people, size_t n)
{
	if (n < 2 || n == h->v->n_rows)
		return;
	put(h, "<ul class=people>\n");
	for (size_t i = 0; i < n && i < PEOPLE_SHOWN; i++) {
		put(h, "<li>");
		put_text(h, people[i].user);
		put_f(h, " <b>%zu</b></li>\n", people[i].n);
	}
	if (n > PEOPLE_SHOWN)
		put_f(h, "<li>and %zu more</li>\n", n - PEOPLE_SHOWN);
	put(h, "</ul>\n");
}

/* ---- the page ---- */

static void put_head(struct html *h)
{
	size_t n = h->v->n_rows + h->v->n_left_out;

	put(h, "<!DOCTYPE html>\n<html lang=en>\n<head>\n"
	       "<meta charset=utf-8>\n"
	       "<meta http-equiv=Content-Security-Policy content=\"default-src "
	       "'none'; style-src 'sha256-");
	put(h, pageview_style_hash);
	put(h, "'; base-uri 'none'; form-action 'none'\">\n"
	       "<meta http-equiv=refresh content=" REFRESH_SECONDS ">\n"
	       "<meta name=viewport content=\"width=device-width, "
	       "initial-scale=1\">\n"
	       "<meta name=color-scheme content=\"light dark\">\n"
	       "<meta name=referrer content=no-referrer>\n<title>");
	put_f(h, "%zu checked out in ", n);
	put_text(h, h->v->share);
	put(h, "</title>\n<style>");
	put(h, pageview_style);
	put(h, "</style>\n</head>\n<body>\n");
}

static void put_clock(struct html *h)
{
	char text[16] = "";
	struct tm tm;

	if (localtime_r(&h->v->now.tv_sec, &tm))
		strftime(text, sizeof(text), "%H:%M:%S", &tm);
	put_f(h, "<p class=clock><b>%s</b><small>on ", text);
	put_text(h, h->v->host);
	put(h, ", renewed every " REFRESH_SECONDS " s</small></p>\n");
}

static void put_header(struct html *h)
{
	size_t n = h->v->n_rows + h->v->n_left_out;
	_cleanup_free_ struct person *people = NULL;
	size_t n_people = 0;

	/* they are only known if all are shown */
	if (!h->v->n_left_out)
		n_people = count_people(h->v, &people);

	put(h, "<header>\n<div>\n<h1>");
	put_text(h, h->v->share);
	put(h, "</h1>\n<p>");
	if (n == 0)
		put(h, "Nothing is checked out");
	else
		put_f(h, "<b>%zu</b> %s checked out", n,
		      n == 1 ? "file" : "files");
	if (n_people)
		put_f(h, " by <b>%zu</b> %s", n_people,
		      n_people == 1 ? "person" : "people");
	put(h, "</p>\n");
	put(h, "</div>\n");
	put_clock(h);
	put_people(h, people, n_people);
	put(h, "</header>\n<main>\n");
}

static void put_records(struct html *h)
{
	const struct pageview *v = h->v;

	if (v->n_rows == 0) {
		put(h, "<p class=empty><b>Every file is free.</b><small>Who "
		       "opens one for writing will be shown "
		       "here.</small></p>\n");
		return;
	}
	put(h, "<table class=records>\n<thead><tr><th>File</th><th>Who</th>"
	       "<th>At</th><th>Since</th><th>Why</th><th>State</th></tr>"
	       "</thead>\n<tbody>\n");
	for (size_t i = 0; i < v->n_rows; i++)
		put_row(h, &v->rows[i]);
	put(h, "</tbody>\n</table>\n");
	if (v->n_left_out)
		put_f(h,
		      "<p class=more>and %zu more: see the folder "
		      "<code>.locks</code></p>\n",
		      v->n_left_out);
}

static void put_refusals(struct html *h)
{
	const struct pageview *v = h->v;

	put(h, "<h2>Latest refusals</h2>\n");
	if (v->n_refusals == 0) {
		put(h, "<p class=more>Nobody was refused lately.</p>\n");
		return;
	}
	put(h, "<table class=refusals>\n<thead><tr><th>File</th><th>Refused "
	       "to</th><th>Program</th><th>When</th><th>Because of</th>"
	       "<th>Why</th></tr></thead>\n<tbody>\n");
	for (size_t i = 0; i < v->n_refusals; i++)
		put_refusal(h, &v->refusals[i]);
	put(h, "</tbody>\n</table>\n");
}

int pageview_append(struct buffer *b, const struct pageview *v)
{
	struct html h = { .b = b, .v = v };

	put_head(&h);
	put_header(&h);
	put_records(&h);
	put_refusals(&h);
	put(&h, "</main>\n</body>\n</html>\n");
	return h.error;
}
