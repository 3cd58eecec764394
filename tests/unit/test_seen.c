/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/seen.h"

#include "tests/unit/check.h"

enum {
	PART = 1,
	TEMP,
	FILES
};

static struct seen *s;
static pid_t alive_from; /* those before it are gone */

static bool is_there(pid_t pid)
{
	return pid >= alive_from;
}

static void open_seen(void)
{
	CHECK_NUMBER(seen_open(&s, is_there), 0);
}

/* A process with these parents. */
static struct family family(pid_t pid, pid_t parent, pid_t grandparent)
{
	struct family f = { .uid = 1000, .n = 1 };

	f.line[0] = (struct kin){ pid, 1 };
	if (parent)
		f.line[f.n++] = (struct kin){ parent, 1 };
	if (grandparent)
		f.line[f.n++] = (struct kin){ grandparent, 1 };
	return f;
}

/* A file's nth version, that has been there for an hour. */
static struct seen_version version(int n)
{
	struct stat st = { .st_nlink = 1, .st_ino = 7, .st_size = n };

	st.st_mtim.tv_sec = time(NULL) - 3600;
	return seen_version(&st, 0);
}

/* One that has just been written, in the same moment as the others of it. */
static struct seen_version fresh_version(int n)
{
	struct seen_version v = version(n);

	v.mtime.tv_sec = time(NULL) + 1;
	return v;
}

static void reads(const struct family *f, struct seen_version v)
{
	v.moment = seen_moment(s);
	seen_read(s, f, PART, &v);
}

static bool is_stale(const struct family *f, struct seen_version v)
{
	struct seen_change c;

	v.moment = seen_moment(s);
	return seen_judge(s, f, PART, &v, &c) == SEEN_STALE;
}

static struct seen_write *begins(const struct family *f, struct seen_version v)
{
	struct seen_write *w = seen_begin(s, f, PART, &v, "bob", "editor");

	CHECK(w);
	return w;
}

static void ends(struct seen_write *w, struct seen_version v)
{
	v.moment = seen_moment(s);
	seen_end(s, w, &v, false);
}

static void writes(const struct family *f, struct seen_version from,
		   struct seen_version to)
{
	ends(begins(f, from), to);
}

static const struct seen_version none;

/* ---- who is stale ---- */

static void who_read_what_is_there_is_current(void)
{
	struct family a = family(10, 0, 0);

	open_seen();
	reads(&a, version(1));
	CHECK(!is_stale(&a, version(1)));
	CHECK(is_stale(&a, version(2)));
	reads(&a, version(2));
	CHECK(!is_stale(&a, version(2)));
	seen_free(s);
}

static void each_part_of_a_version_counts(void)
{
	struct family a = family(10, 0, 0);
	struct seen_version v = version(1), other = v;

	open_seen();
	reads(&a, v);
	other.ino++;
	CHECK(is_stale(&a, other));
	other = v;
	other.size++;
	CHECK(is_stale(&a, other));
	other = v;
	other.mtime.tv_nsec++;
	CHECK(is_stale(&a, other));
	other = v;
	other.mtime.tv_sec--;
	CHECK(is_stale(&a, other));
	CHECK(!is_stale(&a, v));
	seen_free(s);
}

static void who_never_read_it_passes(void)
{
	struct family a = family(10, 0, 0), b = family(11, 0, 0);
	struct family later = a, other_user = a;

	open_seen();
	reads(&a, version(1));
	CHECK(!is_stale(&b, version(2)));
	later.line[0].start++;
	CHECK(!is_stale(&later, version(2)));
	other_user.uid++;
	CHECK(!is_stale(&other_user, version(2)));
	writes(&b, version(2), version(3));
	CHECK(!is_stale(&b, version(4)));
	seen_free(s);
}

static void ones_own_writes_refresh(void)
{
	struct family a = family(10, 0, 0), b = family(11, 0, 0);

	open_seen();
	reads(&a, version(1));
	reads(&b, version(1));
	for (int i = 1; i < 5; i++) {
		CHECK(!is_stale(&a, version(i)));
		writes(&a, version(i), version(i + 1));
	}
	CHECK(!is_stale(&a, version(5)));
	CHECK(is_stale(&b, version(5)));
	seen_free(s);
}

