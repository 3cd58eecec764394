/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/stale.h"

#include <errno.h>
#include <unistd.h>

const struct stale stale_all = { .tail = 0, .lasting = true };
const struct stale stale_none = { .tail = SIZE_MAX };

void stale_note(struct stale *stale, const struct edit *edit)
{
	stale->lasting |= edit->lasting;
	if (edit->tail < stale->tail)
		stale->tail = edit->tail;
	if (edit->from >= edit->to || edit->from >= stale->tail)
		return;
	if (stale->n == STALE_RANGES) {
		stale->n = 0;
		stale->tail = 0;
		return;
	}
	stale->ranges[stale->n].from = edit->from;
	stale->ranges[stale->n].to = edit->to;
	stale->n++;
}

static int write_at(int fd, const char *data, size_t len, size_t offset)
{
	while (len > 0) {
		ssize_t n = pwrite(fd, data, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		data += n;
		len -= (size_t)n;
		offset += (size_t)n;
	}
	return 0;
}

static int write_part(int fd, const struct buffer *text, size_t from, size_t to)
{
	if (to > text->len)
		to = text->len;
	if (from >= to)
		return 0;
	return write_at(fd, text->data + from, to - from, from);
}

int stale_write(int fd, uint64_t size, const struct stale *stale,
		const struct buffer *text)
{
	int r = 0;

	for (int i = 0; r == 0 && i < stale->n; i++)
		r = write_part(fd, text, stale->ranges[i].from,
			       stale->ranges[i].to);
	if (r < 0 || stale->tail == SIZE_MAX)
		return r;
	r = write_part(fd, text, stale->tail, text->len);
	if (r == 0 && size > text->len && ftruncate(fd, (off_t)text->len) < 0)
		r = -errno;
	return r;
}
