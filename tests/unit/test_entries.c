/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/entries.h"

#include "core/cleanup.h"
#include "core/json.h"
#include "core/salvage.h"
#include "tests/unit/check.h"

static struct entries parse(const char *text)
{
	struct buffer b = {};
	struct entries e;

	CHECK_NUMBER(buffer_append_string(&b, text), 0);
	CHECK_NUMBER(entries_parse(&e, &b), 0);
	CHECK(!b.data && !b.len);
	return e;
}

static int put(struct entries *e, const char *key, const char *value)
{
	struct edit edits[2];

	return entries_put(e, key, value, strlen(value), edits);
}

static int remove_key(struct entries *e, const char *key)
{
	struct edit edit;

	return entries_remove(e, key, &edit);
}

/* The value of a key, on the heap, or NULL. */
static char *value_of(const struct entries *e, const char *key)
{
	const struct entry *entry = entries_find(e, key);
	const char *value;
	size_t len;

	if (!entry)
		return NULL;
	value = entries_value(e, entry, &len);
	return strndup(value, len);
}

static void check_value(const struct entries *e, const char *key,
			const char *wanted)
{
	_cleanup_free_ char *value = value_of(e, key);

	CHECK_STRING(value, wanted);
}

static void an_empty_object_is_two_braces(void)
{
	static const char *const blank[] = { "", " ", "\n\t \r" };

	for (size_t i = 0; i < sizeof(blank) / sizeof(*blank); i++) {
		_cleanup_entries_ struct entries e = parse(blank[i]);

		CHECK_STRING(e.text.data, "{}");
		CHECK_NUMBER(put(&e, "p", "1"), 1);
		CHECK_STRING(e.text.data, "{\n    \"p\": 1\n}");
		CHECK_NUMBER(remove_key(&e, "p"), 1);
		CHECK_STRING(e.text.data, "{}");
	}
}

static void entries_stand_as_python_prints_them(void)
{
	_cleanup_entries_ struct entries e = parse("{}");

	put(&e, "a", "{}");
	put(&e,
	    "gr\xc3\xb6\xc3\x9f"
	    "e/\xff",
	    "[1]");
	put(&e, "c", "\"x\"");
	CHECK_STRING(e.text.data, "{\n    \"a\": {},\n"
				  "    \"gr\\u00f6\\u00dfe/\\udcff\": [1],\n"
				  "    \"c\": \"x\"\n}");
	CHECK_NUMBER(remove_key(&e, "a"), 1);
	CHECK_NUMBER(remove_key(&e, "c"), 1);
	CHECK_STRING(e.text.data, "{\n    \"gr\\u00f6\\u00dfe/\\udcff\": "
				  "[1]\n}");
}

static void a_put_over_an_old_entry_leaves_one(void)
{
	_cleanup_entries_ struct entries e = parse("{\"a\": 1, \"b\": 2}");

	CHECK_NUMBER(put(&e, "a", "3"), 2);
	CHECK_STRING(e.text.data, "{\"b\": 2,\n    \"a\": 3\n}");
	CHECK_NUMBER(put(&e, "a", "4"), 2);
	CHECK_STRING(e.text.data, "{\"b\": 2,\n    \"a\": 4\n}");
	check_value(&e, "a", "4");
}

static void what_is_unknown_stays_byte_for_byte(void)
{
	_cleanup_entries_ struct entries e = parse("\n{\"\\u0000x\" : "
						   "1e999,\r\n\"\":[ ] , \"k\" "
						   ": {\"z\":\"\\u00E9\","
						   " \"y\" :0.10}, \"\": 2}\n");

	CHECK_NUMBER(put(&e, "p", "1"), 1);
	CHECK_NUMBER(remove_key(&e, "p"), 1);
	CHECK_STRING(e.text.data, "\n{\"\\u0000x\" : 1e999,\r\n\"\":[ ] , "
				  "\"k\" : {\"z\":"
				  "\"\\u00E9\", \"y\" :0.10}, \"\": 2\n}");
	/* those without a path are not found */
	CHECK(!entries_find(&e, "") && !entries_find(&e, "x"));
	CHECK_NUMBER(put(&e, "", "1"), -EINVAL);
	CHECK_NUMBER(remove_key(&e, ""), 0);
}

static void of_one_key_the_last_counts(void)
{
	_cleanup_entries_ struct entries e = parse("{\"a\": 1, \"b\": 2, "
						   "\"\\u0061\": 3, \"b\": 4, "
						   "\"a\": 5}");

	check_value(&e, "a", "5");
	check_value(&e, "b", "4");
	CHECK_NUMBER(e.by_key.count, 2);
	CHECK_NUMBER(remove_key(&e, "a"), 1);
	check_value(&e, "b", "4");
	CHECK_NUMBER(remove_key(&e, "b"), 1);
	CHECK_STRING(e.text.data, "{}");
}