static void a_write_that_is_not_over_is_known_to_its_family(void)
{
	struct family a = family(10, 5, 0), parent = family(5, 0, 0);
	struct seen_write *w;

	open_seen();
	reads(&a, version(1));
	w = begins(&a, version(1));
	CHECK(!is_stale(&a, version(2)));
	CHECK(!is_stale(&parent, version(2)));
	ends(w, version(2));
	CHECK(!is_stale(&a, version(2)));
	seen_free(s);
}

static void writes_of_one_process_may_overlap(void)
{
	struct family a = family(10, 0, 0);

	for (int order = 0; order < 2; order++) {
		struct seen_write *one, *two;

		open_seen();
		reads(&a, version(1));
		one = begins(&a, version(1));
		two = begins(&a, version(2));
		ends(order ? one : two, version(3));
		CHECK(!is_stale(&a, version(4)));
		ends(order ? two : one, version(4));
		CHECK(!is_stale(&a, version(4)));
		CHECK(is_stale(&a, version(5)));
		seen_free(s);
	}
}

/* The kernel tells of a close later, perhaps after the next save. */
static void saves_may_overtake_each_other(void)
{
	struct family a = family(10, 0, 0);
	struct seen_write *first, *second;
	struct seen_version early = version(2), other = version(3);

	open_seen();
	reads(&a, version(1));
	first = begins(&a, version(1));
	/* a rename over what it wrote: the handle's file has no name now */
	second = begins(&a, version(2));
	seen_moved(s, first, 0);
	ends(second, version(3));
	seen_end(s, first, NULL, false);
	CHECK(!is_stale(&a, version(3)));
	/* it was looked at before, and told after */
	first = begins(&a, version(3));
	early.moment = seen_moment(s);
	reads(&a, version(4));
	seen_end(s, first, &early, false);
	CHECK(!is_stale(&a, version(4)));
	/* it is another file by now */
	first = begins(&a, version(4));
	other.ino = 8;
	writes(&a, version(4), other);
	ends(first, version(5));
	CHECK(!is_stale(&a, other));
	seen_free(s);
}

static void what_was_not_written_changes_nothing(void)
{
	struct family a = family(10, 0, 0), b = family(11, 0, 0);

	open_seen();
	reads(&a, fresh_version(1));
	seen_end(s, begins(&b, fresh_version(1)), NULL, false);
	CHECK(!is_stale(&a, fresh_version(1)));
	seen_free(s);
}

/* A stale one that was let through (it appended) has not read it by that. */
static void a_write_of_what_was_not_seen_refreshes_nothing(void)
{
	struct family a = family(10, 0, 0);

	open_seen();
	reads(&a, version(1));
	writes(&a, version(2), version(3));
	CHECK(is_stale(&a, version(3)));
	begins(&a, version(3));
	CHECK(is_stale(&a, version(4)));
	seen_free(s);
}

static void a_stranger_who_wrote_meanwhile_leaves_one_stale(void)
{
	struct family a = family(10, 0, 0), b = family(11, 0, 0);
	struct seen_write *w;

	open_seen();
	reads(&a, version(1));
	w = begins(&a, version(1)); /* and writes nothing */
	writes(&b, version(1), version(2));
	CHECK(is_stale(&a, version(2)));
	ends(w, version(2));
	CHECK(is_stale(&a, version(2)));
	seen_free(s);
}

static void accepting_is_as_reading(void)
{
	struct family a = family(10, 0, 0);
	struct seen_version two = version(2);

	open_seen();
	reads(&a, version(1));
	CHECK(is_stale(&a, two));
	two.moment = seen_moment(s);
	seen_accept(s, &a, PART, &two);
	CHECK(!is_stale(&a, two));
	seen_free(s);
}

/* ---- names ---- */

static void a_save_by_steps_refreshes(void)
{
	struct family a = family(10, 0, 0), b = family(11, 0, 0);

	open_seen();
	reads(&a, version(1));
	reads(&b, version(1));
	for (int i = 1; i < 4; i++) {
		CHECK(!is_stale(&a, version(i)));
		writes(&a, version(i), none);
		CHECK(!is_stale(&a, none));
		writes(&a, none, version(i + 1));
	}
	CHECK(!is_stale(&a, version(4)));
	CHECK(is_stale(&b, version(4)));
	seen_free(s);
}

