/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/ctlfile.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/beneath.h"
#include "core/cleanup.h"
#include "fs/control.h"
#include "fs/ctlview.h"
#include "fs/kept.h"
#include "fs/metrics.h"
#include "fs/ownerfile.h"
#include "fs/page.h"
#include "fs/undo.h"
#include "fs/watch.h"

#define TEXT_SIZE_MAX (64 << 10) /* of which the message is a part, or all */

/* One of the caller's handles. */
static int new_file(fuse_req_t req, enum quota_of counts_as,
		    struct ctlfile **ret_file)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	struct quota *quota = &camfs_of(req)->quota;
	struct ctlfile *f;

	if (!quota_take(quota, counts_as, ctx->uid))
		return -EMFILE;
	f = calloc(1, sizeof(*f));
	if (!f) {
		quota_give(quota, counts_as, ctx->uid);
		return -ENOMEM;
	}
	f->refs = 1;
	f->fd = -1;
	f->uid = ctx->uid;
	f->gid = ctx->gid;
	f->quota = quota;
	f->counts_as = counts_as;
	pthread_mutex_init(&f->mutex, NULL);
	*ret_file = f;
	return 0;
}

int ctlfile_new(fuse_req_t req, struct buffer *text, struct ctlfile **ret_file)
{
	int r = new_file(req, QUOTA_HANDLES, ret_file);

	if (r < 0)
		return r;
	(*ret_file)->text = *text;
	*text = (struct buffer){};
	return 0;
}

void ctlfile_unref(struct ctlfile *f)
{
	if (atomic_fetch_sub(&f->refs, 1) > 1)
		return;
	if (f->fd >= 0)
		close(f->fd);
	quota_give(f->quota, f->counts_as, f->uid);
	watch_free(f->watch);
	pthread_mutex_destroy(&f->mutex);
	buffer_release(&f->text);
	free(f->path);
	free(f);
}

/* ---- a record ---- */

static int keep(fuse_req_t req, const char *path, const char *message)
{
	_cleanup_answer_ struct kept_answer answer = {};
	struct caller who;

	caller_get(req, "kept", &who);
	kept_checkout(&who, &path, 1, message, &answer);
	return answer.error;
}

int ctlfile_keep(fuse_req_t req, const char *path, const char *message)
{
	return keep(req, path, message);
}

/* Who may not is told so, and so is the log. */
static int break_it(const struct caller *who, const char *path)
{
	_cleanup_answer_ struct kept_answer answer = {};

	kept_break(who, &path, 1, "removed from '" CTL_NAME "'", &answer);
	return answer.error;
}

int ctlfile_remove(fuse_req_t req, const char *path)
{
	_cleanup_answer_ struct kept_answer answer = {};
	struct caller who;

	caller_get(req, "removed", &who);
	kept_checkin(&who, &path, 1, &answer);
	if (answer.why == KEPT_NOT_YOURS)
		return break_it(&who, path);
	return answer.error;
}

/* A message is one of words: line ends behind it are the shell's. An editor
 * writes the record back that it has read, with another message in it. */
static char *message_of(const struct buffer *text)
{
	_cleanup_record_ struct record edited = {};
	size_t len = text->len;

	if (record_parse(&edited, text->data, len) == 0 && edited.message)
		return take_ptr(edited.message);
	while (len && strchr(" \t\r\n", text->data[len - 1]))
		len--;
	return strndup(text->data, len);
}

/* Adds to the text; on success a copy of the message it makes. */
static int append_text(struct ctlfile *f, const char *data, size_t size,
		       char **ret_message)
{
	_cleanup_free_ char *message = NULL;
	int r;

	LOCK_SCOPE(&f->mutex);
	if (f->text.len + size > TEXT_SIZE_MAX)
		return -EFBIG;
	r = buffer_append(&f->text, data, size);
	if (r < 0)
		return r;
	message = message_of(&f->text);
	r = !message				 ? -ENOMEM
	    : strlen(message) > KEPT_MESSAGE_MAX ? -EFBIG
						 : 0;
	if (r < 0)
		f->text.len -= size;
	else
		*ret_message = take_ptr(message);
	return r;
}

/* Only who opened it may say what is done by it: a program with more rights
 * that he gave it to (as its standard output, say) knows nothing of that. */