static void what_is_no_object_is_refused_untouched(void)
{
	static const char *const bad[] = {
		"{",	   "[]",	 "{\"a\":1}x",	      "{a:1}",
		"{\"a\"}", "{\"a\":1,}", "{\"a\":1 \"b\":2}", "null"
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		_cleanup_buffer_ struct buffer b = {};
		struct entries e = { .live = 4711 };

		buffer_append_string(&b, bad[i]);
		CHECK_NUMBER(entries_parse(&e, &b), -EBADMSG);
		CHECK_STRING(b.data, bad[i]);
		CHECK(e.live == 4711 && !e.text.data);
	}
	{
		_cleanup_buffer_ struct buffer b = {};
		struct entries e = { .live = 4711 };

		buffer_append(&b, "  \0 ", 4);
		CHECK_NUMBER(entries_parse(&e, &b), -EBADMSG);
	}
}

/* ---- what others count on ---- */

#define THEIRS "{\"user\": \"carol\"}"
#define OPEN "{\"user\": \"alice\", \"kind\": \"open\"}"

static bool put_lasting(struct entries *e, const char *key, const char *value)
{
	struct edit edits[2] = {};
	int n = entries_put(e, key, value, strlen(value), edits);

	CHECK(n > 0);
	return edits[0].lasting || (n > 1 && edits[1].lasting);
}

static bool remove_lasting(struct entries *e, const char *key)
{
	struct edit edit = {};

	CHECK_NUMBER(entries_remove(e, key, &edit), 1);
	return edit.lasting;
}

static void an_edit_tells_whether_it_touches_what_lasts(void)
{
	_cleanup_entries_ struct entries e = parse("{}");

	CHECK(!put_lasting(&e, "open", OPEN));
	CHECK(put_lasting(&e, "theirs", THEIRS));
	CHECK(put_lasting(&e, "theirs", THEIRS));
	CHECK(!put_lasting(&e, "behind", OPEN));
	CHECK(!put_lasting(&e, "more", OPEN));
	CHECK(!remove_lasting(&e, "behind")); /* only an open one moves */
	CHECK(remove_lasting(&e, "open"));    /* theirs moves */
	CHECK(put_lasting(&e, "theirs", OPEN));
	CHECK(!remove_lasting(&e, "theirs"));
}

static void check_salvaged(const char *damaged, const char *wanted)
{
	_cleanup_entries_ struct entries e = parse("{}");
	_cleanup_buffer_ struct buffer text = {};

	CHECK_NUMBER(buffer_append_string(&text, damaged), 0);
	CHECK_NUMBER(salvage_entries(&e, &text), 0);
	CHECK_STRING(e.text.data, wanted);
}

static void what_can_still_be_read_is_salvaged(void)
{
	static const char one[] = "{\n    \"p\": 1\n}", two[] = "{\n    \"p\": "
								"1,\n    "
								"\"q\": {}\n}";

	check_salvaged("", "{}");
	check_salvaged("{", "{}");
	check_salvaged("[\n    \"p\": 1", "{}");
	check_salvaged("{\"p\": 1", one);
	check_salvaged("{\"p\": 1, \"q\": {}, \"r\": {\"us", two);
	check_salvaged("{\n    \"p\": 1,\n    \"to\n}\n    \"q\": {}", two);
	check_salvaged("{\n    \"p\": 1,\n    \"t\": {\n        \"x\": 1,"
		       "\n    \"q\": {}\n}",
		       two);
	check_salvaged("{\"p\": 2,\n    \"\": 1,\n    \"p\": 1,", one);
	/* what stands behind the end is what was there before */
	check_salvaged("{\"p\": 1},\n    \"q\": {}\n}", one);
}

/* ---- random edits against a model, and a copy patched by their ranges ---- */

#define KEYS 400

struct model {
	char *value[KEYS];
};

/* Brings `copy` up to date from the text, only where an edit says so. */
static void patch(struct buffer *copy, const struct buffer *text,
		  const struct edit *edits, int n)
{
	size_t tail = SIZE_MAX;

	for (int i = 0; i < n; i++)
		if (edits[i].tail < tail)
			tail = edits[i].tail;
	CHECK(tail <= copy->len && tail <= text->len);
	for (int i = 0; i < n; i++)
		for (size_t at = edits[i].from; at < edits[i].to && at < tail;
		     at++)
			copy->data[at] = text->data[at];
	copy->len = tail;
	CHECK_NUMBER(buffer_append(copy, text->data + tail, text->len - tail),
		     0);
}

static void key_name(char key[64], long i)
{
	snprintf(key, 64, "dir %ld/\"part\"%ld\xe9.nc", i % 7, i);
}

