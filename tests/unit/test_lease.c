/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/lease.h"

#include "tests/unit/check.h"

static void a_lease_is_live_until_it_is_closed(void)
{
	int dir = open_folder(".");
	struct lease l;
	char id[LEASE_ID_SIZE];

	CHECK_NUMBER(lease_open(&l, dir, "cam-07", 0), 0);
	CHECK(!strncmp(l.id, "cam-07-", 7) && exists(l.id));
	CHECK(lease_id_is_valid(l.id));
	for (int i = 0; i < 3; i++) /* asking does not take it */
		CHECK_NUMBER(lease_probe(dir, l.id, NULL), LEASE_LIVE);
	strcpy(id, l.id);
	lease_close(&l);
	CHECK(!exists(id));
	CHECK_NUMBER(lease_probe(dir, id, NULL), LEASE_STALE);
	lease_close(&l);
}

static void a_lease_is_stale_when_its_holder_is_killed(void)
{
	int dir = open_folder(".");
	struct child c;
	struct lease l;
	char id[LEASE_ID_SIZE] = "";
	ssize_t n;

	if (in_child(&c)) {
		CHECK_NUMBER(lease_open(&l, dir, "h", 0), 0);
		say(1, l.id);
		pause();
	}
	n = read(c.from, id, sizeof(id) - 1);
	CHECK(n > 1 && id[n - 1] == '\n');
	id[n - 1] = '\0';
	CHECK_NUMBER(lease_probe(dir, id, NULL), LEASE_LIVE);
	kill(c.pid, SIGKILL);
	end_child(&c);
	CHECK_NUMBER(lease_probe(dir, id, NULL), LEASE_STALE);
	CHECK(exists(id)); /* asking does not remove it */
	lease_remove(dir, id);
	CHECK(!exists(id));
	CHECK_NUMBER(lease_probe(dir, id, NULL), LEASE_STALE);
}

static void each_lease_is_another(void)
{
	int dir = open_folder(".");
	struct lease a, b;

	CHECK_NUMBER(lease_open(&a, dir, "h", 0), 0);
	CHECK_NUMBER(lease_open(&b, dir, "h", 0), 0);
	CHECK(strcmp(a.id, b.id) != 0);
	lease_close(&a);
	CHECK_NUMBER(lease_probe(dir, b.id, NULL), LEASE_LIVE);
	lease_close(&b);
}

static void any_host_name_makes_a_file_name(void)
{
	static const char *const hosts[] = {
		"", ".", "..", "a/b", "../x", "m\xc3\xbcller pc\n"
	};
	int dir = open_folder(".");
	char longest[1000];
	struct lease l;

	for (size_t i = 0; i < sizeof(hosts) / sizeof(*hosts); i++) {
		CHECK_NUMBER(lease_open(&l, dir, hosts[i], 0), 0);
		CHECK(lease_id_is_valid(l.id) && exists(l.id));
		lease_close(&l);
	}
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	CHECK_NUMBER(lease_open(&l, dir, longest, 0), 0);
	CHECK(lease_id_is_valid(l.id) && strlen(l.id) == 64 + 17);
	lease_close(&l);
}

static void an_id_from_a_file_leads_to_no_other_folder(void)
{
	static const char *const bad[] = { "",	      ".",   "..",
					   ".hidden", "a/b", "../x",
					   "a b",     "a\n", "\xc3\xbc" };
	int dir;
	char longest[LEASE_ID_SIZE + 1];

	write_text("x", "precious");
	CHECK(mkdir("leases", 0755) == 0);
	dir = open_folder("leases");
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		CHECK(!lease_id_is_valid(bad[i]));
		CHECK_NUMBER(lease_probe(dir, bad[i], NULL), -EINVAL);
		lease_remove(dir, bad[i]);
	}
	CHECK(exists("x"));
	memset(longest, 'x', sizeof(longest));
	longest[LEASE_ID_SIZE] = '\0';
	CHECK(!lease_id_is_valid(longest));
	longest[LEASE_ID_SIZE - 1] = '\0';
	CHECK(lease_id_is_valid(longest));
}

static void when_there_is_no_telling_it_is_not_stale(void)
{
	int dir = open_folder(".");

	CHECK(symlink("elsewhere", "link") == 0);
	CHECK(lease_probe(dir, "link", NULL) < 0);
	CHECK(lease_probe(-1, "lease", NULL) < 0);
}

static void anybody_may_ask(void)
{
	int dir = open_folder(".");
	struct lease l;
	pid_t pid;

	if (geteuid() != 0)
		skip("only root can become somebody else");
	CHECK_NUMBER(lease_open(&l, dir, "h", 0), 0);
	pid = fork();
	if (pid == 0) {
		CHECK(setuid(65534) == 0);
		CHECK_NUMBER(lease_probe(dir, l.id, NULL), LEASE_LIVE);
		_exit(0);
	}
	CHECK_NUMBER(exit_status(pid), 0);
	lease_close(&l);
}

static void a_lease_that_can_not_be_made_is_an_error(void)
{
	struct lease l = { .fd = 4711 };

	CHECK_NUMBER(lease_open(&l, -1, "h", 0), -EBADF);
	CHECK_NUMBER(l.fd, 4711);
}

int main(void)
{
	TEST(a_lease_is_live_until_it_is_closed);
	TEST(a_lease_is_stale_when_its_holder_is_killed);
	TEST(each_lease_is_another);
	TEST(any_host_name_makes_a_file_name);
	TEST(an_id_from_a_file_leads_to_no_other_folder);
	TEST(when_there_is_no_telling_it_is_not_stale);
	TEST(anybody_may_ask);
	TEST(a_lease_that_can_not_be_made_is_an_error);
	return tests_done();
}
