/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * camlock log: what happened.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/event.h"
#include "cli/place.h"
#include "core/cleanup.h"
#include "core/history.h"

#define OLD_NAME HISTORY_NAME ".old"
#define POLL_NS 500000000L
#define CHUNK (64 << 10)

static const char help[] =
	"usage: camlock log [--json] [-f] [PATH...]\n"
	"\n"
	"What happened: who saved what, who was refused and why, what was put "
	"right.\n"
	"Only what is at or below a PATH, if there are any; all PATHs must be "
	"of one\n"
	"share. A PATH is a mountpoint, a share, or a folder or file below "
	"one;\n"
	"without any, it is the current folder.\n"
	"\n"
	"  -f, --follow  go on with what happens from now on, until stopped\n"
	"  --json        the lines as they are in history.jsonl, for programs\n"
	"\n"
	"Fields of --json: time, event, path; of who did it user, host, seat, "
	"app, pid,\n"
	"since, kind, message; and holder, an object, with the fields of the "
	"record that\n"
	"was in the way. All are strings, and may be missing.\n";

struct log {
	struct places places;
	bool json;
	bool follow;
	const char *name;      /* of the file being read */
	unsigned long line_no; /* there; lines are counted from 1 */
	struct stat file;      /* which file it was; zero: none was there */
	off_t offset;	       /* how much of it was read */
	struct buffer pending; /* the beginning of a line */
};

static void log_release(struct log *l)
{
	places_release(&l->places);
	buffer_release(&l->pending);
}

/* ---- lines ---- */

static int show_line(struct log *l, const char *line, size_t len)
{
	_cleanup_event_ struct event e = {};
	_cleanup_buffer_ struct buffer text = {};
	int r = event_parse(&e, line, len);

	l->line_no++;
	if (r == -EINVAL) {
		complain("line %lu of '%s' in '%s' is damaged: skipped",
			 l->line_no, l->name, l->places.list[0].root);
		return 0;
	}
	if (r == 0 &&
	    !places_cover(&l->places, &l->places.list[0], e.path ? e.path : ""))
		return 0;
	if (r == 0)
		r = l->json ? buffer_append(&text, line, len)
			    : event_format(&text, &e);
	if (r == 0)
		puts(text.data);
	return r;
}

/* Shows the whole lines in `pending`, of which the first `old` bytes hold no
 * line's end, and keeps the rest. */
static int show_lines(struct log *l, size_t old)
{
	struct buffer *b = &l->pending;
	size_t begin = 0;
	char *end = memchr(b->data + old, '\n', b->len - old);
	int r = 0;

	for (; r == 0 && end;
	     end = memchr(b->data + begin, '\n', b->len - begin)) {
		size_t len = (size_t)(end - b->data) - begin;

		r = show_line(l, b->data + begin, len);
		begin += len + 1;
	}
	b->len -= begin;
	memmove(b->data, b->data + begin, b->len);
	return r;
}

static int read_lines(struct log *l, int fd)
{
	struct buffer *b = &l->pending;

	for (;;) {
		size_t old = b->len;
		ssize_t n;
		int r;

		if (buffer_reserve(b, old + CHUNK) < 0)
			return -ENOMEM;
		n = pread(fd, b->data + old, CHUNK, l->offset);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return 0;
		if (n < 0)
			continue;
		b->len += (size_t)n;
		l->offset += n;
		r = show_lines(l, old);
		if (r < 0)
			return r;
	}
}

/* Nothing will follow: a line without its end is shown, or found damaged. */
static int end_lines(struct log *l)
{
	size_t len = l->pending.len;

	l->pending.len = 0;
	return len > 0 ? show_line(l, l->pending.data, len) : 0;
}

/* ---- files ---- */

/* To the end of the file as it is now, from where we were. A file that is not
 * there is empty. It is opened anew for each look: a mount shows what the file
 * held when it was opened. */
static int read_file(struct log *l, const char *name)
{
	_cleanup_close_ int fd =
		openat(l->places.list[0].files, name,
		       O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	l->name = name;
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fd, &l->file) < 0)
		return -errno;
	return S_ISREG(l->file.st_mode) ? read_lines(l, fd) : -EINVAL;
}

/* What is pending belongs to a file we are done with. */
static int start_anew(struct log *l)
{
	int r = end_lines(l);

	l->offset = 0;
	l->line_no = 0;
	return r;
}

/* The inodes of a mount's virtual files mean nothing. */
static bool is_same(const struct log *l, const struct stat *st)
{
	return l->places.list[0].is_mount ||
	       (st->st_dev == l->file.st_dev && st->st_ino == l->file.st_ino);
}

/* The file was renamed: the rest of it, and then the new one. */
static int read_rotated(struct log *l)
{
	struct stat old;
	int r = 0;

	if (fstatat(l->places.list[0].files, OLD_NAME, &old,
		    AT_SYMLINK_NOFOLLOW) == 0 &&
	    !l->places.list[0].is_mount && is_same(l, &old))
		r = read_file(l, OLD_NAME);
	if (r == 0)
		r = start_anew(l);
	return r == 0 ? read_file(l, HISTORY_NAME) : r;
}

/* One look at what came since the last. */
static int follow_once(struct log *l)
{
	struct stat now;

	if (fstatat(l->places.list[0].files, HISTORY_NAME, &now,
		    AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!is_same(l, &now) || now.st_size < l->offset)
		return read_rotated(l);
	return now.st_size > l->offset ? read_file(l, HISTORY_NAME) : 0;
}

static int follow(struct log *l)
{
	const struct timespec pause = { .tv_nsec = POLL_NS };
	int r = 0;

	while (r == 0 && fflush(stdout) == 0) {
		clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
		r = follow_once(l);
	}
	return r;
}

static int show(struct log *l)
{
	int r = read_file(l, OLD_NAME);

	if (r == 0)
		r = start_anew(l);
	if (r == 0)
		r = read_file(l, HISTORY_NAME);
	if (r == 0)
		r = l->follow ? follow(l) : end_lines(l);
	if (r == 0)
		return DONE;
	return fail(TROUBLE, "cannot read '%s' in '%s': %s", l->name,
		    l->places.list[0].root, reason(r));
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "follow", no_argument, NULL, 'f' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	_cleanup_(log_release) struct log l = {};
	int c, status;

	while ((c = getopt_long(argc, argv, ":fh", options, NULL)) != -1) {
		if (c == 'j')
			l.json = true;
		else if (c == 'f')
			l.follow = true;
		else if (c == 'h')
			return print_help(&cmd_log);
		else
			return bad_option(&cmd_log, c, argv);
	}
	status = places_find(&l.places, argc - optind, argv + optind);
	if (status != DONE)
		return status;
	if (!places_are_one(&l.places))
		return bad_arguments(&cmd_log, "PATHs of one share");
	return show(&l);
}

const struct command cmd_log = {
	.name = "log",
	.summary = "what happened: saves, refusals, repairs",
	.help = help,
	.run = run,
};
