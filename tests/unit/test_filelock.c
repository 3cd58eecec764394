/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/filelock.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/file.h>

#include "core/cleanup.h"
#include "tests/unit/check.h"

static struct filelock open_lock(void)
{
	struct filelock l;

	CHECK_NUMBER(filelock_init(&l, open_folder("."), "l.lock"), 0);
	return l;
}

static int acquire(struct filelock *l, uint64_t ms)
{
	struct wait w = wait_for_ms(ms);

	return filelock_acquire(l, &w);
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	CHECK(lstat(path, &st) == 0);
	return st.st_mode & 07777;
}

static void two_lockers_exclude_each_other(void)
{
	struct filelock a = open_lock(), b = open_lock();

	CHECK_NUMBER(acquire(&a, DEADLINE_MS), 0);
	CHECK_NUMBER(acquire(&b, 0), -ETIMEDOUT);
	filelock_drop(&a);
	CHECK_NUMBER(acquire(&b, 0), 0);
	CHECK_NUMBER(acquire(&a, 5), -ETIMEDOUT);
	filelock_release(&b); /* gives it up as well */
	CHECK_NUMBER(acquire(&a, 0), 0);
	filelock_release(&a);
	CHECK(exists("l.lock"));
}

static const char hold[] = "import sys, filelock\n"
			   "with filelock.FileLock('l.lock'):\n"
			   "    print('held', flush=True)\n"
			   "    sys.stdin.readline()\n"
			   "print('dropped', flush=True)\n"
			   "sys.stdin.readline()\n";

static void we_wait_for_python(void)
{
	struct filelock l = open_lock();
	struct child c;

	need_filelock();
	c = start_python(hold, NULL);
	hear(c.from, "held");
	CHECK_NUMBER(acquire(&l, 20), -ETIMEDOUT);
	say(c.to, "drop it");
	CHECK_NUMBER(acquire(&l, DEADLINE_MS), 0);
	hear(c.from, "dropped");
	CHECK_NUMBER(end_child(&c), 0);
	filelock_release(&l);
}

static const char try_it[] = "import sys, filelock\n"
			     "lock = filelock.FileLock('l.lock')\n"
			     "try: lock.acquire(timeout=0.2); print('had', "
			     "flush=True)\n"
			     "except filelock.Timeout: print('timeout', "
			     "flush=True)\n"
			     "sys.stdin.readline()\n"
			     "lock.acquire(); print('had', flush=True)\n"
			     "sys.stdin.readline()\n";

static void python_waits_for_us(void)
{
	struct filelock l = open_lock();
	struct child c;

	need_filelock();
	CHECK_NUMBER(acquire(&l, 0), 0);
	c = start_python(try_it, NULL);
	hear(c.from, "timeout");
	say(c.to, "again");
	filelock_drop(&l);
	hear(c.from, "had");
	CHECK_NUMBER(acquire(&l, 20), -ETIMEDOUT);
	kill(c.pid, SIGKILL);
	CHECK_NUMBER(end_child(&c), 128 + SIGKILL);
	CHECK_NUMBER(acquire(&l, DEADLINE_MS), 0);
	filelock_release(&l);
}