static bool is_openers(fuse_req_t req, const struct ctlfile *f)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);

	return ctx->uid == f->uid && ctx->gid == f->gid;
}

/* What waits for the file lock is counted, as in ops.c. */
static bool may_wait(fuse_req_t req)
{
	return quota_take(&camfs_of(req)->quota, QUOTA_REQUESTS,
			  fuse_req_ctx(req)->uid);
}

static void has_waited(fuse_req_t req)
{
	quota_give(&camfs_of(req)->quota, QUOTA_REQUESTS,
		   fuse_req_ctx(req)->uid);
}

static int append_message(fuse_req_t req, struct ctlfile *f, const char *data,
			  size_t size)
{
	_cleanup_free_ char *message = NULL;
	int r;

	if (!is_openers(req, f))
		return -EPERM;
	if (memchr(data, '\0', size))
		return -EINVAL;
	if (!may_wait(req))
		return -EAGAIN;
	r = append_text(f, data, size, &message);
	if (r == 0)
		r = keep(req, f->path, message);
	has_waited(req);
	return r;
}

/* ---- opening ---- */

static bool can_write(int flags)
{
	return (flags & O_ACCMODE) != O_RDONLY;
}

static int open_record(fuse_req_t req, struct ctlfile *f, const char *path,
		       int flags)
{
	if (!can_write(flags))
		return ctlview_read(camfs_of(req), path, &f->text);
	f->kind = CTLFILE_MESSAGE;
	f->path = strdup(path);
	return f->path ? keep(req, path, NULL) : -ENOMEM;
}

static int open_real(fuse_req_t req, struct ctlfile *f, const char *path)
{
	const char *version = ctlview_version(path);
	int flags = O_RDONLY | O_NONBLOCK;

	f->kind = CTLFILE_FILE;
	f->fd = version ? undo_open_version(req, version, flags)
			: beneath_open(camfs_of(req)->share.state_fd,
				       path + strlen(STATE_NAME "/"), flags, 0);
	return f->fd < 0 ? f->fd : 0;
}

static int fill(fuse_req_t req, struct ctlfile *f, const char *path, int flags)
{
	struct camfs *fs = camfs_of(req);

	if (!strcmp(path, CTLVIEW_CONTROL)) {
		f->kind = CTLFILE_CONTROL;
		f->answer_at = -1;
		return 0;
	}
	if (!ctlview_is_special(path))
		return open_record(req, f, path, flags);
	if (can_write(flags))
		return -EACCES;
	if (ownerfile_of(path))
		return ownerfile_read(req, ownerfile_of(path), &f->text);
	if (!strcmp(path, CTLVIEW_RECORDS))
		return ctlview_read(fs, path, &f->text);
	if (!strcmp(path, CTLVIEW_METRICS))
		return metrics_read(fs->metrics, &f->text);
	if (!strcmp(path, CTLVIEW_PAGE))
		return page_read(fs->page, &f->text);
	if (!strcmp(path, CTLVIEW_SHARE))
		return buffer_append_string(
			&f->text, registry_is_sure(fs->registry) ? "here\n"
								 : "cut off\n");
	if (strcmp(path, CTLVIEW_CHANGES) != 0)
		return open_real(req, f, path);
	f->kind = CTLFILE_CHANGES;
	return watch_new(fs->watcher, &f->watch);
}

int ctlfile_open(fuse_req_t req, const char *path, int flags,
		 struct ctlfile **ret_file)
{
	struct ctlfile *f;
	int r = new_file(req,
			 strcmp(path, CTLVIEW_CONTROL) ? QUOTA_HANDLES
						       : QUOTA_CONTROLS,
			 &f);

	if (r < 0)
		return r;
	r = fill(req, f, path, flags);
	if (r < 0) {
		ctlfile_unref(f);
		return r;
	}
	*ret_file = f;
	return 0;
}

/* ---- reading, writing, polling ---- */

static void reply_file(fuse_req_t req, int fd, size_t size, off_t offset)
{
	struct fuse_bufvec buf = FUSE_BUFVEC_INIT(size);

	buf.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
	buf.buf[0].fd = fd;
	buf.buf[0].pos = offset;
	fuse_reply_data(req, &buf, 0);
}

static void reply_text(fuse_req_t req, const struct buffer *text, size_t size,
		       off_t offset)
{
	if ((size_t)offset >= text->len)
		size = 0;
	else if (size > text->len - (size_t)offset)
		size = text->len - (size_t)offset;
	fuse_reply_buf(req, size ? text->data + offset : NULL, size);
}

