/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/thinning.h"

#include "tests/unit/check.h"

#define PAGE 4096
#define NAME(day) "2026-11-" day "T15:58:35.123456Z-alice"

static int tree;

/* A version in `tree`, of a file of one block. */
static void keep(const char *document, const char *name)
{
	char text[PAGE], path[512];

	snprintf(path, sizeof(path), "tree/%s", document);
	run_program("mkdir", "-p", path, END);
	snprintf(path, sizeof(path), "tree/%s/%s", document, name);
	memset(text, 'x', sizeof(text));
	write_bytes(path, text, sizeof(text));
}

static void begin(void)
{
	CHECK(mkdir("tree", 0755) == 0);
	tree = open_folder("tree");
}

/* What is left. */
static uint64_t thin(uint64_t bytes)
{
	uint64_t left = 12345;

	CHECK_NUMBER(thinning_run(tree, bytes, &left), 0);
	return left;
}

static void none_are_no_bytes(void)
{
	begin();
	CHECK_NUMBER(thin(0), 0);
	CHECK_NUMBER(thin(PAGE), 0);
}

static void asked_for_none_it_only_counts(void)
{
	begin();
	keep("part.nc", NAME("01"));
	keep("jobs/1042/part.nc", NAME("02"));
	CHECK_NUMBER(thin(0), 2 * PAGE);
	CHECK(exists("tree/part.nc/" NAME("01")));
}

static void the_oldest_go_first_wherever_they_are(void)
{
	begin();
	keep("a.nc", NAME("03"));
	keep("jobs/b.nc", NAME("01"));
	keep("jobs/1042/c.nc", NAME("02"));
	CHECK_NUMBER(thin(PAGE + 1), PAGE);
	CHECK(exists("tree/a.nc/" NAME("03")));
	CHECK(!exists("tree/jobs"));
}

static void only_as_many_as_need_be(void)
{
	begin();
	keep("a.nc", NAME("01"));
	keep("a.nc", NAME("02"));
	keep("a.nc", NAME("03"));
	CHECK_NUMBER(thin(1), 2 * PAGE);
	CHECK(!exists("tree/a.nc/" NAME("01")));
	CHECK_NUMBER(thin(2 * PAGE), 0);
	CHECK(!exists("tree/a.nc"));
}

static void the_tree_itself_stays(void)
{
	begin();
	keep("a.nc", NAME("01"));
	CHECK_NUMBER(thin(1 << 30), 0);
	CHECK(exists("tree") && !exists("tree/a.nc"));
	keep("a.nc", NAME("02"));
	CHECK_NUMBER(thin(0), PAGE);
}

/* What is not named as a version, or lies where none is kept, is somebody
 * else's. */
static void what_is_no_version_is_left_alone(void)
{
	begin();
	keep("a.nc", NAME("02"));
	keep("a.nc", "notes.txt");
	keep(".", NAME("01"));
	CHECK(symlink("/etc/passwd", "tree/a.nc/" NAME("03")) == 0);
	CHECK(mkdir("outside", 0755) == 0 && mkdir("outside/x", 0755) == 0);
	write_text("outside/x/" NAME("01"), "x");
	CHECK(symlink("../outside", "tree/link") == 0);
	CHECK_NUMBER(thin(1 << 30), 0);
	CHECK(!exists("tree/a.nc/" NAME("02")));
	CHECK(exists("tree/a.nc/notes.txt") && exists("tree/" NAME("01")));
	CHECK(exists("tree/a.nc/" NAME("03")));
	CHECK(exists("outside/x/" NAME("01")));
}

static void a_document_may_be_named_like_a_version(void)
{
	begin();
	keep(NAME("01"), NAME("02"));
	keep("b.nc", NAME("03"));
	CHECK_NUMBER(thin(1), PAGE);
	CHECK(!exists("tree/" NAME("01")));
	CHECK(exists("tree/b.nc/" NAME("03")));
}

static void folders_go_while_they_are_empty(void)
{
	begin();
	keep("jobs/b.nc", NAME("01"));
	CHECK(mkdir("tree/jobs/1042", 0755) == 0);
	CHECK(mkdir("tree/jobs/1042/old", 0755) == 0);
	thinning_remove_folders(tree, "jobs/1042/old");
	CHECK(!exists("tree/jobs/1042") && exists("tree/jobs/b.nc"));
	thinning_remove_folders(tree, "jobs/b.nc");
	CHECK(exists("tree/jobs/b.nc/" NAME("01")));
	thinning_remove_folders(tree, "not/there");
}

int main(void)
{
	TEST(none_are_no_bytes);
	TEST(asked_for_none_it_only_counts);
	TEST(the_oldest_go_first_wherever_they_are);
	TEST(only_as_many_as_need_be);
	TEST(the_tree_itself_stays);
	TEST(what_is_no_version_is_left_alone);
	TEST(a_document_may_be_named_like_a_version);
	TEST(folders_go_while_they_are_empty);
	return tests_done();
}