static void the_other_kinds_of_lock_exclude_us(void)
{
	struct filelock l = open_lock();
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = open("l.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0666);

	CHECK(fcntl(fd, F_OFD_SETLK, &whole) == 0);
	CHECK_NUMBER(acquire(&l, 5), -ETIMEDOUT);
	/* and no half of it is left with us */
	CHECK(flock(fd, LOCK_EX | LOCK_NB) == 0);
	whole.l_type = F_UNLCK;
	CHECK(fcntl(fd, F_OFD_SETLK, &whole) == 0);
	CHECK_NUMBER(acquire(&l, 5), -ETIMEDOUT);
	close(fd);
	CHECK_NUMBER(acquire(&l, 0), 0);
	filelock_release(&l);
}

static void the_deadline_is_kept(void)
{
	struct filelock a = open_lock(), b = open_lock();
	long long start = now_ms();

	CHECK_NUMBER(acquire(&a, 0), 0);
	CHECK_NUMBER(acquire(&b, 50), -ETIMEDOUT);
	CHECK(now_ms() - start >= 50 && now_ms() - start < 5000);
	filelock_release(&a);
	filelock_release(&b);
}

static bool third_time(void *arg)
{
	return ++*(int *)arg == 3;
}

static void a_wait_can_be_interrupted(void)
{
	struct filelock a = open_lock(), b = open_lock();
	int asked = 0;
	struct wait w = wait_for_ms(DEADLINE_MS);

	w.interrupted = third_time;
	w.interrupted_arg = &asked;
	CHECK_NUMBER(acquire(&a, 0), 0);
	CHECK_NUMBER(filelock_acquire(&b, &w), -EINTR);
	CHECK_NUMBER(asked, 3);
	filelock_drop(&a);
	CHECK_NUMBER(filelock_acquire(&b, &w), 0);
	filelock_release(&a);
	filelock_release(&b);
}

struct waiter {
	struct filelock l;
	atomic_int asked;
	int result;
};

static bool count_up(void *arg)
{
	atomic_fetch_add(&((struct waiter *)arg)->asked, 1);
	return false;
}

static void *wait_for_it(void *arg)
{
	struct waiter *waiter = arg;
	struct wait w = wait_for_ms(DEADLINE_MS);

	w.interrupted = count_up;
	w.interrupted_arg = waiter;
	waiter->result = filelock_acquire(&waiter->l, &w);
	return NULL;
}

/* As filelock 3.20.4 to 3.29.4 do on release. */
static void a_lock_file_unlinked_while_we_wait_is_made_anew(void)
{
	struct filelock holder = open_lock(), third = open_lock();
	struct waiter waiter = { .l = open_lock() };
	pthread_t thread;

	CHECK_NUMBER(acquire(&holder, 0), 0);
	CHECK(!pthread_create(&thread, NULL, wait_for_it, &waiter));
	WAIT_FOR(waiter.asked > 1); /* it has the file open */
	CHECK(unlink("l.lock") == 0);
	filelock_release(&holder);
	pthread_join(thread, NULL);
	CHECK_NUMBER(waiter.result, 0);
	CHECK(exists("l.lock"));
	CHECK_NUMBER(acquire(&third, 5), -ETIMEDOUT);
	filelock_release(&waiter.l);
	filelock_release(&third);
}

static void a_kept_descriptor_without_a_name_is_no_lock(void)
{
	struct filelock a = open_lock(), b = open_lock();

	CHECK_NUMBER(acquire(&a, 0), 0);
	filelock_drop(&a);
	CHECK(unlink("l.lock") == 0);
	CHECK_NUMBER(acquire(&b, DEADLINE_MS), 0);
	CHECK_NUMBER(acquire(&a, 20), -ETIMEDOUT);
	filelock_release(&a);
	filelock_release(&b);
}

static void everybody_may_use_the_lock_file(void)
{
	struct filelock l = open_lock();

	umask(077);
	CHECK_NUMBER(acquire(&l, 0), 0);
	CHECK_NUMBER(mode_of("l.lock"), 0666);
	filelock_drop(&l);
	CHECK(chmod("l.lock", 0644) == 0); /* some filelocks do */
	CHECK_NUMBER(acquire(&l, 0), 0);
	CHECK_NUMBER(mode_of("l.lock"), 0666);
	filelock_release(&l);
}

static void what_is_no_plain_file_is_refused(void)
{
	struct filelock l = open_lock();

	CHECK(mkfifo("l.lock", 0666) == 0);
	CHECK_NUMBER(acquire(&l, DEADLINE_MS), -EINVAL);
	CHECK(unlink("l.lock") == 0);
	CHECK(symlink("target", "l.lock") == 0);
	CHECK_NUMBER(acquire(&l, DEADLINE_MS), -ELOOP);
	CHECK(!exists("target") && unlink("l.lock") == 0);
	CHECK(mkdir("l.lock", 0777) == 0);
	CHECK_NUMBER(acquire(&l, DEADLINE_MS), -EISDIR);
	CHECK(rmdir("l.lock") == 0);
	CHECK_NUMBER(acquire(&l, 0), 0);
	filelock_release(&l);
}

static void the_content_is_left_alone(void)
{
	struct filelock l = open_lock();
	_cleanup_free_ char *text = NULL;

	write_text("l.lock", "pid 17\n");
	CHECK_NUMBER(acquire(&l, 0), 0);
	filelock_release(&l);
	text = read_text("l.lock");
	CHECK_STRING(text, "pid 17\n");
}

static void askers_do_not_hinder_each_other(void)
{
	int a, b;

	write_text("l.lock", "");
	a = open("l.lock", O_RDWR | O_CLOEXEC);
	b = open("l.lock", O_RDWR | O_CLOEXEC);
	CHECK_NUMBER(filelock_try(a, true), 0);
	CHECK_NUMBER(filelock_try(b, true), 0);
	CHECK_NUMBER(filelock_try(b, false), -EWOULDBLOCK);
	close(a);
	CHECK_NUMBER(filelock_try(b, false), 0);
	close(b);
}

int main(void)
{
	TEST(two_lockers_exclude_each_other);
	TEST(we_wait_for_python);
	TEST(python_waits_for_us);
	TEST(the_other_kinds_of_lock_exclude_us);
	TEST(the_deadline_is_kept);
	TEST(a_wait_can_be_interrupted);
	TEST(a_lock_file_unlinked_while_we_wait_is_made_anew);
	TEST(a_kept_descriptor_without_a_name_is_no_lock);
	TEST(everybody_may_use_the_lock_file);
	TEST(what_is_no_plain_file_is_refused);
	TEST(the_content_is_left_alone);
	TEST(askers_do_not_hinder_each_other);
	return tests_done();
}
