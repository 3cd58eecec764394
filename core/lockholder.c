/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/lockholder.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/process.h"

/* One line: "1: FLOCK  ADVISORY  WRITE 4242 08:01:131131 0 EOF". The numbers
 * of the device are hexadecimal. Waiters are marked by "->" and don't parse. */
static pid_t holder_in_line(const char *line, const struct stat *st)
{
	unsigned major_, minor_;
	unsigned long ino;
	int pid;

	if (sscanf(line, "%*d: FLOCK %*s %*s %d %x:%x:%lu", &pid, &major_,
		   &minor_, &ino) != 4)
		return 0;
	return major_ == major(st->st_dev) && minor_ == minor(st->st_dev) &&
			       ino == st->st_ino
		       ? pid
		       : 0;
}

static pid_t find_holder(const struct stat *st)
{
	FILE *locks = fopen("/proc/locks", "re");
	char line[256];
	pid_t pid = 0;

	while (locks && pid <= 0 && fgets(line, sizeof(line), locks))
		pid = holder_in_line(line, st);
	if (locks)
		fclose(locks);
	return pid;
}

void lockholder_describe(int dirfd, const char *name, char *text, size_t size)
{
	struct process process;
	struct stat st;
	pid_t pid = 0;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		pid = find_holder(&st);
	if (pid <= 0) {
		snprintf(text, size, "unknown to this host");
		return;
	}
	process_of_thread(pid, &process);
	snprintf(text, size, "%s, pid %d",
		 process.name[0] ? process.name : "a program", (int)pid);
}
