/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/lease.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/filelock.h"
#include "core/fskind.h"

#define HOST_PART 64 /* bytes of the host's name that go into the id */
#define STATION_TEXT_SIZE 4096
#define LOCK_TRIES 5 /* who probes the lock has it for a moment */
#define LOCK_PAUSE_NS 5000000L

static bool is_id_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

bool lease_id_is_valid(const char *id)
{
	size_t len = 0;

	if (id[0] == '.')
		return false;
	for (; id[len]; len++)
		if (!is_id_char(id[len]))
			return false;
	return len > 0 && len < LEASE_ID_SIZE;
}

void lease_make_id(char id[LEASE_ID_SIZE], const char *host)
{
	uint64_t random = 0;
	size_t n = 0;

	if (getrandom(&random, sizeof(random), 0) < 0)
		random = (uint64_t)getpid();
	for (; n < HOST_PART && host[n]; n++)
		id[n] = is_id_char(host[n]) && (n || host[n] != '.') ? host[n]
								     : '_';
	snprintf(id + n, LEASE_ID_SIZE - n, "-%016llx",
		 (unsigned long long)random);
}

/* ---- the file ---- */

static int write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

static int write_station(int fd, const struct station *s)
{
	_cleanup_buffer_ struct buffer text = {};
	int r = station_format(s, &text);

	if (r == 0)
		r = write_all(fd, text.data, text.len);
	/* it stays open: some shares show others the content only now */
	return r == 0 && fdatasync(fd) < 0 ? -errno : r;
}

static int lock(int fd)
{
	const struct timespec pause = { .tv_nsec = LOCK_PAUSE_NS };
	int r;

	for (int i = 0; i < LOCK_TRIES; i++) {
		r = filelock_try(fd, false);
		if (r != -EWOULDBLOCK)
			return r;
		clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
	}
	return r;
}

