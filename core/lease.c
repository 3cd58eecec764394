/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/lease.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/filelock.h"

#define HOST_PART 64 /* bytes of the host's name that go into the id */

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

static void make_id(char id[LEASE_ID_SIZE], const char *host)
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

int lease_open(struct lease *ret_lease, int dirfd, const char *host)
{
	struct lease l = { .dirfd = dirfd, .fd = -1 };
	_cleanup_close_ int fd = -1;
	int r;

	make_id(l.id, host);
	fd = openat(dirfd, l.id,
		    O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return -errno;
	r = filelock_try(fd, false);
	if (r < 0) {
		unlinkat(dirfd, l.id, 0);
		return r;
	}
	l.fd = take_fd(fd);
	*ret_lease = l;
	return 0;
}

void lease_close(struct lease *l)
{
	if (l->fd < 0)
		return;
	lease_remove(l->dirfd, l->id);
	close(l->fd);
	l->fd = -1;
}

int lease_probe(int dirfd, const char *id)
{
	_cleanup_close_ int fd = -1;
	int r;

	if (!lease_id_is_valid(id))
		return -EINVAL;
	/* Only to read: a tool that anybody runs may ask, too. */
	fd = openat(dirfd, id, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return errno == ENOENT ? LEASE_STALE : -errno;
	r = filelock_try(fd, true);
	if (r == -EWOULDBLOCK)
		return LEASE_LIVE;
	return r < 0 ? r : LEASE_STALE;
}

void lease_remove(int dirfd, const char *id)
{
	if (lease_id_is_valid(id))
		unlinkat(dirfd, id, 0);
}
