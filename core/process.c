/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "core/cleanup.h"

/* Linux allows 65536 groups. */
#define STATUS_MAX (1 << 20)

#define KERNEL_THREAD 0x00200000 /* PF_KTHREAD in <linux/sched.h> */

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

/* A number in stat, which is "pid (name) state ppid pgrp ...": the name may
 * hold anything, so fields, numbered as in proc(5), are counted from the last
 * parenthesis. */
static uint64_t stat_field(const char *stat, int number)
{
	const char *p = strrchr(stat, ')');

	for (int i = 2; p && i < number; i++)
		p = strchr(p + 1, ' ');
	return p ? strtoull(p, NULL, 10) : 0;
}

uint64_t process_start_time(pid_t pid)
{
	char stat[512];

	read_proc(pid, "stat", stat, sizeof(stat));
	return stat_field(stat, 22);
}

int process_place(pid_t pid, struct process_place *ret_place)
{
	char stat[512];

	read_proc(pid, "stat", stat, sizeof(stat));
	if (!*stat || (stat_field(stat, 9) & KERNEL_THREAD))
		return -ESRCH;
	*ret_place = (struct process_place){
		.start = stat_field(stat, 22),
		.parent = (pid_t)stat_field(stat, 4),
		.group = (pid_t)stat_field(stat, 5),
	};
	return 0;
}

/* A number in status, whose lines are "Key:\tnumber ...". */
static long status_field(pid_t pid, const char *key, long none)
{
	char status[512];
	const char *p;

	read_proc(pid, "status", status, sizeof(status));
	p = strstr(status, key);
	return p ? strtol(p + strlen(key), NULL, 10) : none;
}

uid_t process_user(pid_t pid)
{
	return (uid_t)status_field(pid, "\nUid:", -1);
}

uid_t process_saved_user(pid_t pid)
{
	char status[512];
	unsigned int saved;
	const char *p;

	read_proc(pid, "status", status, sizeof(status));
	p = strstr(status, "\nUid:");
	return p && sscanf(p, "\nUid: %*u %*u %u", &saved) == 1 ? saved
								: (uid_t)-1;
}

bool process_exists(pid_t pid)
{
	return kill(pid, 0) == 0 || errno == EPERM;
}

/* Most callers are the first thread of their process. Asking for a pidfd
 * (pidfd_open(2) takes only those) costs a tenth of reading `status`. */
static bool is_first_thread(pid_t tid)
{
	_cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, tid, 0);

	return fd >= 0;
}

static pid_t thread_group(pid_t tid)
{
	return is_first_thread(tid) ? tid
				    : (pid_t)status_field(tid, "\nTgid:", 0);
}

pid_t process_id(pid_t tid)
{
	return tid > 0 ? thread_group(tid) : 0;
}

/* All of /proc/TID/status, which somebody in many groups makes long; on the
 * heap, or NULL. */
static char *read_status(pid_t tid)
{
	_cleanup_free_ char *text = NULL;

	for (size_t size = 4096; size <= STATUS_MAX; size *= 2) {
		free(text);
		text = malloc(size);
		if (!text)
			return NULL;
		read_proc(tid, "status", text, size);
		if (strlen(text) < size - 1)
			return take_ptr(text);
	}
	return NULL;
}

static int parse_groups(const char *list, gid_t **ret_groups)
{
	size_t len = strcspn(list, "\n"), n = 0;
	const char *end = list + len;
	gid_t *groups = calloc(len / 2 + 1, sizeof(*groups));

	if (!groups)
		return -ENOMEM;
	while (list < end) {
		char *next;
		unsigned long gid = strtoul(list, &next, 10);

		if (next == list || next > end)
			break;
		groups[n++] = (gid_t)gid;
		list = next;
	}
	*ret_groups = groups;
	return (int)n;
}

int process_groups(pid_t tid, uid_t uid, gid_t **ret_groups)
{
	_cleanup_free_ char *status = tid > 0 ? read_status(tid) : NULL;
	const char *uids = status ? strstr(status, "\nUid:") : NULL;
	const char *groups = uids ? strstr(uids, "\nGroups:") : NULL;
	unsigned fsuid;

	/* real, effective, saved, and the one that counts for files */
	if (!groups || sscanf(uids, "\nUid: %*u %*u %*u %u", &fsuid) != 1 ||
	    fsuid != uid)
		return -ESRCH;
	return parse_groups(groups + strlen("\nGroups:"), ret_groups);
}

/* A set of signals in status. */
static uint64_t signals(const char *status, const char *key)
{
	const char *p = strstr(status, key);

	return p ? strtoull(p + strlen(key), NULL, 16) : 0;
}

static bool has_signals(pid_t tid)
{
	_cleanup_free_ char *status = tid > 0 ? read_status(tid) : NULL;

	return status && ((signals(status, "\nSigPnd:") |
			   signals(status, "\nShdPnd:")) &
			  ~signals(status, "\nSigBlk:"));
}

/* One for the whole process may be another thread's, who takes it in no time. */
bool process_is_signalled(pid_t tid)
{
	static const struct timespec no_time = { .tv_nsec = 1000000 };

	if (!has_signals(tid))
		return false;
	nanosleep(&no_time, NULL);
	return has_signals(tid);
}

void process_of(pid_t pid, struct process *ret_process)
{
	ret_process->pid = pid;
	read_proc(pid, "comm", ret_process->name, sizeof(ret_process->name));
	ret_process->name[strcspn(ret_process->name, "\n")] = '\0';
}

int process_of_thread(pid_t tid, struct process *ret_process)
{
	pid_t pid = process_id(tid);

	*ret_process = (struct process){ .pid = tid };
	if (pid <= 0)
		return -ESRCH;
	process_of(pid, ret_process);
	return 0;
}
