/* SPDX-License-Identifier: GPL-3.0-or-later */
/* timeout: 240 */
#include "core/store.h"

#include <dirent.h>
#include <fnmatch.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "core/cleanup.h"
#include "core/json.h"
#include "core/wait.h"
#include "tests/unit/check.h"

#define RECORD "{\"user\": \"alice\", \"kind\": \"open\"}"

static struct store open_store(const char *tag)
{
	struct store s;

	CHECK_NUMBER(store_init(&s, open_folder("."), "locks.json", tag), 0);
	return s;
}

static struct store load_store(const char *tag)
{
	struct store s = open_store(tag);

	CHECK_NUMBER(store_load(&s), STORE_CHANGED);
	return s;
}

static void close_store(struct store *s)
{
	int dir = s->dirfd;

	store_release(s);
	close(dir);
}

static int put(struct store *s, const char *key)
{
	return store_put(s, key, RECORD, strlen(RECORD));
}

static bool has(const struct store *s, const char *key)
{
	size_t len;

	return store_find(s, key, &len);
}

static void check_file(const char *wanted)
{
	_cleanup_free_ char *text = read_text("locks.json");

	CHECK_STRING(text, wanted);
}

static bool file_has(const char *key)
{
	_cleanup_free_ char *text = read_text("locks.json");

	return text && strstr(text, key);
}

/* The first file in the current folder that matches, or NULL. */
static const char *find_file(const char *pattern)
{
	static char name[256];
	DIR *dir = opendir(".");
	struct dirent *d;

	name[0] = '\0';
	while (!name[0] && (d = readdir(dir)))
		if (!fnmatch(pattern, d->d_name, 0))
			snprintf(name, sizeof(name), "%s", d->d_name);
	closedir(dir);
	return name[0] ? name : NULL;
}

static ino_t inode_of(const char *path)
{
	struct stat st;

	CHECK(lstat(path, &st) == 0);
	return st.st_ino;
}

/* ---- what is written is what is read ---- */

static void a_missing_or_blank_file_has_no_entries(void)
{
	static const char *const texts[] = { NULL, "", " \n", "{}", "{ }\n" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct store s;

		unlink("locks.json");
		if (texts[i])
			write_text("locks.json", texts[i]);
		s = load_store("a");
		CHECK(!s.entries.head);
		CHECK_NUMBER(store_load(&s), 0);
		CHECK_NUMBER(put(&s, "p"), 0);
		CHECK_NUMBER(store_commit(&s, true), 0);
		CHECK_NUMBER(store_load(&s), 0);
		close_store(&s);
		check_file("{\n    \"p\": " RECORD "\n}");
	}
}

static void a_commit_is_what_the_next_store_loads(void)
{
	struct store a = load_store("a"), b;

	CHECK_NUMBER(put(&a, "p"), 0);
	CHECK_NUMBER(put(&a, "q"), 0);
	CHECK_NUMBER(store_commit(&a, false), 0);
	store_remove(&a, "p");
	CHECK_NUMBER(store_commit(&a, false), 0);
	b = load_store("b");
	CHECK(!has(&b, "p") && has(&b, "q"));
	CHECK_NUMBER(put(&b, "r"), 0);
	CHECK_NUMBER(store_commit(&b, false), 0);
	CHECK_NUMBER(store_load(&a), STORE_CHANGED);
	CHECK(has(&a, "q") && has(&a, "r"));
	close_store(&a);
	close_store(&b);
	CHECK(!find_file("*.spare-*"));
}

/* Two stores in turn, and random edits: the file is always what the one that
 * wrote it has in memory. */
static void random_edits_reach_the_file_exactly(void)
{
	struct store s[2] = { open_store("a"), open_store("b") };

	srandom(1);
	for (int i = 0; i < 20000; i++) {
		struct store *one = &s[random() % 64 == 0];
		char key[32];

		CHECK(store_load(one) >= 0);
		for (long n = random() % 3; n >= 0; n--) {
			snprintf(key, sizeof(key), "path/%ld", random() % 900);
			if (random() % 9 < 5)
				CHECK_NUMBER(put(one, key), 0);
			else
				store_remove(one, key);
		}
		CHECK_NUMBER(store_commit(one, false), 0);
		if (i % 16 == 0)
			check_file(one->entries.text.data);
	}
	close_store(&s[0]);
	close_store(&s[1]);
}

