/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/snapshot.h"

#include <pthread.h>
#include <stdatomic.h>

#include "core/cleanup.h"
#include "core/store.h"
#include "tests/unit/check.h"

static struct store store;
static struct snapshot_cache cache;

static int copy(struct engine *e, struct entries *ret_entries,
		struct signature *ret_state)
{
	return store_copy(&store, ret_entries, ret_state);
}

static bool is_current(struct engine *e, const struct signature *state)
{
	return store_is_current(&store, state);
}

static uint64_t others(struct engine *e)
{
	return store_others(&store);
}

/* No more of an engine than a snapshot wants. */
static const struct engine_type type = { .copy = copy,
					 .is_current = is_current,
					 .others = others };
static struct engine engine = { .type = &type, .lease = "a" };

static void open_both(void)
{
	CHECK_NUMBER(store_init(&store, open_folder("."), "locks.json", "a"),
		     0);
	snapshot_cache_init(&cache);
}

static void close_both(void)
{
	snapshot_cache_release(&cache);
	store_release(&store);
}

static struct snapshot *get(void)
{
	struct snapshot *s = NULL;

	CHECK_NUMBER(snapshot_cache_get(&cache, &engine, &s), 0);
	return s;
}

static void it_is_sorted_and_searched_by_bytes(void)
{
	static const char *const sorted[] = { "B",  "a",	   "a-b", "a/b",
					      "a0", "gr\xc3\xbcn", "\xff" };
	struct snapshot *s;
	const char *text;
	size_t len;

	write_text("locks.json", "{\"a0\": 1, \"a/b\": 2, \"\\u0000\": 3, "
				 "\"\\udcff\": 4,"
				 "\"a\": 5, \"B\": 6, \"gr\\u00fcn\": 7, "
				 "\"a-b\": 8}");
	open_both();
	s = get();
	CHECK_NUMBER(snapshot_count(s), 7);
	for (size_t i = 0; i < 7; i++) {
		CHECK_STRING(snapshot_path(s, i), sorted[i]);
		CHECK_NUMBER(snapshot_search(s, sorted[i]), i);
	}
	CHECK_NUMBER(snapshot_search(s, ""), 0);
	CHECK_NUMBER(snapshot_search(s, "a/"), 3);
	CHECK_NUMBER(snapshot_search(s, "a/c"), 4);
	CHECK_NUMBER(snapshot_search(s, "\xff\xff"), 7);
	text = snapshot_text(s, 3, &len);
	CHECK(len == 1 && *text == '2');
	text = snapshot_whole(s, &len);
	CHECK(len == strlen(text) && text[0] == '{' && text[len - 1] == '}');
	snapshot_release(s);
	close_both();
}

static void it_is_the_same_until_the_file_changes(void)
{
	struct snapshot *a, *b, *c;

	open_both();
	a = get();
	CHECK_NUMBER(snapshot_count(a), 0);
	b = get();
	CHECK(a == b);
	write_text("locks.json", "{\"p\": 1}");
	c = get();
	CHECK(c != a && snapshot_count(c) == 1);
	/* who has the old one goes on having it */
	CHECK_NUMBER(snapshot_count(a), 0);
	snapshot_release(a);
	snapshot_release(b);
	snapshot_release(c);
	snapshot_release(NULL);
	close_both();
}

static struct snapshot *get_others(void)
{
	struct snapshot *s = NULL;

	CHECK_NUMBER(snapshot_cache_get_others(&cache, &engine, &s), 0);
	return s;
}

static void put(const char *key, const char *text)
{
	CHECK(store_load(&store) >= 0);
	CHECK_NUMBER(store_put(&store, key, text, strlen(text)), 0);
}

#define OURS(message)                                      \
	"{\"user\": \"u\", \"message\": \"" message "\", " \
	"\"kind\": \"open\", \"lease\": \"a\"}"

/* Our mount is "a". */
static void others_are_all_but_our_open_ones(void)
{
	struct snapshot *s;

	write_text("locks.json",
		   "{\"ours\": " OURS("m") ", \"bare\": {\"user\": \"u\"}, "
					   "\"other\": {\"user\": \"u\", "
					   "\"kind\": \"open\", "
					   "\"lease\": \"b\"}, "
					   "\"kept\": {\"user\": \"u\", "
					   "\"kind\": \"kept\", "
					   "\"lease\": \"a\"}, "
					   "\"says\": {\"user\": \"u\", "
					   "\"kind\": \"open\", "
					   "\"message\": \"a\"}, \"odd\": 1}");
	open_both();
	s = get_others();
	CHECK_NUMBER(snapshot_count(s), 5);
	CHECK_STRING(snapshot_path(s, 0), "bare");
	CHECK_STRING(snapshot_path(s, 1), "kept");
	CHECK_STRING(snapshot_path(s, 2), "odd");
	CHECK_STRING(snapshot_path(s, 3), "other");
	CHECK_STRING(snapshot_path(s, 4), "says");
	snapshot_release(s);
	close_both();
}

