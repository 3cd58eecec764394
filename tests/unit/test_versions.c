/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/versions.h"

#include <dirent.h>

#include "core/cleanup.h"
#include "tests/unit/check.h"

#define ALL (1ULL << 40)

static int share, state;

/* A share with `jobs/part.nc`. */
static struct versions *start(unsigned keep, uint64_t space, uint64_t copy_max)
{
	struct versions_options options = { .keep = keep,
					    .space = space,
					    .copy_max = copy_max };
	struct versions *v = NULL;

	umask(022);
	CHECK(mkdir("share", 0755) == 0 && mkdir("share/jobs", 0750) == 0);
	CHECK(mkdir("share/.camlock", 0755) == 0);
	write_text("share/jobs/part.nc", "one");
	share = open_folder("share");
	state = open_folder("share/.camlock");
	options.share_dir = share;
	options.state_dir = state;
	CHECK_NUMBER(versions_open(&v, &options), 0);
	return v;
}

static int keep_as(struct versions *v, const char *file, const char *path,
		   char **ret_name)
{
	_cleanup_close_ int fd = openat(share, file, O_RDONLY | O_CLOEXEC);
	struct versions_source from = { .fd = fd, .dir = -1 };

	CHECK(fd >= 0);
	return versions_keep(v, path, &from, "alice", ret_name);
}

static char *keep(struct versions *v, const char *path)
{
	char *name = NULL;

	CHECK_NUMBER(keep_as(v, path, path, &name), 1);
	CHECK(name);
	return name;
}

static char *kept_text(const char *path, const char *name)
{
	char file[512];

	snprintf(file, sizeof(file), "share/.camlock/" VERSIONS_TREE "/%s/%s",
		 path, name);
	return read_text(file);
}