static void the_spare_is_patched_and_exchanged(void)
{
	struct store s = load_store("a");
	ino_t first, second;

	for (int i = 0; i < 4; i++) {
		CHECK_NUMBER(put(&s, "p"), 0);
		CHECK_NUMBER(store_commit(&s, false), 0);
	}
	if (!s.can_exchange || !s.can_lease)
		skip("no RENAME_EXCHANGE or no leases on this file system");
	first = inode_of("locks.json");
	CHECK_NUMBER(put(&s, "q"), 0);
	CHECK_NUMBER(store_commit(&s, false), 0);
	second = inode_of("locks.json");
	CHECK(first != second && inode_of("locks.json.spare-a") == first);
	store_remove(&s, "p");
	CHECK_NUMBER(store_commit(&s, false), 0);
	CHECK(inode_of("locks.json") == first);
	check_file("{\n    \"q\": " RECORD "\n}");
	close_store(&s);
}

/* ---- what a power cut must not undo ---- */

static int flushes;

int fdatasync(int fd)
{
	flushes++;
	return (int)syscall(SYS_fdatasync, fd);
}

/* Whether the file was flushed before it became locks.json. */
static bool commit_flushes(struct store *s, bool durable)
{
	flushes = 0;
	CHECK_NUMBER(store_commit(s, durable), 0);
	return flushes > 0;
}

static bool open_flushes(struct store *s)
{
	CHECK_NUMBER(put(s, "open"), 0);
	return commit_flushes(s, false);
}

/* Both files have to learn of it, before either may be patched as it comes. */
static void what_lasts_is_flushed_twice_and_what_is_open_never(void)
{
	static const char *const lasting[] = { "{\"kind\": \"kept\"}", "{}" };

	for (size_t i = 0; i < sizeof(lasting) / sizeof(*lasting); i++) {
		struct store s = load_store("a");
		bool kept = i == 0;

		for (int n = 0; n < 4; n++)
			CHECK(!open_flushes(&s));
		if (!s.can_exchange || !s.can_lease)
			skip("no RENAME_EXCHANGE or no leases here");
		store_remove(&s, "open"); /* else "p" would move up later */
		CHECK_NUMBER(store_put(&s, "p", lasting[i], strlen(lasting[i])),
			     0);
		CHECK(commit_flushes(&s, kept));
		CHECK(open_flushes(&s));
		CHECK(open_flushes(&s) == kept);
		CHECK(open_flushes(&s) == kept);
		store_remove(&s, "p");
		CHECK(commit_flushes(&s, kept));
		CHECK(open_flushes(&s));
		CHECK(!open_flushes(&s));
		CHECK(!open_flushes(&s));
		close_store(&s);
		unlink("locks.json");
	}
}

/* ---- readers without the file lock ---- */

#define MANY 2000

static void put_many(struct store *s, int n)
{
	for (int i = 0; i < n; i++) {
		char key[64];

		snprintf(key, sizeof(key), "jobs/%d/part.nc", i);
		CHECK_NUMBER(put(s, key), 0);
	}
	CHECK_NUMBER(store_commit(s, false), 0);
}

/* Each commit takes an entry away at the beginning of the file and adds one at
 * its end: a mix of two commits has more or fewer than MANY. */
static atomic_bool done;
static atomic_int reads;

static void read_slowly(struct buffer *text)
{
	int fd = open("locks.json", O_RDONLY | O_CLOEXEC);
	char part[4096];
	ssize_t n;

	CHECK(fd >= 0);
	while ((n = read(fd, part, sizeof(part))) > 0)
		CHECK_NUMBER(buffer_append(text, part, (size_t)n), 0);
	CHECK(n == 0);
	close(fd);
}

static void *read_in_a_loop(void *arg)
{
	while (!done) {
		struct buffer text = {};
		struct entries e;

		read_slowly(&text);
		CHECK_NUMBER(entries_parse(&e, &text), 0);
		CHECK(e.by_key.count == MANY);
		entries_release(&e);
		reads++;
	}
	return NULL;
}

static void *copy_in_a_loop(void *arg)
{
	while (!done) {
		struct signature signature;
		struct entries e;

		CHECK_NUMBER(store_copy(arg, &e, &signature), 0);
		CHECK(e.by_key.count == MANY);
		entries_release(&e);
		reads++;
	}
	return NULL;
}

