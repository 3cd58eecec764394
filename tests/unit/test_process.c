/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/process.h"

#include <grp.h>
#include <pthread.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>

#include "tests/unit/check.h"

static void *name_by_thread(void *arg)
{
	struct process *p = arg;

	prctl(PR_SET_NAME, "a thread's own");
	CHECK_NUMBER(process_of_thread((pid_t)syscall(SYS_gettid), p), 0);
	return NULL;
}

static void a_thread_means_its_process(void)
{
	struct process own, of_thread;
	pthread_t thread;

	prctl(PR_SET_NAME, "the main one");
	CHECK_NUMBER(process_of_thread(getpid(), &own), 0);
	CHECK_NUMBER(own.pid, getpid());
	CHECK_STRING(own.name, "the main one");
	CHECK(!pthread_create(&thread, NULL, name_by_thread, &of_thread));
	pthread_join(thread, NULL);
	CHECK_NUMBER(of_thread.pid, getpid());
	CHECK_STRING(of_thread.name, "the main one");
}

static void a_hostile_name_is_only_a_name(void)
{
	static const struct {
		const char *chosen;
		const char *seen; /* no second line, it goes into logs */
	} names[] = {
		{ "a) R 1 1 1 (b", "a) R 1 1 1 (b" },
		{ "x\nTgid:\t1", "x" },
		{ "))))", "))))" },
		{ "(", "(" },
		{ " ", " " },
		{ "", "" },
	};
	uint64_t start = process_start_time(getpid());
	struct process p;

	CHECK(start > 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		prctl(PR_SET_NAME, names[i].chosen);
		CHECK_NUMBER(process_of_thread(getpid(), &p), 0);
		CHECK_NUMBER(p.pid, getpid());
		CHECK_STRING(p.name, names[i].seen);
		CHECK(process_start_time(getpid()) == start);
	}
}

/* Field 22 of stat, as Python reads it. */
static void the_start_time_is_the_kernels(void)
{
	static const char script[] = "import sys\n"
				     "t = "
				     "open('/proc/self/"
				     "stat').read().rpartition(')')[2].split()["
				     "19]\n"
				     "print(t, flush=True)\n"
				     "sys.stdin.readline()\n";
	struct child c = start_python(script, NULL);
	char wanted[32];
	struct pollfd ready = { .fd = c.from, .events = POLLIN };

	CHECK(poll(&ready, 1, DEADLINE_MS) == 1);
	snprintf(wanted, sizeof(wanted), "%llu",
		 (unsigned long long)process_start_time(c.pid));
	hear(c.from, wanted);
	CHECK_NUMBER(end_child(&c), 0);
}

static void who_is_gone_or_elsewhere_is_unknown(void)
{
	struct process p;
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	CHECK_NUMBER(exit_status(pid), 0);
	CHECK_NUMBER(process_of_thread(pid, &p), -ESRCH);
	CHECK_NUMBER(p.pid, pid);
	CHECK(process_start_time(pid) == 0);
	CHECK_STRING(p.name, "");
	CHECK_NUMBER(process_of_thread(0, &p), -ESRCH);
	CHECK_NUMBER(p.pid, 0);
}

static void groups_are_of_who_is_meant(void)
{
	gid_t many[5000], *groups = NULL;
	uid_t uid = geteuid();
	int n = getgroups(0, NULL);

	if (uid == 0) { /* a list of several pages, then one who is not root */
		for (n = 0; n < 5000; n++)
			many[n] = (gid_t)(100000000 + n);
		CHECK(!setgroups((size_t)n, many));
		setfsuid(uid = 21001);
	}
	CHECK_NUMBER(process_groups(getpid(), uid, &groups), n);
	CHECK_NUMBER(getgroups(5000, many), n);
	CHECK(!memcmp(groups, many, sizeof(*many) * (size_t)n));
	free(groups);
	groups = many;
	CHECK_NUMBER(process_groups(getpid(), uid + 1, &groups), -ESRCH);
	CHECK_NUMBER(process_groups(0, uid, &groups), -ESRCH);
	CHECK(groups == many);
}

int main(void)
{
	TEST(a_thread_means_its_process);
	TEST(a_hostile_name_is_only_a_name);
	TEST(the_start_time_is_the_kernels);
	TEST(who_is_gone_or_elsewhere_is_unknown);
	TEST(groups_are_of_who_is_meant);
	return tests_done();
}