/* Whether the request is to be done now. The answer begins where the first
 * read begins: behind the request, unless the reader went back. */
static int begin_answer(struct ctlfile *f, off_t offset,
			struct buffer *ret_request)
{
	LOCK_SCOPE(&f->mutex);
	if (f->busy)
		return -EBUSY;
	if (f->answer_at >= 0)
		return offset < f->answer_at ? -EINVAL : 0;
	f->answer_at = offset;
	f->busy = true;
	*ret_request = f->text;
	f->text = (struct buffer){};
	return 1;
}

static int answer(fuse_req_t req, struct ctlfile *f, off_t offset)
{
	struct buffer text;
	int r;

	r = begin_answer(f, offset, &text);
	if (r <= 0)
		return r;
	r = control_run(req, &text);
	LOCK_SCOPE(&f->mutex);
	f->text = text;
	f->busy = false;
	return r;
}

static int answer_if_may(fuse_req_t req, struct ctlfile *f, off_t offset)
{
	int r;

	if (!is_openers(req, f))
		return -EPERM;
	if (!may_wait(req))
		return -EAGAIN;
	r = answer(req, f, offset);
	has_waited(req);
	return r;
}

static void read_it(fuse_req_t req, struct ctlfile *f, size_t size,
		    off_t offset)
{
	char stamp[WATCH_STAMP_SIZE];
	struct buffer text = { .data = stamp };
	int r = 0;

	switch (f->kind) {
	case CTLFILE_FILE:
		reply_file(req, f->fd, size, offset);
		return;
	case CTLFILE_CHANGES:
		watch_read(f->watch, stamp);
		text.len = strlen(stamp);
		/* from any offset: each read is of the present */
		reply_text(req, &text, size, 0);
		return;
	case CTLFILE_CONTROL:
		r = answer_if_may(req, f, offset);
		offset -= r == 0 ? f->answer_at : 0;
		break;
	case CTLFILE_MESSAGE: /* may be growing */
		fuse_reply_buf(req, NULL, 0);
		return;
	default:
		break;
	}
	if (r < 0)
		fuse_reply_err(req, -r);
	else
		reply_text(req, &f->text, size, offset);
}

void ctlfile_read(fuse_req_t req, struct ctlfile *f, size_t size, off_t offset)
{
	atomic_fetch_add(&f->refs, 1);
	read_it(req, f, size, offset);
	ctlfile_unref(f);
}

static int append_request(struct ctlfile *f, const char *data, size_t size)
{
	LOCK_SCOPE(&f->mutex);
	if (f->answer_at >= 0)
		return -EBADF;
	if (f->text.len + size > CONTROL_SIZE_MAX)
		return -EFBIG;
	return buffer_append(&f->text, data, size);
}

static int take_written(fuse_req_t req, struct ctlfile *f, const char *data,
			size_t size)
{
	switch (f->kind) {
	case CTLFILE_MESSAGE:
		return append_message(req, f, data, size);
	case CTLFILE_CONTROL:
		return append_request(f, data, size);
	default:
		return -EBADF;
	}
}

void ctlfile_write(fuse_req_t req, struct ctlfile *f, struct fuse_bufvec *data)
{
	size_t size = fuse_buf_size(data);
	_cleanup_free_ char *bytes = malloc(size + 1);
	struct fuse_bufvec to = FUSE_BUFVEC_INIT(size);
	ssize_t n = -ENOMEM;
	int r;

	to.buf[0].mem = bytes;
	if (bytes)
		n = fuse_buf_copy(&to, data, 0);
	r = n < 0 ? (int)n : take_written(req, f, bytes, (size_t)n);
	if (r < 0)
		fuse_reply_err(req, -r);
	else
		fuse_reply_write(req, (size_t)n);
}

void ctlfile_poll(fuse_req_t req, struct ctlfile *f, struct fuse_pollhandle *ph)
{
	unsigned events = POLLIN | POLLOUT;

	if (f->kind == CTLFILE_CHANGES)
		events = watch_poll(f->watch, ph) ? POLLIN : 0;
	else if (ph)
		fuse_pollhandle_destroy(ph);
	fuse_reply_poll(req, events);
}