static void a_reader_sees_every_commit_whole(void)
{
	struct store s = load_store("a");
	pthread_t readers[2];

	put_many(&s, MANY);
	pthread_create(&readers[0], NULL, read_in_a_loop, NULL);
	pthread_create(&readers[1], NULL, copy_in_a_loop, &s);
	for (int i = 0; i < 8000 || reads < 50; i++) {
		char key[64];

		CHECK_NUMBER(store_load(&s), 0);
		snprintf(key, sizeof(key), "jobs/%d/part.nc", i);
		store_remove(&s, key);
		snprintf(key, sizeof(key), "jobs/%d/part.nc", MANY + i);
		CHECK_NUMBER(put(&s, key), 0);
		CHECK_NUMBER(store_commit(&s, false), 0);
	}
	done = true;
	pthread_join(readers[0], NULL);
	pthread_join(readers[1], NULL);
	close_store(&s);
}

/* Opens spares, as a backup does that copies the folder. One that is being
 * written can't be had at once; without a lease there is nothing to wait for. */
static atomic_int waits;

static void *open_spares_in_a_loop(void *arg)
{
	while (!done) {
		struct timespec pause = { .tv_nsec = 20000 };
		int fd = open("locks.json.spare-a",
			      O_RDONLY | O_NONBLOCK | O_CLOEXEC);

		if (fd >= 0)
			close(fd);
		else if (errno == EWOULDBLOCK)
			waits++;
		nanosleep(&pause, NULL);
	}
	return NULL;
}

static void who_opens_a_spare_that_is_being_written_kills_nobody(void)
{
	struct store s = load_store("a");
	uint64_t until = clock_now() + 30 * NSEC_PER_SEC;
	pthread_t other;

	put_many(&s, 20);
	done = false;
	pthread_create(&other, NULL, open_spares_in_a_loop, NULL);
	while (waits < 3 && s.can_lease && clock_now() < until) {
		CHECK_NUMBER(put(&s, "p"), 0);
		CHECK_NUMBER(store_commit(&s, false), 0);
	}
	done = true;
	pthread_join(other, NULL);
	CHECK(waits >= 3 || !s.can_lease);
	close_store(&s);
}

static void what_a_reader_has_open_is_never_written(void)
{
	struct store s = load_store("a");
	char before[65536] = "", after[65536] = "";
	int fd;

	put_many(&s, 100);
	for (int i = 0; i < 3; i++) {
		CHECK_NUMBER(put(&s, "p"), 0);
		CHECK_NUMBER(store_commit(&s, false), 0);
	}
	fd = open("locks.json", O_RDONLY);
	CHECK(pread(fd, before, sizeof(before), 0) > 0);
	for (int i = 0; i < 10; i++) {
		char key[16];

		snprintf(key, sizeof(key), "q%d", i);
		CHECK_NUMBER(put(&s, key), 0);
		CHECK_NUMBER(store_commit(&s, false), 0);
		memset(after, 0, sizeof(after));
		CHECK(pread(fd, after, sizeof(after), 0) > 0);
		CHECK_STRING(after, before);
		check_file(s.entries.text.data);
	}
	close(fd);
	close_store(&s);
}

static void a_copy_is_current_until_the_next_commit(void)
{
	struct store s = load_store("a");
	struct signature signature;
	struct entries copy;

	put_many(&s, 10);
	CHECK_NUMBER(store_copy(&s, &copy, &signature), 0);
	CHECK(store_is_current(&s, &signature));
	CHECK_STRING(copy.text.data, s.entries.text.data);
	entries_release(&copy);
	/* edits that wait are in no copy */
	CHECK_NUMBER(put(&s, "p"), 0);
	CHECK_NUMBER(store_copy(&s, &copy, &signature), 0);
	CHECK(!entries_find(&copy, "p") && store_is_current(&s, &signature));
	entries_release(&copy);
	CHECK_NUMBER(store_commit(&s, false), 0);
	CHECK(!store_is_current(&s, &signature));
	close_store(&s);
}

/* ---- other writers ---- */

