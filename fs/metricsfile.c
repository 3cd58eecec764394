/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/metricsfile.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/wait.h"
#include "fs/log.h"
#include "fs/metrics.h"

struct metricsfile {
	char *path;
	char *name;
	char *temporary; /* beside it, and not read by node_exporter */
	int dirfd;
	int (*read)(void *arg, struct buffer *b);
	void *arg;
	pthread_t thread;
	bool started;
	bool failed; /* of the thread: the last time, and said so */
	atomic_bool changed;

	pthread_mutex_t mutex;
	pthread_cond_t wanted; /* something has changed, or closing */
	bool closing;	       /* under mutex */
};

void metricsfile_free(struct metricsfile *f)
{
	if (!f)
		return;
	if (f->dirfd >= 0)
		close(f->dirfd);
	pthread_cond_destroy(&f->wanted);
	pthread_mutex_destroy(&f->mutex);
	free(f->path);
	free(f->name);
	free(f->temporary);
	free(f);
}

/* ---- writing ---- */

static int write_all(int fd, const struct buffer *b)
{
	size_t done = 0;

	while (done < b->len) {
		ssize_t n = write(fd, b->data + done, b->len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += (size_t)n;
	}
	return 0;
}

/* Whoever else may write to that folder: nothing of his is followed. */
static int open_temporary(struct metricsfile *f)
{
	int fd;

	unlinkat(f->dirfd, f->temporary, 0);
	fd = openat(f->dirfd, f->temporary,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	return fd < 0 ? -errno : fd;
}

static int replace(struct metricsfile *f)
{
	_cleanup_buffer_ struct buffer text = {};
	_cleanup_close_ int fd = -1;
	int r = f->read(f->arg, &text);

	if (r == 0)
		r = fd = open_temporary(f);
	if (r >= 0 && fchmod(fd, 0644) < 0)
		r = -errno;
	if (r >= 0)
		r = write_all(fd, &text);
	if (r == 0 && renameat(f->dirfd, f->temporary, f->dirfd, f->name) < 0)
		r = -errno;
	if (r < 0 && fd >= 0)
		unlinkat(f->dirfd, f->temporary, 0);
	return r;
}

/* What goes wrong is said once, until it goes well again. */
static void replace_and_say(struct metricsfile *f)
{
	int r = replace(f);

	if (r < 0 && !f->failed)
		log_warning("cannot write the metrics to '%s': %s; it says "
			    "what was so before",
			    f->path, strerror(-r));
	f->failed = r < 0;
}

/* ---- the thread ---- */

static bool is_closing(struct metricsfile *f)
{
	LOCK_SCOPE(&f->mutex);
	return f->closing;
}

/* For good, until something has changed. */
static void await_change(struct metricsfile *f)
{
	LOCK_SCOPE(&f->mutex);
	while (!f->changed && !f->closing)
		pthread_cond_wait(&f->wanted, &f->mutex);
}

/* What changes meanwhile waits. */
static void pause_a_while(struct metricsfile *f)
{
	uint64_t until = clock_now() + METRICS_SECONDS * NSEC_PER_SEC;

	LOCK_SCOPE(&f->mutex);
	while (!f->closing && clock_now() < until)
		wait_on(&f->wanted, &f->mutex, until);
}

static void *keep_up(void *file)
{
	struct metricsfile *f = file;

	while (!is_closing(f)) {
		f->changed = false;
		replace_and_say(f);
		pause_a_while(f);
		await_change(f);
	}
	return NULL;
}

/* Only the first after a write has the thread to wake. */
void metricsfile_tell(struct metricsfile *f)
{
	if (atomic_exchange(&f->changed, true))
		return;
	LOCK_SCOPE(&f->mutex);
	pthread_cond_signal(&f->wanted);
}

/* ---- opening and closing ---- */

static int open_folder(struct metricsfile *f, const char *path)
{
	_cleanup_free_ char *copy = strdup(path);
	_cleanup_close_ int fd = -1;
	int r;

	if (!copy)
		return -ENOMEM;
	f->dirfd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->dirfd < 0)
		return -errno;
	r = fd = open_temporary(f);
	if (r < 0)
		return r;
	unlinkat(f->dirfd, f->temporary, 0);
	return 0;
}

/* A file that is empty somebody may have made for us. */
static int check_present(struct metricsfile *f, const char *head)
{
	_cleanup_close_ int fd = -1;
	char text[64];
	struct stat st;
	ssize_t n;

	if (fstatat(f->dirfd, f->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISREG(st.st_mode))
		return -EEXIST;
	fd = openat(f->dirfd, f->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text));
	if (n < 0)
		return -errno;
	return n == 0 || ((size_t)n >= strlen(head) &&
			  !memcmp(text, head, strlen(head)))
		       ? 0
		       : -EEXIST;
}

int metricsfile_open(struct metricsfile **ret_file, const char *path,
		     const char *head, int (*read)(void *arg, struct buffer *b),
		     void *arg)
{
	struct metricsfile *f = calloc(1, sizeof(*f));
	const char *slash = strrchr(path, '/');
	int r = -ENOMEM;

	if (!f)
		return r;
	f->dirfd = -1;
	f->read = read;
	f->arg = arg;
	pthread_mutex_init(&f->mutex, NULL);
	pthread_cond_init(&f->wanted, NULL);
	f->path = strdup(path);
	f->name = strdup(slash ? slash + 1 : path);
	if (f->path && f->name &&
	    asprintf(&f->temporary, ".%s.tmp", f->name) >= 0)
		r = open_folder(f, path);
	if (r == 0)
		r = check_present(f, head);
	if (r < 0) {
		metricsfile_free(f);
		return r;
	}
	*ret_file = f;
	return 0;
}

int metricsfile_start(struct metricsfile *f)
{
	int r = -pthread_create(&f->thread, NULL, keep_up, f);

	f->started = r == 0;
	return r;
}

void metricsfile_stop(struct metricsfile *f)
{
	if (!f->started)
		return;
	pthread_mutex_lock(&f->mutex);
	f->closing = true;
	pthread_cond_signal(&f->wanted);
	pthread_mutex_unlock(&f->mutex);
	pthread_join(f->thread, NULL);
	f->started = false;
	unlinkat(f->dirfd, f->name, 0);
}
