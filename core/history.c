/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/history.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/fskind.h"
#include "core/json.h"
#include "core/timestamp.h"
#include "core/wait.h"

#define CHECK_EVERY 32 /* lines */
#define LOCK_MS 5000   /* for other hosts */
#define LOCK_PAUSE (2 * NSEC_PER_MSEC)

void history_init(struct history *h, int dirfd)
{
	*h = (struct history){ .dirfd = dirfd,
			       .fd = -1,
			       .shared = !fskind_is_local(dirfd) };
	pthread_mutex_init(&h->mutex, NULL);
}

void history_release(struct history *h)
{
	if (h->fd >= 0)
		close(h->fd);
	pthread_mutex_destroy(&h->mutex);
}

static int append_field(struct buffer *b, const char *name, const char *value)
{
	return value ? json_append_field(b, name, value) : 0;
}

static int append_person(struct buffer *b, const struct record *r,
			 const char *since)
{
	const struct {
		const char *name;
		const char *value;
	} fields[] = {
		{ "user", r->user },	   { "host", r->host },
		{ "seat", r->seat },	   { "client", r->client },
		{ "app", r->app },	   { "pid", r->pid },
		{ since, r->timestamp },   { "kind", r->kind },
		{ "message", r->message },
	};
	int err = 0;

	for (size_t i = 0; err == 0 && i < sizeof(fields) / sizeof(*fields);
	     i++)
		err = append_field(b, fields[i].name, fields[i].value);
	return err;
}

static int format(struct buffer *b, const char *event, const char *path,
		  const struct record *who, const struct record *holder)
{
	char now[TIMESTAMP_SIZE];
	int r = buffer_append(b, "{", 1);

	timestamp_now(now);
	if (r == 0)
		r = append_field(b, "time", now);
	if (r == 0)
		r = append_field(b, "event", event);
	if (r == 0)
		r = append_field(b, "path", path);
	if (r == 0 && who)
		r = append_person(b, who, "since");
	if (r == 0 && holder)
		r = buffer_append_string(b, ", \"holder\": {");
	if (r == 0 && holder)
		r = append_person(b, holder, "timestamp");
	if (r == 0 && holder)
		r = buffer_append(b, "}", 1);
	return r == 0 ? buffer_append(b, "}\n", 2) : r;
}

/* Opens the file anew when it is not open, too large, or was renamed away by
 * another mount for which it was too large. */
static int open_file(struct history *h)
{
	struct stat st = {};

	if (h->fd >= 0 && h->unchecked++ < CHECK_EVERY)
		return 0;
	h->unchecked = 0;
	if (h->fd >= 0 && fstat(h->fd, &st) == 0 && st.st_nlink > 0 &&
	    st.st_size < HISTORY_SIZE_MAX)
		return 0;
	if (h->fd >= 0) {
		close(h->fd);
		if (st.st_size >= HISTORY_SIZE_MAX)
			renameat(h->dirfd, HISTORY_NAME, h->dirfd,
				 HISTORY_NAME ".old");
	}
	h->fd = openat(h->dirfd, HISTORY_NAME,
		       O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW |
			       O_NONBLOCK,
		       0644);
	return h->fd < 0 ? -errno : 0;
}

/* A network share writes a line that crosses a page in two parts, and knows the
 * end of the file as it was when it was last asked. Without the lock the line
 * may be torn, but it is there. */
static void lock(struct history *h)
{
	struct wait w = wait_for_ms(LOCK_MS);
	struct stat st;

	while (flock(h->fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		if (wait_sleep(&w, LOCK_PAUSE) < 0)
			break;
	fstat(h->fd, &st);
}

static ssize_t append(struct history *h, const struct buffer *line)
{
	ssize_t n;

	if (h->shared)
		lock(h);
	n = write(h->fd, line->data, line->len);
	n = n < 0 ? -errno : n;
	if (h->shared) {
		fdatasync(h->fd); /* or the next host appends over it */
		flock(h->fd, LOCK_UN);
	}
	return n;
}

/* Appends it whole or, for lack of room, not at all. */
static int write_line(struct history *h, const struct buffer *line)
{
	struct stat st;
	ssize_t n;
	int r;

	LOCK_SCOPE(&h->mutex);
	r = open_file(h);
	if (r < 0)
		return r;
	n = append(h, line);
	if (n < 0)
		return (int)n;
	if ((size_t)n == line->len)
		return 0;
	if (fstat(h->fd, &st) == 0 && ftruncate(h->fd, st.st_size - n) < 0)
		return -errno;
	return -ENOSPC;
}

int history_append(struct history *h, const char *event, const char *path,
		   const struct record *who, const struct record *holder)
{
	_cleanup_buffer_ struct buffer line = {};
	int r = format(&line, event, path, who, holder);

	if (h->on_event)
		h->on_event(h->on_event_arg, event, holder);
	if (r < 0)
		return r;
	if (h->on_line)
		h->on_line(h->on_line_arg, line.data, line.len);
	return write_line(h, &line);
}