static void a_foreign_write_of_the_same_size_is_noticed_at_once(void)
{
	struct store s = load_store("a");

	for (int i = 0; i < 500; i++) {
		int fd;

		CHECK_NUMBER(put(&s, "p"), 0);
		CHECK_NUMBER(store_commit(&s, false), 0);
		fd = open("locks.json", O_WRONLY | O_CLOEXEC);
		CHECK(pwrite(fd, "q", 1, 7) == 1);
		close(fd);
		CHECK_NUMBER(store_load(&s), STORE_CHANGED);
		CHECK(has(&s, "q") && !has(&s, "p"));
		store_remove(&s, "q");
		CHECK_NUMBER(store_commit(&s, false), 0);
	}
	close_store(&s);
}

static void what_others_wrote_survives_byte_for_byte(void)
{
	static const char theirs[] = "{ \"a\" "
				     ":{\"n\":1.50e+3,\"u\":\"\\ud800\"},"
				     "\"\\u0000\":[NaN,-Infinity] }";
	struct store s;

	write_text("locks.json", theirs);
	s = load_store("a");
	CHECK_NUMBER(put(&s, "p"), 0);
	CHECK_NUMBER(store_commit(&s, false), 0);
	check_file("{ \"a\" :{\"n\":1.50e+3,\"u\":\"\\ud800\"},"
		   "\"\\u0000\":[NaN,-Infinity],\n    \"p\": " RECORD "\n}");
	close_store(&s);
}

static void a_file_swapped_in_behind_our_back_is_not_brought_back(void)
{
	struct store s = load_store("a");

	for (int i = 0; i < 3; i++) {
		CHECK_NUMBER(put(&s, "p"), 0);
		CHECK_NUMBER(store_commit(&s, false), 0);
	}
	/* between our load and our commit, by one without the file lock */
	CHECK_NUMBER(store_load(&s), 0);
	write_text("new", "{\"theirs\": 1}");
	CHECK(rename("new", "locks.json") == 0);
	for (int i = 0; i < 4; i++) {
		CHECK_NUMBER(put(&s, "q"), 0);
		CHECK_NUMBER(store_commit(&s, false), 0);
		check_file(s.entries.text.data);
		CHECK_NUMBER(store_load(&s), 0);
	}
	close_store(&s);
}

static void a_spare_written_by_another_is_not_used(void)
{
	struct store s = load_store("a");
	int late;

	put_many(&s, 20);
	CHECK_NUMBER(put(&s, "p"), 0);
	CHECK_NUMBER(store_commit(&s, false), 0);
	late = open("locks.json", O_WRONLY | O_CLOEXEC);
	CHECK_NUMBER(put(&s, "q"), 0);
	CHECK_NUMBER(store_commit(&s, false), 0); /* now he has the spare */
	CHECK(write(late, "garbage", 7) == 7);
	close(late);
	store_remove(&s, "p");
	CHECK_NUMBER(store_commit(&s, false), 0);
	check_file(s.entries.text.data);
	close_store(&s);
}

static void a_spare_that_was_removed_does_no_harm(void)
{
	struct store s = load_store("a");

	for (int i = 0; i < 6; i++) {
		CHECK_NUMBER(put(&s, "p"), 0);
		CHECK_NUMBER(store_commit(&s, false), 0);
		unlink("locks.json.spare-a");
	}
	unlink("locks.json");
	CHECK_NUMBER(store_load(&s), STORE_CHANGED);
	CHECK(!has(&s, "p"));
	close_store(&s);
}

/* ---- damage ---- */

static void a_damaged_file_is_put_aside_and_memory_put_back(void)
{
	static const char *const damaged[] = { "{", "{\"p\": 1} x", "[]",
					       "\001", "{\"a\": 1,}" };

	for (size_t i = 0; i < sizeof(damaged) / sizeof(*damaged); i++) {
		struct store s = open_store("a");
		_cleanup_free_ char *aside = NULL;

		unlink("locks.json");
		CHECK_NUMBER(store_load(&s), STORE_CHANGED);
		CHECK_NUMBER(put(&s, "p"), 0);
		CHECK_NUMBER(store_commit(&s, false), 0);
		write_text("locks.json", damaged[i]);
		CHECK_NUMBER(store_load(&s), STORE_MENDED);
		CHECK(has(&s, "p"));
		check_file("{\n    \"p\": " RECORD "\n}");
		CHECK(strstr(s.damaged_name, "locks.json.damaged-2"));
		aside = read_text(s.damaged_name);
		CHECK_STRING(aside, damaged[i]);
		CHECK_NUMBER(store_load(&s), 0);
		CHECK_NUMBER(put(&s, "q"), 0);
		CHECK_NUMBER(store_commit(&s, false), 0);
		check_file(s.entries.text.data);
		close_store(&s);
	}
}