static void check_model(const struct entries *e, const struct model *m)
{
	size_t count = 0;

	for (long i = 0; i < KEYS; i++) {
		_cleanup_free_ char *value = NULL;
		char key[64];

		key_name(key, i);
		value = value_of(e, key);
		CHECK(!value == !m->value[i]);
		if (value)
			CHECK_STRING(value, m->value[i]);
		count += value != NULL;
	}
	CHECK(e->by_key.count == count);
}

static void check_reparse(const struct entries *e, const struct model *m)
{
	_cleanup_entries_ struct entries again = parse(e->text.data);

	CHECK(again.live == e->live);
	check_model(&again, m);
	check_model(e, m);
}

static char *random_value(void)
{
	char text[512];

	snprintf(text, sizeof(text), "{\n        \"n\": %ld,\n%*s\"x\": []}",
		 random(), (int)(random() % 400), "");
	return strdup(text);
}

static void edit_at_random(unsigned seed, int edits, long keys)
{
	struct model m = {};
	_cleanup_entries_ struct entries e = parse("{}");
	_cleanup_buffer_ struct buffer copy = {};

	srandom(seed);
	buffer_append_string(&copy, e.text.data);
	for (int i = 0; i < edits; i++) {
		struct edit edit[2];
		long k = random() % keys;
		char key[64];
		int n;

		key_name(key, k);
		if (random() % 100 < 55) {
			char *value = random_value();

			n = entries_put(&e, key, value, strlen(value), edit);
			CHECK(n == (m.value[k] ? 2 : 1));
			free(m.value[k]);
			m.value[k] = value;
		} else {
			n = entries_remove(&e, key, edit);
			CHECK(n == (m.value[k] ? 1 : 0));
			free(m.value[k]);
			m.value[k] = NULL;
		}
		if (n > 0)
			patch(&copy, &e.text, edit, n);
		CHECK(copy.len == e.text.len);
		CHECK(!memcmp(copy.data, e.text.data, copy.len));
		if (i % 50 == 0)
			check_reparse(&e, &m);
	}
	check_reparse(&e, &m);
	for (long k = 0; k < keys; k++)
		free(m.value[k]);
}

static void random_edits_equal_the_model_and_their_ranges_are_complete(void)
{
	for (unsigned seed = 0; seed < 8; seed++)
		edit_at_random(seed, 4000, seed % 2 ? KEYS : 5);
}

static void holes_are_left_blank_and_closed_up_in_time(void)
{
	_cleanup_entries_ struct entries e = parse("{}");
	size_t longest = 0, closed = 0;
	_cleanup_free_ char *value = random_value();
	int n = 20000;

	for (int i = 0; i < n; i++) {
		char key[64];

		key_name(key, i);
		put(&e, key, value);
		if (e.text.len > longest)
			longest = e.text.len;
	}
	for (int i = 0; i < n; i++) {
		struct edit edit;
		size_t before = e.text.len;
		char key[64];

		key_name(key, i);
		CHECK_NUMBER(entries_remove(&e, key, &edit), 1);
		closed += e.text.len < before;
		CHECK(e.text.len <= 2 * e.live + 65536 + 512);
	}
	CHECK(closed < 500); /* not at each */
	CHECK_STRING(e.text.data, "{}");
}

static void python_reads_the_same(void)
{
	static const char script[] = "import json, sys\n"
				     "e = json.load(open('text'), "
				     "strict=True)\n"
				     "assert len(e) == 50, len(e)\n"
				     "assert all(e['p\\xf6\\udcff%d' % i] == i "
				     "for i in range(50)), e\n";
	_cleanup_entries_ struct entries e = parse("");
	struct child c;

	for (int i = 0; i < 100; i++) {
		char key[32], value[16];

		snprintf(key, sizeof(key), "p\xc3\xb6\xff%d", i);
		snprintf(value, sizeof(value), "%d", i);
		put(&e, key, value);
	}
	for (int i = 50; i < 100; i++) {
		char key[32];

		snprintf(key, sizeof(key), "p\xc3\xb6\xff%d", i);
		CHECK_NUMBER(remove_key(&e, key), 1);
	}
	write_bytes("text", e.text.data, e.text.len);
	c = start_python(script, NULL);
	CHECK_NUMBER(end_child(&c), 0);
}

int main(void)
{
	TEST(an_empty_object_is_two_braces);
	TEST(entries_stand_as_python_prints_them);
	TEST(a_put_over_an_old_entry_leaves_one);
	TEST(what_is_unknown_stays_byte_for_byte);
	TEST(of_one_key_the_last_counts);
	TEST(what_is_no_object_is_refused_untouched);
	TEST(an_edit_tells_whether_it_touches_what_lasts);
	TEST(what_can_still_be_read_is_salvaged);
	TEST(random_edits_equal_the_model_and_their_ranges_are_complete);
	TEST(holes_are_left_blank_and_closed_up_in_time);
	TEST(python_reads_the_same);
	return tests_done();
}
