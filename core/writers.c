/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/writers.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>

#include "core/beneath.h"
#include "core/cleanup.h"

bool writers_exist(int fd)
{
	/* told by a signal that is ignored by default, if it is broken */
	fcntl(fd, F_SETSIG, SIGURG);
	if (fcntl(fd, F_SETLEASE, F_RDLCK) < 0)
		return errno == EAGAIN;
	fcntl(fd, F_SETLEASE, F_UNLCK);
	return false;
}

bool writers_exist_at(int folder, const char *path)
{
	_cleanup_close_ int fd =
		beneath_open(folder, path, O_RDONLY | O_NONBLOCK, 0);

	return fd >= 0 && writers_exist(fd);
}