static void where_nothing_is_nothing_is_stale(void)
{
	struct family a = family(10, 0, 0);

	open_seen();
	reads(&a, version(1));
	CHECK(!is_stale(&a, none)); /* somebody has deleted it */
	writes(&a, none, version(2));
	CHECK(!is_stale(&a, version(2)));
	CHECK(is_stale(&a, version(3)));
	seen_free(s);
}

static void a_handle_comes_along_with_its_name(void)
{
	struct family a = family(10, 0, 0), b = family(11, 0, 0);
	struct seen_write *temp, *rename;

	open_seen();
	reads(&a, version(1));
	reads(&b, version(1));
	temp = seen_begin(s, &a, TEMP, &none, "alice", "editor");
	rename = begins(&a, version(1));
	seen_moved(s, temp, PART);
	ends(rename, version(2));
	CHECK(!is_stale(&a, version(3)));
	ends(temp, version(4));
	CHECK(!is_stale(&a, version(4)));
	CHECK(is_stale(&b, version(4)));
	temp = begins(&a, version(4));
	seen_moved(s, temp, 0);
	ends(temp, version(5));
	CHECK(is_stale(&a, version(5)));
	seen_free(s);
}

/* ---- families ---- */

static void a_read_counts_for_parents(void)
{
	struct family child = family(10, 5, 2), parent = family(5, 2, 0),
		      other = family(11, 5, 2), stranger = family(12, 6, 0);

	open_seen();
	reads(&child, version(1));
	CHECK(is_stale(&child, version(2)));
	CHECK(is_stale(&parent, version(2)));
	CHECK(is_stale(&other, version(2)));
	CHECK(!is_stale(&stranger, version(2)));
	/* GIMP: one plug-in loads, another saves, again and again */
	for (int i = 1; i < 4; i++) {
		struct family saver = family(20 + i, 5, 2);

		CHECK(!is_stale(&saver, version(i)));
		writes(&saver, version(i), version(i + 1));
	}
	seen_free(s);
}

static void a_parents_write_keeps_its_children_current(void)
{
	struct family child = family(10, 5, 2), parent = family(5, 2, 0),
		      late = family(11, 5, 2);

	open_seen();
	reads(&late, version(0)); /* and not again */
	reads(&child, version(1));
	writes(&parent, version(1), version(2));
	CHECK(!is_stale(&child, version(2)));
	CHECK(!is_stale(&parent, version(2)));
	CHECK(is_stale(&late, version(2)));
	writes(&child, version(2), version(3));
	CHECK(!is_stale(&parent, version(3)));
	seen_free(s);
}

static void children_that_have_both_read_it_are_strangers(void)
{
	struct family script = family(5, 0, 0), a = family(10, 5, 0),
		      b = family(11, 5, 0);

	open_seen();
	reads(&a, version(1));
	reads(&b, version(1));
	CHECK(!is_stale(&b, version(1)));
	writes(&b, version(1), version(2));
	CHECK(is_stale(&a, version(2)));
	CHECK(!is_stale(&b, version(2)));
	CHECK(!is_stale(&script, version(2)));
	seen_free(s);
}

static void who_is_not_known_has_no_relatives(void)
{
	struct family nobody = {}, a = family(10, 0, 0);

	open_seen();
	reads(&nobody, version(1));
	CHECK(!is_stale(&nobody, version(2)));
	reads(&a, version(1));
	writes(&nobody, version(1), version(2));
	CHECK(is_stale(&a, version(2)));
	seen_free(s);
}

/* ---- what inode, size and time don't tell ---- */

static void who_closes_later_changes_nothing(void)
{
	struct family a = family(10, 0, 0), b = family(11, 0, 0);
	struct seen_write *w;

	open_seen();
	w = begins(&b, version(1));
	reads(&a, version(2));
	ends(w, version(2));
	CHECK(!is_stale(&a, version(2)));
	seen_free(s);
}

static void a_fresh_file_may_change_without_a_trace(void)
{
	struct family a = family(10, 0, 0), b = family(11, 0, 0);
	struct seen_write *w;

	open_seen();
	w = begins(&b, version(1));
	reads(&a, fresh_version(2));
	ends(w, fresh_version(2));
	CHECK(is_stale(&a, fresh_version(2)));
	reads(&a, fresh_version(2));
	CHECK(!is_stale(&a, fresh_version(2)));
	/* but not by what was written before it was read */
	w = begins(&b, fresh_version(2));
	seen_flushed(s, w, true);
	reads(&a, fresh_version(3));
	ends(w, fresh_version(3));
	CHECK(!is_stale(&a, fresh_version(3)));
	/* unless it is written again after all */
	w = begins(&b, fresh_version(3));
	seen_flushed(s, w, true);
	reads(&a, fresh_version(4));
	seen_flushed(s, w, false);
	ends(w, fresh_version(4));
	CHECK(is_stale(&a, fresh_version(4)));
	seen_free(s);
}

