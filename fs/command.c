/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/wait.h"

#define LOOK_MS 500
#define SHELL_ARGS 4

extern char **environ;

static void set_file(posix_spawn_file_actions_t *files, int fd, int as)
{
	if (fd < 0)
		posix_spawn_file_actions_addopen(files, as, "/dev/null", O_RDWR,
						 0);
	else
		posix_spawn_file_actions_adddup2(files, fd, as);
}

/* Our blocked signals and our ignored SIGPIPE are not for others. */
static void set_signals(posix_spawnattr_t *how)
{
	sigset_t none, usual;

	sigemptyset(&none);
	sigemptyset(&usual);
	sigaddset(&usual, SIGPIPE);
	posix_spawnattr_setsigmask(how, &none);
	posix_spawnattr_setsigdefault(how, &usual);
	posix_spawnattr_setpgroup(how, 0);
	posix_spawnattr_setflags(how, POSIX_SPAWN_SETSIGMASK |
					      POSIX_SPAWN_SETSIGDEF |
					      POSIX_SPAWN_SETPGROUP);
}

/* No umask can be told to posix_spawn(3): a shell sets it, and then is the
 * program. */
static void wrap(const struct command *c, const char *argv[])
{
	static const char *const shell[] = { "/bin/sh", "-c",
					     "umask 022; exec \"$@\"", "sh" };
	size_t n = 0;

	for (; n < SHELL_ARGS; n++)
		argv[n] = shell[n];
	for (size_t i = 0; i <= COMMAND_ARGS_MAX && c->argv[i]; i++)
		argv[n++] = c->argv[i];
	argv[n] = NULL;
}

static int spawn(const struct command *c, pid_t *ret_pid)
{
	const char *argv[SHELL_ARGS + COMMAND_ARGS_MAX + 2];
	posix_spawn_file_actions_t files;
	posix_spawnattr_t how;
	int r;

	wrap(c, argv);

	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&how);
	set_file(&files, c->in, STDIN_FILENO);
	set_file(&files, c->out, STDOUT_FILENO);
	set_file(&files, c->err, STDERR_FILENO);
	set_signals(&how);
	r = posix_spawn(ret_pid, argv[0], &files, &how, (char *const *)argv,
			environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&how);
	return -r;
}

/* Whether the process ended by itself within its time. */
static bool await(const struct command *c, int pidfd)
{
	for (;;) {
		struct pollfd p = { .fd = pidfd, .events = POLLIN };
		uint64_t now = clock_now(), until = c->deadline(c->arg);
		uint64_t left = until > now ? until - now : 0;
		int ms = left > LOOK_MS * NSEC_PER_MSEC
				 ? LOOK_MS
				 : (int)(left / NSEC_PER_MSEC);

		if (poll(&p, 1, ms) > 0)
			return true;
		if (left == 0)
			return false;
	}
}

int command_run(const struct command *c)
{
	_cleanup_close_ int pidfd = -1;
	bool in_time;
	int status;
	pid_t pid;
	int r = spawn(c, &pid);

	if (r < 0)
		return r;
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	in_time = pidfd < 0 || await(c, pidfd);
	if (!in_time)
		kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return in_time ? status : -ETIMEDOUT;
}
