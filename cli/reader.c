/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "cli/cli.h"
#include "core/cleanup.h"
#include "core/history.h"

#define OLD_NAME HISTORY_NAME ".old"
#define CHUNK (64 << 10)

void reader_release(struct reader *r)
{
	buffer_release(&r->pending);
}

int reader_failed(const struct reader *r, int error)
{
	return fail(TROUBLE, "cannot read '%s' in '%s': %s", r->name,
		    r->place->root, reason(error));
}

/* ---- lines ---- */

static int show_line(struct reader *r, const char *line, size_t len)
{
	int err = r->show(r->arg, line, len);

	r->line_no++;
	if (err != -EINVAL)
		return err;
	complain("line %lu of '%s' in '%s' is damaged: skipped", r->line_no,
		 r->name, r->place->root);
	return 0;
}

/* Shows the whole lines in `pending`, of which the first `old` bytes hold no
 * line's end, and keeps the rest. */
static int show_lines(struct reader *r, size_t old)
{
	struct buffer *b = &r->pending;
	size_t begin = 0;
	char *end = memchr(b->data + old, '\n', b->len - old);
	int err = 0;

	for (; err == 0 && end;
	     end = memchr(b->data + begin, '\n', b->len - begin)) {
		size_t len = (size_t)(end - b->data) - begin;

		err = show_line(r, b->data + begin, len);
		begin += len + 1;
	}
	b->len -= begin;
	memmove(b->data, b->data + begin, b->len);
	return err;
}

static int read_lines(struct reader *r, int fd)
{
	struct buffer *b = &r->pending;

	for (;;) {
		size_t old = b->len;
		ssize_t n;
		int err;

		if (buffer_reserve(b, old + CHUNK) < 0)
			return -ENOMEM;
		n = pread(fd, b->data + old, CHUNK, r->offset);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return 0;
		if (n < 0)
			continue;
		b->len += (size_t)n;
		r->offset += n;
		err = show_lines(r, old);
		if (err != 0)
			return err;
	}
}

int reader_end(struct reader *r)
{
	size_t len = r->pending.len;

	r->pending.len = 0;
	return len > 0 ? show_line(r, r->pending.data, len) : 0;
}

/* ---- files ---- */

/* It is opened anew for each look: a mount shows what the file held when it
 * was opened. Returns a descriptor or -errno. */
static int open_file(struct reader *r, const char *name)
{
	_cleanup_close_ int fd =
		openat(r->place->files, name,
		       O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	r->name = name;
	if (fd < 0)
		return -errno;
	if (fstat(fd, &r->file) < 0)
		return -errno;
	return S_ISREG(r->file.st_mode) ? take_fd(fd) : -EINVAL;
}

/* To the end of the file as it is now, from where we were. A file that is not
 * there is empty. */
static int read_file(struct reader *r, const char *name)
{
	_cleanup_close_ int fd = open_file(r, name);

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	return read_lines(r, fd);
}

/* What is pending belongs to a file we are done with. */
static int start_anew(struct reader *r)
{
	int err = reader_end(r);

	r->offset = 0;
	r->line_no = 0;
	return err;
}

/* The inodes of a mount's virtual files mean nothing. */
static bool is_same(const struct reader *r, const struct stat *st)
{
	return r->place->is_mount ||
	       (st->st_dev == r->file.st_dev && st->st_ino == r->file.st_ino);
}

/* The file was renamed: the rest of it, and then the new one. */
static int read_rotated(struct reader *r)
{
	struct stat old;
	int err = 0;

	if (fstatat(r->place->files, OLD_NAME, &old, AT_SYMLINK_NOFOLLOW) ==
		    0 &&
	    !r->place->is_mount && is_same(r, &old))
		err = read_file(r, OLD_NAME);
	if (err == 0)
		err = start_anew(r);
	return err == 0 ? read_file(r, HISTORY_NAME) : err;
}

int reader_more(struct reader *r)
{
	struct stat now;

	if (fstatat(r->place->files, HISTORY_NAME, &now, AT_SYMLINK_NOFOLLOW) <
	    0)
		return errno == ENOENT ? 0 : -errno;
	if (!is_same(r, &now) || now.st_size < r->offset)
		return read_rotated(r);
	return now.st_size > r->offset ? read_file(r, HISTORY_NAME) : 0;
}

int reader_all(struct reader *r)
{
	int err = read_file(r, OLD_NAME);

	if (err == 0)
		err = start_anew(r);
	return err == 0 ? read_file(r, HISTORY_NAME) : err;
}

int reader_skip(struct reader *r)
{
	_cleanup_close_ int fd = open_file(r, HISTORY_NAME);

	if (fd < 0 && fd != -ENOENT)
		return fd;
	r->offset = fd < 0 ? 0 : r->file.st_size;
	return 0;
}
