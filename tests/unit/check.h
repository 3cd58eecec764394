/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the unit tests share. A test is a function named after the sentence it
 * shows; it runs in a process of its own, in a new and empty current folder:
 *
 *	static void what_is_put_is_found(void)
 *	{
 *		CHECK(...);
 *	}
 *
 *	int main(void)
 *	{
 *		TEST(what_is_put_is_found);
 *		return tests_done();
 *	}
 *
 * Nothing sleeps to let something happen: WAIT_FOR() waits until it has, and
 * fails when it has not in DEADLINE_MS.
 */
#ifndef TESTS_UNIT_CHECK_H
#define TESTS_UNIT_CHECK_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SKIPPED 77
#define DEADLINE_MS 60000 /* a sanitizer on a busy machine is slow */
#define PYTHON "/usr/bin/python3"

#define CHECK(cond)                                                        \
	do {                                                               \
		if (!(cond)) {                                             \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, \
				#cond);                                    \
			_exit(1);                                          \
		}                                                          \
	} while (0)

#define CHECK_STRING(is, wanted)                                               \
	do {                                                                   \
		const char *is_ = (is), *wanted_ = (wanted);                   \
		if (!is_ || strcmp(is_, wanted_) != 0) {                       \
			fprintf(stderr, "%s:%d: %s is\n%s\nand not\n%s\n",     \
				__FILE__, __LINE__, #is, is_ ? is_ : "(null)", \
				wanted_);                                      \
			_exit(1);                                              \
		}                                                              \
	} while (0)

#define CHECK_NUMBER(is, wanted)                                             \
	do {                                                                 \
		long long is_ = (is), wanted_ = (wanted);                    \
		if (is_ != wanted_) {                                        \
			fprintf(stderr, "%s:%d: %s is %lld, and not %lld\n", \
				__FILE__, __LINE__, #is, is_, wanted_);      \
			_exit(1);                                            \
		}                                                            \
	} while (0)

static inline long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

#define WAIT_FOR(cond)                                     \
	do {                                               \
		long long until_ = now_ms() + DEADLINE_MS; \
		while (!(cond)) {                          \
			if (now_ms() >= until_)            \
				CHECK(cond);               \
			poll(NULL, 0, 1);                  \
		}                                          \
	} while (0)

static inline void skip(const char *reason)
{
	printf("%s\n", reason);
	fflush(stdout);
	_exit(SKIPPED);
}

static inline int exit_status(pid_t pid)
{
	int status;

	CHECK(waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* The arguments end with END. */
#define END ((char *)NULL)

static inline void run_program(const char *file, ...)
{
	char *argv[16] = { (char *)file };
	va_list ap;
	pid_t pid;

	va_start(ap, file);
	for (int i = 1; i < 15 && (argv[i] = va_arg(ap, char *)); i++)
		;
	va_end(ap);
	pid = fork();
	if (pid == 0) {
		execvp(file, argv);
		_exit(127);
	}
	CHECK(exit_status(pid) == 0);
}

/* A test that is skipped does not keep the others from running. */
static bool any_skipped;

static inline void run_test(const char *name, void (*test)(void))
{
	const char *tmp = getenv("TMPDIR");
	char folder[4096];
	pid_t pid;
	int status;

	snprintf(folder, sizeof(folder), "%s/XXXXXX", tmp ? tmp : "/var/tmp");
	CHECK(mkdtemp(folder) && chmod(folder, 0755) == 0);
	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		CHECK(chdir(folder) == 0);
		test();
		exit(0);
	}
	status = exit_status(pid);
	run_program("rm", "-rf", "--", folder, END);
	any_skipped |= status == SKIPPED;
	if (status == 0 || status == SKIPPED)
		return;
	fprintf(stderr, "%s: failed (%d)\n", name, status);
	exit(1);
}

#define TEST(test) run_test(#test, test)

static inline int tests_done(void)
{
	return any_skipped ? SKIPPED : 0;
}

/* ---- files ---- */

static inline int open_folder(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	CHECK(fd >= 0);
	return fd;
}

static inline bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static inline void write_bytes(const char *path, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	CHECK(fd >= 0);
	CHECK(write(fd, data, len) == (ssize_t)len);
	CHECK(close(fd) == 0);
}

static inline void write_text(const char *path, const char *text)
{
	write_bytes(path, text, strlen(text));
}

/* On the heap, or NULL if it can't be opened. */
static inline char *read_text(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text = NULL;
	size_t len = 0;
	ssize_t n;

	if (fd < 0)
		return NULL;
	do {
		char *longer = realloc(text, len + 65537);

		CHECK(longer);
		text = longer;
		n = read(fd, text + len, 65536);
		CHECK(n >= 0);
		len += (size_t)n;
	} while (n > 0);
	text[len] = '\0';
	close(fd);
	return text;
}

/* ---- other processes, spoken with by lines ---- */

struct child {
	pid_t pid;
	int to;
	int from;
};

static inline void say(int fd, const char *line)
{
	char text[256];
	int len = snprintf(text, sizeof(text), "%s\n", line);

	CHECK(write(fd, text, (size_t)len) == len);
}

/* Waits for exactly this line. */
static inline void hear(int fd, const char *line)
{
	char text[256] = "";
	size_t len = 0;

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		CHECK(poll(&p, 1, DEADLINE_MS) == 1);
		CHECK(len < sizeof(text) - 1 && read(fd, text + len, 1) == 1);
		if (text[len] == '\n')
			break;
		len++;
	}
	text[len] = '\0';
	CHECK_STRING(text, line);
}

/* The child of fork() speaks on its standard input and output. */
static inline bool in_child(struct child *ret_child)
{
	int to[2], from[2];

	*ret_child = (struct child){ .pid = -1 };
	CHECK(pipe2(to, O_CLOEXEC) == 0 && pipe2(from, O_CLOEXEC) == 0);
	fflush(stdout);
	ret_child->pid = fork();
	CHECK(ret_child->pid >= 0);
	if (ret_child->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		CHECK(dup2(to[0], 0) == 0 && dup2(from[1], 1) == 1);
		close(to[1]); /* so that it ends when the parent does */
		close(from[0]);
		return true;
	}
	close(to[0]);
	close(from[1]);
	ret_child->to = to[1];
	ret_child->from = from[0];
	return false;
}

static inline struct child start_python(const char *script, const char *arg)
{
	struct child c;

	if (in_child(&c)) {
		execl(PYTHON, PYTHON, "-c", script, arg, END);
		_exit(127);
	}
	return c;
}

static inline int end_child(const struct child *c)
{
	close(c->to);
	close(c->from);
	return exit_status(c->pid);
}

/* Python with the filelock module, or no test. */
static inline void need_filelock(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		execl(PYTHON, PYTHON, "-c", "import filelock", END);
		_exit(127);
	}
	if (exit_status(pid) != 0)
		skip("python3-filelock is missing");
}

#endif
