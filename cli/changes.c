/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/changes.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "core/history.h"

#define CHANGES_NAME "changes"
#define LOOK_EVERY (500 * NSEC_PER_MSEC)
#define LONGEST (2 * NSEC_PER_SEC)

static struct signature sign(int dirfd, const char *name)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return (struct signature){};
	return signature_of(&st);
}

static void look(const struct changes *c, struct signature *ret_records,
		 struct signature *ret_history)
{
	*ret_records = c->locks ? sign(AT_FDCWD, c->locks)
				: sign(c->place->files, LOCKS_NAME);
	*ret_history = sign(c->place->state, HISTORY_NAME);
}

int changes_open(struct changes *ret_changes, const struct place *place,
		 const char *locks)
{
	struct changes c = { .place = place, .locks = locks, .fd = -1 };

	if (place->is_mount) {
		c.fd = openat(place->files, CHANGES_NAME,
			      O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		if (c.fd < 0)
			return changes_failed(&c, -errno);
	} else {
		look(&c, &c.records, &c.history);
	}
	*ret_changes = c;
	return DONE;
}

void changes_close(struct changes *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

int changes_failed(const struct changes *c, int error)
{
	if (error == -ENOENT)
		return fail(TROUBLE,
			    "the mount '%s' is an older camlock's: unmount it "
			    "and mount it again",
			    c->place->root);
	return fail(TROUBLE, "cannot wait for changes of '%s': %s",
		    c->place->root, reason(error));
}

static bool has_changed(struct changes *c)
{
	struct signature records, history;

	look(c, &records, &history);
	if (signature_same(&records, &c->records) &&
	    signature_same(&history, &c->history))
		return false;
	c->records = records;
	c->history = history;
	return true;
}

static int take_change(const struct changes *c)
{
	char number[64];
	ssize_t n = pread(c->fd, number, sizeof(number), 0);

	return n < 0 && errno != EAGAIN ? -errno : 1;
}

/* One poll of at most `ns`. Returns as changes_wait(), 0 when nothing is to be
 * seen. */
static int poll_once(struct changes *c, uint64_t ns, const sigset_t *mask)
{
	struct timespec ts = { .tv_sec = (time_t)(ns / NSEC_PER_SEC),
			       .tv_nsec = (long)(ns % NSEC_PER_SEC) };
	/* of the other only its end is wanted, which needs no asking */
	struct pollfd fds[] = { { .fd = c->fd, .events = POLLIN },
				{ .fd = c->for_reader ? STDOUT_FILENO : -1 } };
	int n = ppoll(fds, 2, &ts, mask);

	if (n < 0)
		return -errno;
	if (fds[1].revents & POLLERR)
		return -EPIPE;
	if (fds[0].revents & (POLLIN | POLLERR | POLLHUP | POLLNVAL))
		return take_change(c);
	return 0;
}

int changes_wait(struct changes *c, uint64_t deadline, const sigset_t *mask)
{
	uint64_t begin = clock_now();
	uint64_t end = deadline - begin < LONGEST ? deadline : begin + LONGEST;
	uint64_t step = c->fd >= 0 ? LONGEST : LOOK_EVERY;

	if (deadline <= begin)
		return 0;
	for (;;) {
		uint64_t now = clock_now();
		uint64_t left = end > now ? end - now : 0;
		int r = poll_once(c, left < step ? left : step, mask);

		if (r != 0)
			return r;
		if (c->fd < 0 && has_changed(c))
			return 1;
		if (left == 0)
			return end < deadline;
	}
}