static void without_memory_the_newest_whole_spare_is_put_back(void)
{
	struct store s;

	write_text("locks.json", "{\"torn");
	write_text("locks.json.spare-old", "{\"old\": 1}");
	write_text("locks.json.spare-new", "{\"new\": 1}");
	write_text("locks.json.spare-torn", "{\"torn");
	run_program("touch", "-d", "2026-01-01", "locks.json.spare-old", END);
	run_program("touch", "-d", "2026-01-02", "locks.json.spare-new", END);
	s = open_store("a");
	CHECK_NUMBER(store_load(&s), STORE_MENDED);
	check_file("{\"new\": 1}");
	close_store(&s);
}

static void what_can_be_read_of_it_is_put_back_beside_the_spare(void)
{
	struct store s;

	write_text("locks.json", "{\"p\": 1, \"q\": 2, \"torn");
	write_text("locks.json.spare-old", "{\"p\": 0, \"r\": 3}");
	s = open_store("a");
	CHECK_NUMBER(store_load(&s), STORE_MENDED);
	CHECK(has(&s, "p") && has(&s, "q") && has(&s, "r"));
	CHECK(file_has("\"p\": 1") && !file_has("\"p\": 0"));
	close_store(&s);
}

static void without_anything_an_empty_object_is_put_back(void)
{
	struct store s = open_store("a");

	write_bytes("locks.json", "\0\0\0\0", 4); /* XFS after a power cut */
	CHECK_NUMBER(store_load(&s), STORE_MENDED);
	check_file("{}");
	close_store(&s);
}

static void make_symlink(void)
{
	write_text("elsewhere", "{\"evil\": 1}");
	CHECK(symlink("elsewhere", "locks.json") == 0);
}

static void make_fifo(void)
{
	CHECK(mkfifo("locks.json", 0644) == 0);
}

static void make_socket(void)
{
	if (mknod("locks.json", S_IFSOCK | 0644, 0) < 0)
		skip("may not make sockets");
}

static void make_folder(void)
{
	CHECK(mkdir("locks.json", 0755) == 0);
	write_text("locks.json/precious", "");
}

static void what_is_no_plain_file_is_put_aside_untouched(void)
{
	static void (*const make[])(void) = { make_symlink, make_fifo,
					      make_socket, make_folder };

	for (size_t i = 0; i < sizeof(make) / sizeof(*make); i++) {
		struct store s = open_store("a");
		struct stat st;
		ino_t trap;

		CHECK(store_load(&s) >= 0);
		CHECK_NUMBER(put(&s, "p"), 0);
		CHECK_NUMBER(store_commit(&s, false), 0);
		CHECK(unlink("locks.json") == 0);
		make[i]();
		trap = inode_of("locks.json");
		CHECK_NUMBER(store_load(&s), STORE_MENDED);
		CHECK(inode_of(s.damaged_name) == trap);
		CHECK(lstat("locks.json", &st) == 0 && S_ISREG(st.st_mode) &&
		      st.st_nlink == 1);
		check_file("{\n    \"p\": " RECORD "\n}");
		CHECK_NUMBER(store_load(&s), 0);
		close_store(&s);
	}
	{
		_cleanup_free_ char *untouched = read_text("elsewhere");

		CHECK_STRING(untouched, "{\"evil\": 1}");
	}
}

/* As `cp -al` makes them. */
static void link_all(int number)
{
	char name[32];

	snprintf(name, sizeof(name), "backup-%d", number);
	CHECK(link("locks.json", name) == 0);
	snprintf(name, sizeof(name), "spare-backup-%d", number);
	CHECK(link("locks.json.spare-a", name) == 0 || errno == ENOENT);
}

