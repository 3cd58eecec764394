/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"

/* Reads the beginning of a file of /proc; an empty text if there is none. */
static void read_proc(pid_t pid, const char *file, char *text, size_t size)
{
	_cleanup_close_ int fd = -1;
	char path[64];
	ssize_t n = 0;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		n = read(fd, text, size - 1);
	text[n > 0 ? n : 0] = '\0';
}

/* stat is "pid (name) state ppid ...": the name may hold anything, so what is
 * behind it is counted from the last parenthesis. The start time is field 22,
 * the 20th behind the name. */
static uint64_t parse_start_time(const char *stat)
{
	const char *p = strrchr(stat, ')');

	for (int i = 0; p && i < 20; i++)
		p = strchr(p + 1, ' ');
	return p ? strtoull(p, NULL, 10) : 0;
}

static void parse_name(const char *stat, char name[PROCESS_NAME_SIZE])
{
	const char *begin = strchr(stat, '(');
	const char *end = strrchr(stat, ')');

	if (begin && end && end > begin)
		snprintf(name, PROCESS_NAME_SIZE, "%.*s",
			 (int)(end - begin - 1), begin + 1);
}

static pid_t thread_group(pid_t tid)
{
	static const char key[] = "\nTgid:";
	char status[512];
	const char *p;

	read_proc(tid, "status", status, sizeof(status));
	p = strstr(status, key);
	return p ? (pid_t)strtol(p + strlen(key), NULL, 10) : 0;
}

int process_of_thread(pid_t tid, struct process *ret_process)
{
	char stat[512];
	pid_t pid = tid > 0 ? thread_group(tid) : 0;

	*ret_process = (struct process){.pid = pid > 0 ? pid : tid};
	if (pid <= 0)
		return -ESRCH;
	read_proc(pid, "stat", stat, sizeof(stat));
	parse_name(stat, ret_process->name);
	ret_process->start_time = parse_start_time(stat);
	return 0;
}