/* While an edit waits, others are what the file says; then what it came to. */
static void commit(const struct snapshot *before, bool same)
{
	struct snapshot *s = get_others();

	CHECK_NUMBER(snapshot_count(s), snapshot_count(before));
	CHECK((s == before) == same);
	snapshot_release(s);
	CHECK_NUMBER(store_commit(&store, false), 0);
	s = get_others();
	CHECK((s == before) == same);
	snapshot_release(s);
}

static void others_are_the_same_until_another_comes_or_goes(void)
{
	struct snapshot *s;

	open_both();
	put("p", "{\"user\": \"bob\"}");
	CHECK_NUMBER(store_commit(&store, false), 0);
	s = get_others();
	CHECK_NUMBER(snapshot_count(s), 1);
	put("ours", OURS("m"));
	commit(s, true);
	put("ours", OURS("n"));
	commit(s, true);
	store_remove(&store, "ours");
	commit(s, true);
	put("q", "{\"user\": \"bob\"}");
	commit(s, false);
	snapshot_release(s);
	s = get_others();
	CHECK_NUMBER(snapshot_count(s), 2);
	put("q", OURS("over another's"));
	commit(s, false);
	snapshot_release(s);
	s = get_others();
	CHECK_NUMBER(snapshot_count(s), 1);
	put("q", "{\"user\": \"bob\"}");
	store_discard(&store);
	snapshot_release(s);
	s = get_others();
	CHECK_NUMBER(snapshot_count(s), 1);
	store_remove(&store, "p");
	commit(s, false);
	snapshot_release(s);
	s = get_others();
	CHECK_NUMBER(snapshot_count(s), 0);
	snapshot_release(s);
	close_both();
}

static void others_are_what_another_program_wrote(void)
{
	struct snapshot *s;

	write_text("locks.json", "{\"p\": 1}");
	open_both();
	CHECK(store_load(&store) >= 0);
	s = get_others();
	CHECK_NUMBER(snapshot_count(s), 1);
	snapshot_release(s);
	write_text("locks.json", "{\"p\": 1, \"q\": 2}");
	s = get_others();
	CHECK_NUMBER(snapshot_count(s), 2);
	snapshot_release(s);
	close_both();
}

static void a_damaged_file_gives_no_snapshot(void)
{
	struct snapshot *s = NULL;

	write_text("locks.json", "{\"p\": 1");
	open_both();
	CHECK_NUMBER(snapshot_cache_get(&cache, &engine, &s), -EBADMSG);
	CHECK(!s);
	close_both();
}

static atomic_bool done;

static void *look(void *arg)
{
	while (!done) {
		struct snapshot *s = get();
		size_t n = snapshot_count(s);

		CHECK(n == 0 || n == 2 || n == 3);
		for (size_t i = 1; i < n; i++)
			CHECK(strcmp(snapshot_path(s, i - 1),
				     snapshot_path(s, i)) < 0);
		snapshot_release(s);
	}
	return NULL;
}

static void it_is_consistent_beside_a_writer(void)
{
	pthread_t threads[2];

	open_both();
	for (int i = 0; i < 2; i++)
		CHECK(!pthread_create(&threads[i], NULL, look, NULL));
	for (int i = 0; i < 3000; i++) {
		CHECK(store_load(&store) >= 0);
		CHECK_NUMBER(store_put(&store, "q", "2", 1), 0);
		CHECK_NUMBER(store_put(&store, "p", "1", 1), 0);
		if (i % 3)
			store_remove(&store, "r");
		else
			CHECK_NUMBER(store_put(&store, "r", "3", 1), 0);
		CHECK_NUMBER(store_commit(&store, false), 0);
	}
	done = true;
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	close_both();
}

int main(void)
{
	TEST(it_is_sorted_and_searched_by_bytes);
	TEST(it_is_the_same_until_the_file_changes);
	TEST(others_are_all_but_our_open_ones);
	TEST(others_are_the_same_until_another_comes_or_goes);
	TEST(others_are_what_another_program_wrote);
	TEST(a_damaged_file_gives_no_snapshot);
	TEST(it_is_consistent_beside_a_writer);
	return tests_done();
}