/* A new file, locked. */
static int make_file(struct lease *l)
{
	_cleanup_close_ int fd = openat(
		l->dirfd, l->id,
		O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	int r;

	if (fd < 0)
		return -errno;
	/* a share may take the new file for the old one, and its lock for
	 * another's */
	if (l->fd >= 0)
		close(take_fd(l->fd));
	r = filelock_try(fd, false);
	if (r == 0)
		r = write_station(fd, &l->station);
	if (r < 0) {
		unlinkat(l->dirfd, l->id, 0);
		return r;
	}
	l->fd = take_fd(fd);
	return 0;
}

int lease_open(struct lease *ret_lease, int dirfd, const char *host,
	       unsigned silence_ms)
{
	struct lease l = { .dirfd = dirfd, .fd = -1 };
	int r;

	lease_make_id(l.id, host);
	station_here(&l.station, host);
	l.station.silence_ms = silence_ms;
	r = make_file(&l);
	if (r == 0)
		*ret_lease = l;
	return r;
}

void lease_close(struct lease *l)
{
	if (l->fd < 0 && !l->id[0])
		return;
	lease_remove(l->dirfd, l->id);
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	l->id[0] = '\0';
}

bool lease_is_removed(const struct lease *l)
{
	struct stat st;

	return l->id[0] &&
	       (l->fd < 0 || (fstat(l->fd, &st) == 0 && st.st_nlink == 0));
}

/* ---- beating ---- */

static void beat_name(char name[LEASE_ID_SIZE + 8], const char *id,
		      const char *end)
{
	snprintf(name, LEASE_ID_SIZE + 8, ".%s%s", id, end);
}

/* By a rename: who reads it anew finds the new file, whatever it believes of
 * the old one. */
static int publish(struct lease *l)
{
	char name[LEASE_ID_SIZE + 8], temp[LEASE_ID_SIZE + 8], text[32];
	_cleanup_close_ int fd = -1;
	int r;

	beat_name(name, l->id, "");
	beat_name(temp, l->id, "~");
	snprintf(text, sizeof(text), "%" PRIu64 "\n", l->beat + 1);
	fd = openat(l->dirfd, temp,
		    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
		    0644);
	r = fd < 0 ? -errno : write_all(fd, text, strlen(text));
	if (r == 0 && close(take_fd(fd)) < 0)
		r = -errno;
	if (r == 0 && renameat(l->dirfd, temp, l->dirfd, name) < 0)
		r = -errno;
	if (r == 0)
		l->beat++;
	return r;
}

/* Whether the name still leads to the file that is locked. Of a file without a
 * name some shares don't even know the attributes any more. */
static int check_name(const struct lease *l)
{
	struct stat ours, named;

	if (l->fd < 0)
		return -ESTALE;
	if (fstat(l->fd, &ours) < 0 ||
	    fstatat(l->dirfd, l->id, &named, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? -ESTALE : -errno;
	return ours.st_ino == named.st_ino && ours.st_dev == named.st_dev
		       ? 0
		       : -ESTALE;
}

int lease_beat(struct lease *l)
{
	int r = check_name(l);

	if (r == 0)
		r = lock(l->fd);
	return r == 0 ? publish(l) : r;
}

int lease_renew(struct lease *l)
{
	_cleanup_close_ int fd =
		openat(l->dirfd, l->id, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	int r;

	if (fd < 0)
		return errno == ENOENT ? make_file(l) : -errno;
	if (check_name(l) == 0)
		return lock(l->fd);
	r = lock(fd);
	if (r < 0)
		return r;
	if (l->fd >= 0)
		close(l->fd);
	l->fd = take_fd(fd);
	return 0;
}

/* ---- others' ---- */

static int read_text(int fd, char *text, size_t size)
{
	ssize_t n = pread(fd, text, size - 1, 0);

	if (n < 0)
		return -errno;
	text[n] = '\0';
	return (int)n;
}

/* Its lock can be had. */
static int judge(int fd, unsigned *ret_silence_ms)
{
	char text[STATION_TEXT_SIZE];
	struct station s;
	int n = read_text(fd, text, sizeof(text));

	if (n < 0)
		return n;
	if (station_parse(&s, text, (size_t)n) < 0)
		s = (struct station){};
	if ((!s.silence_ms && (n > 0 || fskind_is_local(fd))) ||
	    station_is_gone(&s))
		return LEASE_STALE;
	if (ret_silence_ms)
		*ret_silence_ms = s.silence_ms;
	return LEASE_SILENT;
}

/* Its file is not there. On a network share it may have been removed by
 * mistake, and its mount live. */
static int judge_missing(int dirfd, unsigned *ret_silence_ms)
{
	if (fskind_is_local(dirfd))
		return LEASE_STALE;
	if (ret_silence_ms)
		*ret_silence_ms = 0;
	return LEASE_SILENT;
}

int lease_probe(int dirfd, const char *id, unsigned *ret_silence_ms)
{
	_cleanup_close_ int fd = -1;
	int r;

	if (!lease_id_is_valid(id))
		return -EINVAL;
	/* Only to read: a tool that anybody runs may ask, too. */
	fd = openat(dirfd, id, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return errno == ENOENT ? judge_missing(dirfd, ret_silence_ms)
				       : -errno;
	r = filelock_try(fd, true);
	if (r == -EWOULDBLOCK)
		return LEASE_LIVE;
	return r < 0 ? r : judge(fd, ret_silence_ms);
}

int lease_read_beat(int dirfd, const char *id, uint64_t *ret_beat)
{
	char name[LEASE_ID_SIZE + 8], text[32];
	_cleanup_close_ int fd = -1;
	int n;

	beat_name(name, id, "");
	fd = openat(dirfd, name,
		    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT) {
		*ret_beat = 0;
		return 0;
	}
	n = fd < 0 ? -errno : read_text(fd, text, sizeof(text));
	if (n >= 0)
		*ret_beat = strtoull(text, NULL, 10);
	return n < 0 ? n : 0;
}

void lease_remove(int dirfd, const char *id)
{
	char name[LEASE_ID_SIZE + 8];

	if (!lease_id_is_valid(id))
		return;
	unlinkat(dirfd, id, 0);
	beat_name(name, id, "");
	unlinkat(dirfd, name, 0);
	beat_name(name, id, "~");
	unlinkat(dirfd, name, 0);
}
