/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/program.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"

static int spawn(const char *const argv[], int to_parent, int as,
		 pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	int r = posix_spawn_file_actions_init(&actions);

	if (r != 0)
		return -r;
	r = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO,
					     "/dev/null", O_RDONLY, 0);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(&actions, to_parent, as);
	if (r == 0 && as != STDERR_FILENO)
		r = posix_spawn_file_actions_addopen(&actions, STDERR_FILENO,
						     "/dev/null", O_WRONLY, 0);
	if (r == 0)
		r = posix_spawnp(ret_pid, argv[0], &actions, NULL,
				 (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

static int read_all(int fd, struct buffer *b)
{
	char chunk[1024];
	ssize_t n;
	int r = 0;

	while (r == 0 && (n = read(fd, chunk, sizeof(chunk))) != 0) {
		if (n > 0)
			r = buffer_append(b, chunk, (size_t)n);
		else if (errno != EINTR)
			r = -errno;
	}
	while (b->len > 0 && b->data[b->len - 1] == '\n')
		b->data[--b->len] = '\0';
	return r;
}

static int run(const char *const argv[], int as, struct buffer *said)
{
	_cleanup_close_ int from_child = -1;
	int fds[2], status, r;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	from_child = fds[0];
	setenv("LC_ALL", "C", 1);
	r = spawn(argv, fds[1], as, &pid);
	close(fds[1]);
	if (r < 0)
		return r;
	r = read_all(from_child, said);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (r < 0)
		return r;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

int program_run(const char *const argv[], struct buffer *said)
{
	return run(argv, STDERR_FILENO, said);
}

int program_read(const char *const argv[], struct buffer *said)
{
	return run(argv, STDOUT_FILENO, said);
}