static int count(const char *path)
{
	char folder[512];
	int n = 0;
	DIR *d;

	snprintf(folder, sizeof(folder), "share/.camlock/" VERSIONS_TREE "/%s",
		 path);
	d = opendir(folder);
	if (!d)
		return 0;
	for (struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	CHECK(lstat(path, &st) == 0);
	return st.st_mode & 07777;
}

static void a_copy_is_kept_by_time_and_user(void)
{
	struct versions *v = start(5, ALL, ALL);
	_cleanup_free_ char *name = keep(v, "jobs/part.nc");
	_cleanup_free_ char *text = kept_text("jobs/part.nc", name);

	CHECK_STRING(text, "one");
	CHECK_STRING(strchr(name, 'Z'), "Z-alice");
	versions_free(v);
}

static void who_is_let_in_is_as_on_the_share(void)
{
	struct versions *v = start(5, ALL, ALL);
	_cleanup_free_ char *first = NULL, *second = NULL;
	char file[512];

	CHECK(chmod("share/jobs/part.nc", 0640) == 0);
	first = keep(v, "jobs/part.nc");
	snprintf(file, sizeof(file), "share/.camlock/" VERSIONS_TREE "/%s/%s",
		 "jobs/part.nc", first);
	CHECK_NUMBER(mode_of(file), 0640);
	CHECK_NUMBER(mode_of("share/.camlock/" VERSIONS_TREE "/jobs"), 0750);
	CHECK_NUMBER(mode_of("share/.camlock/" VERSIONS_DIR), 0700);
	CHECK(chmod("share/jobs", 0700) == 0);
	second = keep(v, "jobs/part.nc");
	CHECK_NUMBER(mode_of("share/.camlock/" VERSIONS_TREE "/jobs"), 0700);
	versions_free(v);
}

static void what_loses_its_name_is_linked(void)
{
	struct versions *v = start(5, ALL, 0);
	_cleanup_close_ int fd = openat(share, "jobs/part.nc", O_RDONLY);
	_cleanup_close_ int dir = open_folder("share/jobs");
	struct versions_source from = { fd, dir, "part.nc" };
	_cleanup_free_ char *name = NULL;
	struct stat st;

	CHECK_NUMBER(versions_keep(v, "jobs/part.nc", &from, "bob", &name), 1);
	CHECK(fstat(fd, &st) == 0);
	CHECK_NUMBER(st.st_nlink, 2);
	versions_drop(v, "jobs/part.nc", name);
	CHECK(fstat(fd, &st) == 0);
	CHECK_NUMBER(st.st_nlink, 1);
	versions_free(v);
}

/* Somebody was quicker: the name is another file's by now. */
static void what_another_put_there_is_not_taken_for_it(void)
{
	struct versions *v = start(5, ALL, ALL);
	_cleanup_close_ int fd = openat(share, "jobs/part.nc", O_RDONLY);
	_cleanup_close_ int dir = open_folder("share/jobs");
	struct versions_source from = { fd, dir, "part.nc" };
	char *name = NULL;

	CHECK(unlink("share/jobs/part.nc") == 0);
	write_text("share/jobs/part.nc", "another's");
	CHECK_NUMBER(versions_keep(v, "jobs/part.nc", &from, "bob", &name),
		     -ESTALE);
	CHECK(!name);
	CHECK_NUMBER(count("jobs/part.nc"), 0);
	versions_free(v);
}

static void what_is_empty_or_no_file_is_not_kept(void)
{
	struct versions *v = start(5, ALL, ALL);
	char *name = NULL;

	write_text("share/empty.nc", "");
	CHECK_NUMBER(keep_as(v, "empty.nc", "empty.nc", &name), 0);
	CHECK_NUMBER(keep_as(v, "jobs", "jobs", &name), 0);
	CHECK(!name);
	versions_free(v);
}

/* But where that is no work: on a file system that shares blocks. */
static void what_is_too_large_is_not_copied(void)
{
	struct versions *v = start(5, ALL, 2);
	char *name = NULL;
	int r = keep_as(v, "jobs/part.nc", "jobs/part.nc", &name);

	CHECK(r == -EFBIG || r == 1);
	CHECK_NUMBER(count("jobs/part.nc"), r == 1);
	CHECK(!name == (r < 0));
	free(name);
	versions_free(v);
}

static void one_that_was_not_needed_leaves_no_folder(void)
{
	struct versions *v = start(5, ALL, ALL);
	_cleanup_free_ char *name = keep(v, "jobs/part.nc");

	versions_drop(v, "jobs/part.nc", name);
	CHECK(!exists("share/.camlock/" VERSIONS_TREE "/jobs"));
	CHECK(exists("share/.camlock/" VERSIONS_TREE));
	versions_drop(v, "jobs/part.nc", name);
	versions_free(v);
}

static void of_each_document_the_newest_stay(void)
{
	struct versions *v = start(2, ALL, ALL);
	char *names[4] = {};
	_cleanup_free_ char *third = NULL;

	write_text("share/other.nc", "other");
	free(keep(v, "other.nc"));
	for (int i = 0; i < 4; i++)
		names[i] = keep(v, "jobs/part.nc");
	write_text("share/.camlock/" VERSIONS_TREE "/jobs/part.nc/notes", "x");
	versions_prune(v, "jobs/part.nc");
	CHECK_NUMBER(count("jobs/part.nc"), 3);
	CHECK(!kept_text("jobs/part.nc", names[1]));
	third = kept_text("jobs/part.nc", names[2]);
	CHECK_STRING(third, "one");
	CHECK_NUMBER(count("other.nc"), 1);
	for (int i = 0; i < 4; i++)
		free(names[i]);
	versions_free(v);
}

static void all_together_take_no_more_than_their_space(void)
{
	struct versions *v = start(100, 8 * 4096, ALL);

	for (int i = 0; i < 9; i++)
		free(keep(v, "jobs/part.nc"));
	versions_prune(v, "jobs/part.nc");
	/* an eighth less */
	CHECK_NUMBER(count("jobs/part.nc"), 7);
	free(keep(v, "jobs/part.nc"));
	versions_prune(v, "jobs/part.nc");
	CHECK_NUMBER(count("jobs/part.nc"), 8);
	versions_free(v);
}

/* It would have all others go, and then itself. */
static void one_that_takes_more_than_all_may_is_not_kept(void)
{
	struct versions *v = start(100, 2 * 4096, ALL);
	char text[3 * 4096], *name = NULL;

	free(keep(v, "jobs/part.nc"));
	memset(text, 'x', sizeof(text));
	write_bytes("share/large.nc", text, sizeof(text));
	CHECK_NUMBER(keep_as(v, "large.nc", "large.nc", &name), -EFBIG);
	CHECK(!name);
	versions_prune(v, "large.nc");
	CHECK_NUMBER(count("jobs/part.nc"), 1);
	versions_free(v);
}

/* What earlier mounts have kept counts. */
static void the_space_is_counted_once_it_is_used(void)
{
	struct versions *v = start(100, ALL, ALL);
	struct versions_options options = { .share_dir = share,
					    .state_dir = state,
					    .keep = 100,
					    .space = 4 * 4096,
					    .copy_max = ALL };

	for (int i = 0; i < 8; i++)
		free(keep(v, "jobs/part.nc"));
	versions_free(v);
	CHECK_NUMBER(versions_open(&v, &options), 0);
	versions_prune(v, "jobs/part.nc");
	CHECK_NUMBER(count("jobs/part.nc"), 3);
	versions_free(v);
}

static void a_path_may_lead_nowhere_else(void)
{
	struct versions *v = start(5, ALL, ALL);
	char *name = NULL;

	CHECK(mkdir("outside", 0755) == 0);
	CHECK(symlink("../outside", "share/away") == 0);
	write_text("outside/part.nc", "x");
	CHECK(keep_as(v, "jobs/part.nc", "away/part.nc", &name) < 0);
	CHECK(symlink("../../../../outside",
		      "share/.camlock/" VERSIONS_TREE "/jobs") == 0);
	CHECK(keep_as(v, "jobs/part.nc", "jobs/part.nc", &name) < 0);
	versions_prune(v, "jobs/part.nc");
	CHECK(!exists("outside/part.nc/") && !name);
	versions_free(v);
}

static void a_tree_that_is_no_folder_is_trouble(void)
{
	struct versions_options options = { .keep = 5 };
	struct versions *v = NULL;

	CHECK(mkdir("state", 0755) == 0);
	write_text("state/" VERSIONS_DIR, "");
	options.share_dir = options.state_dir = open_folder("state");
	CHECK_NUMBER(versions_open(&v, &options), -ENOTDIR);
	CHECK(!v);
	versions_free(v);
}

int main(void)
{
	TEST(a_copy_is_kept_by_time_and_user);
	TEST(who_is_let_in_is_as_on_the_share);
	TEST(what_loses_its_name_is_linked);
	TEST(what_another_put_there_is_not_taken_for_it);
	TEST(what_is_empty_or_no_file_is_not_kept);
	TEST(what_is_too_large_is_not_copied);
	TEST(one_that_was_not_needed_leaves_no_folder);
	TEST(of_each_document_the_newest_stay);
	TEST(all_together_take_no_more_than_their_space);
	TEST(one_that_takes_more_than_all_may_is_not_kept);
	TEST(the_space_is_counted_once_it_is_used);
	TEST(a_path_may_lead_nowhere_else);
	TEST(a_tree_that_is_no_folder_is_trouble);
	return tests_done();
}