static void a_mapping_writes_without_a_trace(void)
{
	struct family a = family(10, 0, 0), b = family(11, 0, 0);
	struct seen_version two = version(2);
	struct seen_write *w;

	open_seen();
	w = begins(&b, version(1));
	seen_flushed(s, w, true);
	reads(&a, two);
	two.moment = seen_moment(s);
	seen_end(s, w, &two, true);
	CHECK(is_stale(&a, two));
	seen_free(s);
}

static void setting_the_time_is_no_change(void)
{
	struct family a = family(10, 0, 0), b = family(11, 0, 0);
	struct seen_version one = version(1), two = fresh_version(1),
			    other = version(2), other_two = fresh_version(2);
	struct seen_write *w;

	open_seen();
	reads(&a, one);
	seen_touched(s, PART, &one, &two);
	CHECK(!is_stale(&a, two));
	/* by a handle that has written nothing */
	reads(&a, one);
	w = begins(&b, one);
	seen_touched(s, PART, &one, &two);
	ends(w, two);
	CHECK(!is_stale(&a, two));
	/* nor does it hide one */
	reads(&a, one);
	writes(&b, one, other);
	seen_touched(s, PART, &other, &other_two);
	CHECK(is_stale(&a, other_two));
	seen_free(s);
}

/* ---- who it was ---- */

static void the_change_has_a_name(void)
{
	struct family a = family(10, 0, 0), b = family(11, 0, 0);
	struct seen_version v = version(2), other = version(3);
	struct seen_change c = {};
	time_t begin = time(NULL);
	struct seen_write *w;

	open_seen();
	reads(&a, version(1));
	writes(&b, version(1), v);
	CHECK_NUMBER(seen_judge(s, &a, PART, &v, &c), SEEN_STALE);
	CHECK(c.is_known && c.when >= begin && c.read >= begin);
	CHECK_STRING(c.user, "bob");
	CHECK_STRING(c.app, "editor");
	/* somebody else was the last */
	CHECK_NUMBER(seen_judge(s, &a, PART, &other, &c), SEEN_STALE);
	CHECK(!c.is_known);
	/* it is being written */
	w = seen_begin(s, &b, PART, &v, "carol", "");
	CHECK_NUMBER(seen_judge(s, &a, PART, &other, &c), SEEN_STALE);
	CHECK_STRING(c.user, "carol");
	seen_end(s, w, NULL, false);
	/* whose time was set afterwards */
	seen_touched(s, PART, &v, &other);
	CHECK_NUMBER(seen_judge(s, &a, PART, &other, &c), SEEN_STALE);
	CHECK_STRING(c.user, "bob");
	seen_free(s);
}

/* What is not stale tells nothing. */
static void without_a_change_nothing_is_told(void)
{
	struct family a = family(10, 0, 0);
	struct seen_version v = version(1);
	struct seen_change c = { .read = 4711 };

	open_seen();
	reads(&a, v);
	CHECK_NUMBER(seen_judge(s, &a, PART, &v, &c), 0);
	CHECK_NUMBER(c.read, 4711);
	seen_free(s);
}

/* ---- bounds ---- */

static void read_file(const struct family *f, int number)
{
	struct seen_version v = version(1);

	v.moment = seen_moment(s);
	seen_read(s, f, FILES + (unsigned)number, &v);
}

static bool knows_file(const struct family *f, int number)
{
	struct seen_version v = version(2);
	struct seen_change c;

	return seen_judge(s, f, FILES + (unsigned)number, &v, &c) == SEEN_STALE;
}