static void a_backup_by_hard_links_is_never_written(void)
{
	struct store s = open_store("a");
	char *content[6];

	for (int i = 0; i < 6; i++) {
		char key[16], name[32];

		snprintf(key, sizeof(key), "p%d", i);
		CHECK(store_load(&s) >= 0);
		CHECK_NUMBER(put(&s, key), 0);
		CHECK_NUMBER(store_commit(&s, false), 0);
		link_all(i);
		snprintf(name, sizeof(name), "backup-%d", i);
		content[i] = read_text(name);
	}
	CHECK(store_load(&s) != STORE_MENDED);
	close_store(&s);
	for (int i = 0; i < 6; i++) {
		char name[32];

		snprintf(name, sizeof(name), "backup-%d", i);
		{
			_cleanup_free_ char *now = read_text(name);

			CHECK_STRING(now, content[i]);
		}
		free(content[i]);
	}
}

/* ---- errors ---- */

static void limit_files(rlim_t size)
{
	struct rlimit limit = { size, RLIM_INFINITY };

	signal(SIGXFSZ, SIG_IGN);
	CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

static void a_failed_commit_leaves_file_and_memory_as_they_were(void)
{
	struct store s = load_store("a");
	_cleanup_free_ char *before = NULL;

	put_many(&s, 20);
	before = read_text("locks.json");
	for (int i = 0; i < 4; i++) {
		limit_files(strlen(before) + 10);
		CHECK_NUMBER(put(&s, "p"), 0);
		store_remove(&s, "jobs/3/part.nc");
		CHECK_NUMBER(put(&s, "q"), 0);
		CHECK_NUMBER(store_commit(&s, i % 2), -EFBIG);
		check_file(before);
		CHECK_STRING(s.entries.text.data, before);
		CHECK(!find_file("*.spare-*"));
		limit_files(RLIM_INFINITY);
		CHECK_NUMBER(store_load(&s), 0);
		CHECK_NUMBER(put(&s, "r"), 0);
		CHECK_NUMBER(store_commit(&s, false), 0);
		store_remove(&s, "r");
		CHECK_NUMBER(store_commit(&s, false), 0);
		check_file(before);
	}
	close_store(&s);
}

static void damage_on_a_full_disk_loses_nothing(void)
{
	struct store s = load_store("a");

	CHECK_NUMBER(put(&s, "p"), 0);
	CHECK_NUMBER(store_commit(&s, false), 0);
	write_text("locks.json", "{");
	limit_files(1);
	for (int i = 0; i < 3; i++) {
		CHECK_NUMBER(store_load(&s), -EFBIG);
		check_file("{");
		CHECK(!find_file("*.damaged-*"));
	}
	limit_files(RLIM_INFINITY);
	CHECK_NUMBER(store_load(&s), STORE_MENDED);
	check_file("{\n    \"p\": " RECORD "\n}");
	close_store(&s);
}

static void a_full_disk_is_an_error_and_no_trace(void)
{
	struct store s;
	_cleanup_free_ char *before = NULL;
	int fd, r = 0;

	if (geteuid() != 0)
		skip("only root can mount a small disk");
	CHECK(mkdir("disk", 0755) == 0);
	if (mount("none", "disk", "tmpfs", 0, "size=256k") < 0)
		skip("no tmpfs can be mounted here");
	CHECK(chdir("disk") == 0);
	s = load_store("a");
	put_many(&s, 1000);
	before = read_text("locks.json");
	fd = open("filler", O_WRONLY | O_CREAT, 0644);
	while (write(fd, before, 4096) == 4096)
		;
	close(fd);
	for (int i = 0; r == 0 && i < 10000; i++) {
		free(before);
		before = read_text("locks.json");
		put(&s, "a path that takes some room/1");
		put(&s, before + i % 16 * 1000 + 900);
		r = store_commit(&s, false);
	}
	CHECK_NUMBER(r, -ENOSPC);
	check_file(before);
	CHECK_STRING(s.entries.text.data, before);
	unlink("filler");
	CHECK(store_load(&s) >= 0);
	CHECK_NUMBER(put(&s, "p"), 0);
	CHECK_NUMBER(store_commit(&s, false), 0);
	CHECK(file_has("\"p\""));
	close_store(&s);
	CHECK(chdir("..") == 0);
	CHECK(umount2("disk", MNT_DETACH) == 0);
}

/* ---- attributes ---- */

static void owner_mode_and_acl_pass_on(void)
{
	struct store s;
	struct stat st;
	struct child c;
	char acl[256] = "";
	size_t n = 0;
	ssize_t got;

	if (geteuid() != 0)
		skip("only root can give a file away");
	write_text("locks.json", "{}");
	CHECK(chown("locks.json", 1234, 2345) == 0);
	CHECK(chmod("locks.json", 0664) == 0);
	run_program("setfacl", "-m", "u:4321:rw", "locks.json", END);
	s = load_store("a");
	for (int i = 0; i < 5; i++) {
		CHECK_NUMBER(put(&s, i % 2 ? "p" : "q"), 0);
		CHECK_NUMBER(store_commit(&s, false), 0);
		CHECK(stat("locks.json", &st) == 0);
		CHECK_NUMBER(st.st_uid, 1234);
		CHECK_NUMBER(st.st_gid, 2345);
		CHECK_NUMBER(st.st_mode & 07777, 0664);
	}
	/* a change of them counts from then on */
	CHECK(chmod("locks.json", 0660) == 0);
	CHECK_NUMBER(store_load(&s), STORE_CHANGED);
	for (int i = 0; i < 5; i++) {
		CHECK_NUMBER(put(&s, i % 2 ? "p" : "q"), 0);
		CHECK_NUMBER(store_commit(&s, false), 0);
		CHECK(stat("locks.json", &st) == 0);
		CHECK_NUMBER(st.st_mode & 07777, 0660);
	}
	close_store(&s);
	if (in_child(&c)) {
		execlp("getfacl", "getfacl", "-n", "locks.json", END);
		_exit(127);
	}
	while ((got = read(c.from, acl + n, sizeof(acl) - 1 - n)) > 0)
		n += (size_t)got;
	CHECK_NUMBER(end_child(&c), 0);
	CHECK(strstr(acl, "user:4321:rw-"));
}

static void a_folders_default_acl_is_not_added(void)
{
	struct store s;
	struct stat st;

	if (geteuid() != 0)
		skip("only root has setfacl for sure");
	write_text("locks.json", "{}");
	CHECK(chmod("locks.json", 0644) == 0);
	run_program("setfacl", "-d", "-m", "u:4321:rw", ".", END);
	s = load_store("a");
	CHECK_NUMBER(put(&s, "p"), 0);
	CHECK_NUMBER(store_commit(&s, false), 0);
	close_store(&s);
	CHECK(stat("locks.json", &st) == 0);
	CHECK_NUMBER(st.st_mode & 07777, 0644);
	run_program("sh", "-c", "! getfacl -n locks.json | grep 4321", END);
}

int main(void)
{
	TEST(a_missing_or_blank_file_has_no_entries);
	TEST(a_commit_is_what_the_next_store_loads);
	TEST(random_edits_reach_the_file_exactly);
	TEST(the_spare_is_patched_and_exchanged);
	TEST(what_lasts_is_flushed_twice_and_what_is_open_never);
	TEST(a_reader_sees_every_commit_whole);
	TEST(who_opens_a_spare_that_is_being_written_kills_nobody);
	TEST(what_a_reader_has_open_is_never_written);
	TEST(a_copy_is_current_until_the_next_commit);
	TEST(a_foreign_write_of_the_same_size_is_noticed_at_once);
	TEST(what_others_wrote_survives_byte_for_byte);
	TEST(a_file_swapped_in_behind_our_back_is_not_brought_back);
	TEST(a_spare_written_by_another_is_not_used);
	TEST(a_spare_that_was_removed_does_no_harm);
	TEST(a_damaged_file_is_put_aside_and_memory_put_back);
	TEST(without_memory_the_newest_whole_spare_is_put_back);
	TEST(what_can_be_read_of_it_is_put_back_beside_the_spare);
	TEST(without_anything_an_empty_object_is_put_back);
	TEST(what_is_no_plain_file_is_put_aside_untouched);
	TEST(a_backup_by_hard_links_is_never_written);
	TEST(a_failed_commit_leaves_file_and_memory_as_they_were);
	TEST(damage_on_a_full_disk_loses_nothing);
	TEST(a_full_disk_is_an_error_and_no_trace);
	TEST(owner_mode_and_acl_pass_on);
	TEST(a_folders_default_acl_is_not_added);
	return tests_done();
}
