/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/beneath.h"
#include "core/cleanup.h"
#include "core/history.h"

int history_read_end(int dirfd, struct buffer *ret_text)
{
	_cleanup_close_ int fd = beneath_open(
		dirfd, HISTORY_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (buffer_reserve(ret_text, HISTORY_LOOK) < 0)
		return -ENOMEM;
	n = pread(fd, ret_text->data, HISTORY_LOOK,
		  st.st_size > HISTORY_LOOK ? st.st_size - HISTORY_LOOK : 0);
	if (n < 0)
		return -errno;
	ret_text->len = (size_t)n;
	return 0;
}

bool history_take_line(struct buffer *text, const char **ret_line,
		       size_t *ret_len)
{
	const char *before;
	size_t begin;

	if (!text->len)
		return false;
	before = memrchr(text->data, '\n', text->len - 1);
	begin = before ? (size_t)(before - text->data) + 1 : 0;
	*ret_line = text->data + begin;
	*ret_len = text->len - begin;
	text->len = begin;
	return true;
}