static void a_process_forgets_its_oldest_files(void)
{
	struct family a = family(10, 0, 0), backup = family(11, 0, 0);

	open_seen();
	reads(&a, version(1));
	for (int i = 0; i < 3 * SEEN_PATHS_MAX; i++)
		read_file(&backup, i);
	CHECK(is_stale(&a, version(2)));
	CHECK(!knows_file(&backup, 2 * SEEN_PATHS_MAX - 1));
	CHECK(knows_file(&backup, 2 * SEEN_PATHS_MAX));
	read_file(&backup, 2 * SEEN_PATHS_MAX); /* is its newest now */
	read_file(&backup, 4 * SEEN_PATHS_MAX);
	CHECK(knows_file(&backup, 2 * SEEN_PATHS_MAX));
	CHECK(!knows_file(&backup, 2 * SEEN_PATHS_MAX + 1));
	seen_free(s);
}

static void who_is_gone_goes_first(void)
{
	struct family a = family(1000000, 0, 0);

	open_seen();
	reads(&a, version(1));
	for (pid_t pid = 1; pid < 3 * SEEN_READERS_MAX; pid++) {
		struct family f = family(pid, 0, 0);

		alive_from = pid;
		read_file(&f, 1);
	}
	CHECK(is_stale(&a, version(2)));
	seen_free(s);
}

static void when_all_are_there_the_longest_idle_goes(void)
{
	struct family a = family(1000000, 0, 0), b = family(1000001, 0, 0);

	open_seen();
	reads(&b, version(1));
	reads(&a, version(1));
	for (pid_t pid = 1; pid < SEEN_READERS_MAX; pid++) {
		struct family f = family(pid, 0, 0);

		read_file(&f, 1);
	}
	CHECK(is_stale(&a, version(2)));
	CHECK(!is_stale(&b, version(2)));
	seen_free(s);
}

static void many_backups_push_nobody_out(void)
{
	struct family a = family(1000000, 0, 0), late = family(1000001, 0, 0);
	const int n = SEEN_ENTRIES_MAX / SEEN_PATHS_MAX + 2;

	open_seen();
	reads(&a, version(1));
	for (int i = 0; i < SEEN_PATHS_MAX; i++) {
		for (pid_t pid = 1; pid <= n; pid++) {
			struct family f = family(pid, 0, 0);

			read_file(&f, i);
		}
	}
	reads(&late, version(1));
	CHECK(is_stale(&a, version(2)));
	CHECK(is_stale(&late, version(2)));
	seen_free(s);
}

/* A parent may be gone by the time its child's reading counts for it. */
static void who_reads_is_kept_though_he_is_gone(void)
{
	struct family a = family(1000000, 0, 0);
	const int n = SEEN_ENTRIES_MAX / SEEN_PATHS_MAX;

	open_seen();
	for (int i = 0; i < SEEN_PATHS_MAX; i++) {
		for (pid_t pid = 1; pid <= n; pid++) {
			struct family f = family(pid, 0, 0);

			read_file(&f, i);
		}
	}
	alive_from = 1000001;
	reads(&a, version(1));
	CHECK(is_stale(&a, version(2)));
	alive_from = 0;
	seen_free(s);
}

int main(void)
{
	TEST(who_read_what_is_there_is_current);
	TEST(each_part_of_a_version_counts);
	TEST(who_never_read_it_passes);
	TEST(ones_own_writes_refresh);
	TEST(a_write_that_is_not_over_is_known_to_its_family);
	TEST(writes_of_one_process_may_overlap);
	TEST(saves_may_overtake_each_other);
	TEST(what_was_not_written_changes_nothing);
	TEST(a_write_of_what_was_not_seen_refreshes_nothing);
	TEST(a_stranger_who_wrote_meanwhile_leaves_one_stale);
	TEST(accepting_is_as_reading);
	TEST(a_save_by_steps_refreshes);
	TEST(where_nothing_is_nothing_is_stale);
	TEST(a_handle_comes_along_with_its_name);
	TEST(a_read_counts_for_parents);
	TEST(a_parents_write_keeps_its_children_current);
	TEST(children_that_have_both_read_it_are_strangers);
	TEST(who_is_not_known_has_no_relatives);
	TEST(who_closes_later_changes_nothing);
	TEST(a_fresh_file_may_change_without_a_trace);
	TEST(a_mapping_writes_without_a_trace);
	TEST(setting_the_time_is_no_change);
	TEST(the_change_has_a_name);
	TEST(without_a_change_nothing_is_told);
	TEST(a_process_forgets_its_oldest_files);
	TEST(who_reads_is_kept_though_he_is_gone);
	TEST(who_is_gone_goes_first);
	TEST(when_all_are_there_the_longest_idle_goes);
	TEST(many_backups_push_nobody_out);
	return tests_done();
}
