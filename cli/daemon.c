/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "core/cleanup.h"
#include "fs/log.h"

#define ANSWER_SECONDS 30

int foreground_mount(struct mount_options *options)
{
	switch (mount_run(options)) {
	case 0:
		return DONE;
	case -EBUSY:
	case -EINVAL:
	case -ENOENT:
	case -ENOTDIR:
	case -ENOTEMPTY:
		return REFUSED;
	default:
		return TROUBLE;
	}
}

/* ---- the child ---- */

static void leave_standard_files(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int i = STDIN_FILENO; fd >= 0 && i <= STDERR_FILENO; i++)
		dup2(fd, i);
	if (fd > STDERR_FILENO)
		close(fd);
}

/* Whoever waits for the parent, or for the end of its output, may go on. If
 * the parent is gone, somebody has given the mount up (^C): we end it, too. */
static void tell_parent(void *arg)
{
	int *to_parent = arg;

	log_to_syslog();
	setsid();
	leave_standard_files();
	if (write(*to_parent, "", 1) < 0) {
		log_warning("nobody waits for the mount any more: ending it");
		kill(getpid(), SIGTERM);
	}
	close(*to_parent);
	*to_parent = -1;
}

/* Until the mount answers it stays in the caller's process group, so that ^C
 * ends it, too. */
static int serve(struct mount_options *options, int to_parent)
{
	options->on_ready = tell_parent;
	options->on_ready_arg = &to_parent;
	signal(SIGPIPE, SIG_IGN);
	if (chdir("/") < 0)
		return fail(TROUBLE, "cannot enter '/': %s", reason(errno));
	return foreground_mount(options);
}

/* ---- the parent ---- */

static void on_alarm(int signum)
{
	static const char text[] = "camlock: the mount is there, but does not "
				   "answer: see the "
				   "system's log, and unmount it with 'umount "
				   "-l'\n";

	(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	_exit(TROUBLE);
}

/* A look at the mountpoint is answered by the mount, not the folder below. */
static int check_answer(const char *mountpoint, dev_t before)
{
	struct stat st;
	int r;

	signal(SIGALRM, on_alarm);
	alarm(ANSWER_SECONDS);
	r = stat(mountpoint, &st);
	alarm(0);
	if (r < 0)
		return fail(TROUBLE,
			    "mounted '%s', but it does not answer: %s: see the "
			    "system's log",
			    mountpoint, reason(errno));
	if (st.st_dev == before)
		return fail(TROUBLE,
			    "mounted '%s', but it was unmounted at once: see "
			    "the system's log",
			    mountpoint);
	return DONE;
}

static int status_of_child(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return fail(TROUBLE, "the daemon is lost: %s",
				    reason(errno));
	if (WIFSIGNALED(status))
		return fail(TROUBLE,
			    "the daemon was killed by signal %d (%s) before "
			    "the mount answered",
			    WTERMSIG(status), strsignal(WTERMSIG(status)));
	if (WEXITSTATUS(status) == DONE)
		return fail(TROUBLE, "the daemon ended before the mount "
				     "answered");
	return WEXITSTATUS(status); /* it has said why */
}

static int wait_until_ready(pid_t pid, int from_child, const char *mountpoint,
			    dev_t before)
{
	ssize_t n;
	char c;

	do
		n = read(from_child, &c, 1);
	while (n < 0 && errno == EINTR);
	if (n != 1)
		return status_of_child(pid);
	return check_answer(mountpoint, before);
}

int daemon_mount(struct mount_options *options)
{
	_cleanup_close_ int from_child = -1;
	struct statfs fs;
	struct stat st;
	int fds[2];
	pid_t pid;

	/* What is left of a dead mount has no number that tells: the kernel
	 * gives it to the next one. But stat() alone may still get it, from
	 * the kernel's cache. */
	if (statfs(options->mountpoint, &fs) < 0 ||
	    stat(options->mountpoint, &st) < 0)
		st.st_dev = 0;
	/* whatever the caller left open would stay open for ever */
	close_range(STDERR_FILENO + 1, ~0U, 0);
	if (pipe2(fds, O_CLOEXEC) < 0)
		return fail(TROUBLE, "cannot make a pipe: %s", reason(errno));
	pid = fork();
	if (pid < 0)
		return fail(TROUBLE, "cannot start the daemon: %s",
			    reason(errno));
	if (pid == 0) {
		close(fds[0]);
		return serve(options, fds[1]);
	}
	close(fds[1]);
	from_child = fds[0];
	return wait_until_ready(pid, from_child, options->mountpoint,
				st.st_dev);
}
