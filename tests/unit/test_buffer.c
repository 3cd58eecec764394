/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The two smallest modules: buffer and hash. */
#include "core/buffer.h"
#include "core/hash.h"

#include <sys/resource.h>

#include "tests/unit/check.h"

static void a_buffer_grows_and_ends_with_a_nul(void)
{
	struct buffer b = {};

	CHECK_NUMBER(buffer_append(&b, "a\0b", 3), 0);
	CHECK(b.len == 3 && !memcmp(b.data, "a\0b", 4));
	for (int i = 0; i < 10000; i++) {
		CHECK_NUMBER(buffer_printf(&b, "%05d", i), 0);
		CHECK(b.len == 3 + 5 * (size_t)(i + 1) && b.len < b.cap);
		CHECK(b.data[b.len] == '\0');
	}
	CHECK_STRING(b.data + b.len - 10, "0999809999");
	buffer_release(&b);
	CHECK(!b.data && !b.len && !b.cap);
	buffer_release(&b);
}

static void an_empty_append_makes_a_string(void)
{
	struct buffer b = {};

	CHECK_NUMBER(buffer_append_string(&b, ""), 0);
	CHECK_STRING(b.data, "");
	buffer_release(&b);
}

static void without_memory_a_buffer_is_what_it_was(void)
{
	struct rlimit little = { 64 << 20, RLIM_INFINITY };
	struct buffer b = {};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return; /* they end the program instead, and need memory themselves */
#endif
	CHECK(setrlimit(RLIMIT_AS, &little) == 0);
	CHECK_NUMBER(buffer_append_string(&b, "x"), 0);
	CHECK_NUMBER(buffer_reserve(&b, 1UL << 30), -ENOMEM);
	CHECK_STRING(b.data, "x");
	buffer_release(&b);
}

struct thing {
	int value;
	struct hash_node node;
};

#define THINGS 5000

static int dropped;

static void drop(struct hash_node *n)
{
	container_of(n, struct thing, node)->value = -1;
	dropped++;
}

static int count_values(const struct hash *t, uint64_t hash, int value)
{
	int n = 0;

	for (struct hash_node *at = hash_first(t, hash); at;
	     at = hash_next(at)) {
		CHECK(at->hash == hash);
		n += container_of(at, struct thing, node)->value == value;
	}
	return n;
}

/* Hashes with many collisions, both of the slot and whole. */
static void what_is_inserted_is_found_until_it_is_removed(void)
{
	static struct thing things[THINGS];
	struct hash t = {};

	CHECK(!hash_first(&t, 0));
	for (int i = 0; i < THINGS; i++) {
		things[i].value = i;
		CHECK_NUMBER(hash_insert(&t, &things[i].node,
					 (uint64_t)(i / 3) << (i % 2 ? 40 : 0)),
			     0);
	}
	for (int i = 0; i < THINGS; i += 2)
		hash_remove(&t, &things[i].node);
	CHECK(t.count == THINGS / 2);
	for (int i = 0; i < THINGS; i++)
		CHECK_NUMBER(count_values(&t,
					  (uint64_t)(i / 3) << (i % 2 ? 40 : 0),
					  i),
			     i % 2);
	hash_clear(&t, drop);
	CHECK_NUMBER(dropped, THINGS / 2);
	CHECK(!t.count && !hash_first(&t, 1));
}

static void equal_bytes_have_equal_hashes(void)
{
	char text[64];

	for (size_t len = 0; len < sizeof(text) - 1; len++) {
		memset(text, 'x', sizeof(text));
		text[len] = '\0';
		CHECK(hash_string(text) == hash_bytes(text, len));
		if (len > 0) {
			uint64_t before = hash_bytes(text, len);

			text[len - 1] = 'y';
			CHECK(hash_bytes(text, len) != before);
			CHECK(hash_bytes(text, len - 1) != before);
		}
	}
}

int main(void)
{
	TEST(a_buffer_grows_and_ends_with_a_nul);
	TEST(an_empty_append_makes_a_string);
	TEST(without_memory_a_buffer_is_what_it_was);
	TEST(what_is_inserted_is_found_until_it_is_removed);
	TEST(equal_bytes_have_equal_hashes);
	return tests_done();
}
