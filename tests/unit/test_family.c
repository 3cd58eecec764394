/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/family.h"

#include <pthread.h>
#include <sys/syscall.h>

#include "core/process.h"
#include "tests/unit/check.h"

#define ALICE 21001

static struct families *families;

static void open_families(void)
{
	CHECK_NUMBER(families_open(&families), 0);
}

static struct family family_of(pid_t tid, uid_t uid)
{
	struct family f;

	families_find(families, tid, uid, &f);
	return f;
}

/* A process that waits, in its parent's process group or in one of its own. */
static struct child a_child(bool own_group, uid_t uid)
{
	struct child c;

	if (in_child(&c)) {
		if (own_group)
			setpgid(0, 0);
		if (uid != getuid())
			CHECK(setresuid(uid, uid, uid) == 0);
		say(1, "ready");
		CHECK(read(0, &c, 1) == 0);
		_exit(0);
	}
	hear(c.from, "ready");
	return c;
}

static void a_parent_of_the_same_job_is_family(void)
{
	struct child c = a_child(false, getuid());
	struct family f, own;

	open_families();
	f = family_of(c.pid, getuid());
	own = family_of(getpid(), getuid());
	CHECK(f.n >= 2);
	CHECK_NUMBER(f.line[0].pid, c.pid);
	CHECK(f.line[0].start == process_start_time(c.pid));
	CHECK_NUMBER(f.line[1].pid, getpid());
	CHECK(f.line[1].start == process_start_time(getpid()));
	CHECK(family_related(&f, &own));
	CHECK(family_related(&own, &f));
	CHECK(family_related(&own, &own));
	CHECK_NUMBER(end_child(&c), 0);
	families_free(families);
}

static void a_shell_is_not_family_of_its_jobs(void)
{
	struct child c = a_child(true, getuid());
	struct family f, own;

	open_families();
	f = family_of(c.pid, getuid());
	own = family_of(getpid(), getuid());
	CHECK_NUMBER(f.n, 1);
	CHECK(!family_related(&f, &own));
	CHECK_NUMBER(end_child(&c), 0);
	families_free(families);
}

static void another_user_is_not_family(void)
{
	struct child c;
	struct family f, own;

	if (getuid() != 0)
		skip("needs root, to act as another user");
	c = a_child(false, ALICE);
	open_families();
	f = family_of(c.pid, ALICE);
	CHECK_NUMBER(f.n, 1);
	CHECK_NUMBER(f.uid, ALICE);
	own = family_of(getpid(), getuid());
	CHECK(!family_related(&f, &own));
	/* one process that serves two users is two */
	f = family_of(getpid(), ALICE);
	CHECK(!family_related(&f, &own));
	CHECK_NUMBER(end_child(&c), 0);
	families_free(families);
}

static void siblings_are_strangers(void)
{
	struct child a = a_child(false, getuid()), b;
	struct family fa, fb;

	b = a_child(false, getuid());
	open_families();
	fa = family_of(a.pid, getuid());
	fb = family_of(b.pid, getuid());
	CHECK(!family_related(&fa, &fb));
	CHECK_NUMBER(end_child(&b), 0); /* which has what we talk to a with */
	CHECK_NUMBER(end_child(&a), 0);
	families_free(families);
}

static void *find_by_thread(void *arg)
{
	*(struct family *)arg = family_of((pid_t)syscall(SYS_gettid), getuid());
	return NULL;
}

static void a_thread_has_the_family_of_its_process(void)
{
	struct family own, of_thread;
	pthread_t thread;

	open_families();
	own = family_of(getpid(), getuid());
	CHECK(!pthread_create(&thread, NULL, find_by_thread, &of_thread));
	pthread_join(thread, NULL);
	CHECK_NUMBER(of_thread.n, own.n);
	CHECK_NUMBER(of_thread.line[0].pid, getpid());
	families_free(families);
}

static void four_parents_at_most(void)
{
	struct child c;
	struct family f;

	if (in_child(&c)) {
		char pid[16];

		for (int i = 0; i < FAMILY_SIZE + 2; i++) {
			pid_t child = fork();

			if (child > 0)
				_exit(exit_status(child));
		}
		snprintf(pid, sizeof(pid), "%d", getpid());
		say(1, pid);
		CHECK(read(0, pid, 1) == 0);
		_exit(0);
	}
	{
		char text[16] = "";
		struct pollfd ready = { .fd = c.from, .events = POLLIN };

		CHECK(poll(&ready, 1, DEADLINE_MS) == 1);
		CHECK(read(c.from, text, sizeof(text) - 1) > 0);
		open_families();
		f = family_of((pid_t)atoi(text), getuid());
	}
	CHECK_NUMBER(f.n, FAMILY_SIZE);
	CHECK_NUMBER(end_child(&c), 0);
	families_free(families);
}

static void who_is_gone_or_the_kernels_has_no_family(void)
{
	struct family f;
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	CHECK_NUMBER(exit_status(pid), 0);
	open_families();
	f = family_of(pid, getuid());
	CHECK_NUMBER(f.n, 0);
	CHECK(!family_related(&f, &f));
	CHECK_NUMBER(family_of(0, 0).n, 0);
	CHECK_NUMBER(family_of(2, 0).n, 0); /* kthreadd, or nobody */
	families_free(families);
}

int main(void)
{
	TEST(a_parent_of_the_same_job_is_family);
	TEST(a_shell_is_not_family_of_its_jobs);
	TEST(another_user_is_not_family);
	TEST(siblings_are_strangers);
	TEST(a_thread_has_the_family_of_its_process);
	TEST(four_parents_at_most);
	TEST(who_is_gone_or_the_kernels_has_no_family);
	return tests_done();
}
