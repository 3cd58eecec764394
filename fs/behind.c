/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/behind.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/wait.h"
#include "fs/log.h"

/* Most events are of our own doing, and are thrown away. They are fetched many
 * at a time, and repeated ones are one by then. */
#define GATHER_MSEC 20
#define BUFFER_SIZE (64 * 1024)

/* Of a file that is written, the end is told, not each write: that would cost
 * every program on that file system more than its write does. */
#define CHANGES                                                    \
	(FAN_CREATE | FAN_DELETE | FAN_MOVED_FROM | FAN_MOVED_TO | \
	 FAN_CLOSE_WRITE | FAN_ATTRIB | FAN_ONDIR)
#define NAME_CHANGES (FAN_CREATE | FAN_DELETE | FAN_MOVED_FROM | FAN_MOVED_TO)

struct behind {
	struct camfs *fs;
	int events_fd; /* fanotify */
	int stop_fd;   /* readable: end */
	pid_t own_pid;
	pthread_t thread;
	_Alignas(struct fanotify_event_metadata) char buffer[BUFFER_SIZE];
};

/* ---- what an event is about ---- */

/* The kernel asks for its attributes again; and if the file was changed, it
 * then drops what it has of the content. */
static void forget_attributes(struct camfs *fs, uint64_t id)
{
	fuse_lowlevel_notify_inval_inode(fs->session, id, -1, 0);
}

static void take_info(struct camfs *fs, uint64_t mask,
		      struct fanotify_event_info_fid *info)
{
	struct file_handle *handle = (struct file_handle *)info->handle;
	const char *name = (char *)handle->f_handle + handle->handle_bytes;
	uint64_t id;

	if (info->hdr.info_type == FAN_EVENT_INFO_TYPE_DFID_NAME &&
	    !(mask & NAME_CHANGES))
		return; /* the file's own handle comes along */
	id = inodes_id_of(&fs->inodes, handle);
	if (!id)
		return;
	forget_attributes(fs, id);
	if (mask & NAME_CHANGES)
		fuse_lowlevel_notify_inval_entry(fs->session, id, name,
						 strlen(name));
}

static void take_event(struct camfs *fs, struct fanotify_event_metadata *event)
{
	char *at = (char *)event + event->metadata_len;
	char *end = (char *)event + event->event_len;

	while (at + sizeof(struct fanotify_event_info_fid) <= end) {
		struct fanotify_event_info_fid *info = (void *)at;

		take_info(fs, event->mask, info);
		at += info->hdr.len;
	}
}

/* ---- the thread ---- */

static void take_events(struct behind *b)
{
	ssize_t n = read(b->events_fd, b->buffer, BUFFER_SIZE);
	struct fanotify_event_metadata *event = (void *)b->buffer;

	for (; FAN_EVENT_OK(event, n); event = FAN_EVENT_NEXT(event, n))
		if (event->pid != b->own_pid)
			take_event(b->fs, event);
}

/* Whether there is more to come. */
static bool await(struct behind *b, short events, int timeout)
{
	struct pollfd fds[] = { { b->stop_fd, POLLIN, 0 },
				{ b->events_fd, events, 0 } };

	poll(fds, 2, timeout);
	return !fds[0].revents;
}

static void *listen_behind(void *arg)
{
	struct behind *b = arg;

	while (await(b, POLLIN, -1) && await(b, 0, GATHER_MSEC))
		take_events(b);
	return NULL;
}

static int start(struct behind *b)
{
	if (b->fs->share.handles_fd < 0)
		return -EOPNOTSUPP;
	/* never too many: who misses one believes what is wrong for long */
	b->events_fd =
		fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK |
				      FAN_UNLIMITED_QUEUE | FAN_REPORT_FID |
				      FAN_REPORT_DFID_NAME,
			      O_RDONLY);
	if (b->events_fd < 0 ||
	    fanotify_mark(b->events_fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM,
			  CHANGES, b->fs->share.handles_fd, NULL) < 0)
		return -errno;
	/* of our own files nobody knows anything; a kernel before 6.0 can't
	 * leave them out */
	fanotify_mark(b->events_fd, FAN_MARK_ADD | FAN_MARK_IGNORE_SURV,
		      CHANGES | FAN_EVENT_ON_CHILD, b->fs->share.state_fd,
		      NULL);
	b->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (b->stop_fd < 0)
		return -errno;
	return -pthread_create(&b->thread, NULL, listen_behind, b);
}

struct behind *behind_open(struct camfs *fs)
{
	struct behind *b;
	int r = -ENOMEM;

	if (fs->options->cache_seconds <= BEHIND_FROM || fs->share.is_network)
		return NULL;
	b = calloc(1, sizeof(*b));
	if (b) {
		*b = (struct behind){ .fs = fs,
				      .own_pid = getpid(),
				      .events_fd = -1,
				      .stop_fd = -1 };
		r = start(b);
	}
	if (r == 0)
		return b;
	log_warning("what is changed in '%s' behind the mount is seen after "
		    "--cache-seconds %g only: the kernel does not tell (%s)",
		    fs->options->share, fs->options->cache_seconds,
		    strerror(-r));
	behind_close(b);
	return NULL;
}

void behind_close(struct behind *b)
{
	if (!b)
		return;
	if (b->thread) {
		eventfd_write(b->stop_fd, 1);
		pthread_join(b->thread, NULL);
	}
	cleanup_close(&b->events_fd);
	cleanup_close(&b->stop_fd);
	free(b);
}
