/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/lockholder.h"

#include <sys/file.h>

#include "tests/unit/check.h"

static void the_holder_is_named(void)
{
	int fd = open("a.lock", O_RDWR | O_CREAT, 0666);
	char text[128], pid[32];

	CHECK(fd >= 0 && flock(fd, LOCK_EX) == 0);
	lockholder_describe(AT_FDCWD, "a.lock", text, sizeof(text));
	snprintf(pid, sizeof(pid), ", pid %d", (int)getpid());
	CHECK(strstr(text, "test_lockholder"));
	CHECK(strstr(text, pid));
}

static void nobody_is_named_where_nobody_is(void)
{
	char text[128];

	CHECK(close(open("b.lock", O_RDWR | O_CREAT, 0666)) == 0);
	lockholder_describe(AT_FDCWD, "b.lock", text, sizeof(text));
	CHECK_STRING(text, "unknown to this host");
	lockholder_describe(AT_FDCWD, "missing", text, sizeof(text));
	CHECK_STRING(text, "unknown to this host");
}

int main(void)
{
	TEST(the_holder_is_named);
	TEST(nobody_is_named_where_nobody_is);
	return tests_done();
}
