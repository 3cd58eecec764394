/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/json.h"

#include "core/cleanup.h"
#include "tests/unit/check.h"

/* The number of members of a whole object, or -errno. */
static int count_members(const char *text, size_t len)
{
	struct json_member m;
	struct json_cursor c;
	int n = 0, r = json_object_begin(&c, text, len);

	while (r >= 0 && (r = json_object_next(&c, &m)) > 0)
		n++;
	return r < 0 ? r : n;
}

/* Of an object whose one member has this value. */
static int scan_value(const char *value)
{
	_cleanup_buffer_ struct buffer b = {};

	buffer_printf(&b, "{\"k\":%s}", value);
	return count_members(b.data, b.len);
}

static const char *const accepted[] = {
	"0",
	"-0",
	"12",
	"-1.5",
	"1e5",
	"1E+05",
	"0.0e-0",
	"123456789012345678901",
	"1e999",
	"NaN",
	"Infinity",
	"-Infinity",
	"true",
	"false",
	"null",
	"\"\"",
	"\"\\ud800\"",
	"\"\\udce9x\"",
	"\"\\udc00\\ud800\"",
	"\"\\u00e9\"",
	"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
	"\"\x7f\"",
	"\"\xc3\xa9\"",
	"[]",
	"[ ]",
	"[1,2 , [3]]",
	"{}",
	"{ }",
	"{\"a\":{\"b\":[{}]}}",
	" 1 ",
	"\t\r\n1",
	"\"\\u0000\"",
	"\"\\uABCD\"",
};

static const char *const rejected[] = {
	"",
	"-",
	"+1",
	"01",
	"1.",
	".5",
	"1e",
	"1e+",
	"0x1",
	"nan",
	"inf",
	"-NaN",
	"tru",
	"trueX",
	"None",
	"'a'",
	"\"",
	"\"\\x\"",
	"\"\\u12\"",
	"\"\\u12g4\"",
	"\"\\u+123\"",
	"\"\n\"",
	"\"\t\"",
	"\"\001\"",
	"[",
	"[1",
	"[1,",
	"[1,]",
	"[,1]",
	"[1 2]",
	"{",
	"{\"a\"}",
	"{\"a\":}",
	"{a:1}",
	"{\"a\":1,}",
	"{,}",
	"{1:2}",
	"]",
	"1]",
	"/**/1",
	"\v1",
	"\xc2\xa0"
	"1",
	"\"\\",
	"\"\\\"",
};

static void what_python_reads_is_accepted(void)
{
	for (size_t i = 0; i < sizeof(accepted) / sizeof(*accepted); i++)
		if (scan_value(accepted[i]) != 1)
			CHECK_STRING("refused", accepted[i]);
}

static void what_python_does_not_read_is_refused(void)
{
	for (size_t i = 0; i < sizeof(rejected) / sizeof(*rejected); i++)
		if (scan_value(rejected[i]) != -EBADMSG)
			CHECK_STRING("accepted", rejected[i]);
}

/* The lists above are right: Python says so. */
static void python_agrees(void)
{
	static const char script[] = "import json, sys\n"
				     "for i, text in enumerate(open('values', "
				     "'rb').read()"
				     ".split(b'\\0')[:-1]):\n"
				     "    try: json.loads('{\"k\":' + "
				     "text[1:].decode() + '}'); r = 'a'\n"
				     "    except ValueError: r = 'r'\n"
				     "    assert r == chr(text[0]), text\n";
	_cleanup_buffer_ struct buffer b = {};
	struct child c;

	for (size_t i = 0; i < sizeof(accepted) / sizeof(*accepted); i++)
		buffer_printf(&b, "a%s%c", accepted[i], 0);
	for (size_t i = 0; i < sizeof(rejected) / sizeof(*rejected); i++)
		buffer_printf(&b, "r%s%c", rejected[i], 0);
	write_bytes("values", b.data, b.len);
	c = start_python(script, NULL);
	CHECK_NUMBER(end_child(&c), 0);
}

static void only_one_whole_object_is_accepted(void)
{
	static const char *const bad[] = {
		"",	" ",	"[]",	       "1",	"{}}",
		"{} x", "{}{}", "{\"a\":1}\v", "\"a\"", "\xef\xbb\xbf{}"
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		CHECK_NUMBER(count_members(bad[i], strlen(bad[i])), -EBADMSG);
	CHECK_NUMBER(count_members("{}\0", 3), -EBADMSG);
	CHECK_NUMBER(count_members("\n { \"a\" : 1 ,\r\"b\":{} } \t", 24), 2);
}

static void every_cut_off_text_is_refused(void)
{
	static const char text[] = "{\"a\\u00e9\": [1.5e3, {\"b\": "
				   "\"\\ud83d\\ude00\"}], \"c\": -Infinity}";
	size_t len = strlen(text);

	CHECK_NUMBER(count_members(text, len), 2);
	for (size_t i = 0; i < len; i++) {
		/* on the heap and to the byte, for the sanitizer to watch */
		char *cut = malloc(i ? i : 1);

		memcpy(cut, text, i);
		CHECK_NUMBER(count_members(cut, i), -EBADMSG);
		free(cut);
	}
}

static void a_member_is_told_without_its_blanks(void)
{
	static const char text[] = "{ \"k\\n\" : [ 1 ] }";
	struct json_cursor c;
	struct json_member m;

	CHECK_NUMBER(json_object_begin(&c, text, strlen(text)), 0);
	CHECK_NUMBER(json_object_next(&c, &m), 1);
	CHECK(m.key_len == 3 && !memcmp(m.key, "k\\n", 3));
	CHECK(m.value_len == 5 && !memcmp(m.value, "[ 1 ]", 5));
	m.key = NULL;
	CHECK_NUMBER(json_object_next(&c, &m), 0);
	CHECK(!m.key);
}

static void nesting_has_a_limit(void)
{
	char text[2 * JSON_DEPTH + 16];

	for (int depth = JSON_DEPTH - 1; depth <= JSON_DEPTH + 1; depth++) {
		memset(text, '[', (size_t)depth);
		memset(text + depth, ']', (size_t)depth);
		text[2 * depth] = '\0';
		CHECK_NUMBER(scan_value(text),
			     depth <= JSON_DEPTH ? 1 : -EBADMSG);
	}
	{
		size_t len = 10 << 20;
		char *deep = malloc(len + 6);

		memcpy(deep, "{\"k\":", 6);
		memset(deep + 5, '[', len);
		CHECK_NUMBER(count_members(deep, len + 5), -EBADMSG);
		free(deep);
	}
}

/* ---- strings ---- */

static void check_round_trip(const char *bytes, const char *wanted)
{
	_cleanup_buffer_ struct buffer b = {};
	_cleanup_free_ char *back = NULL;

	CHECK_NUMBER(json_append_string(&b, bytes), 0);
	CHECK_STRING(b.data, wanted);
	back = json_value_string(b.data, b.len);
	CHECK_STRING(back, bytes);
}

static void bytes_are_written_as_python_writes_them_and_come_back(void)
{
	check_round_trip("", "\"\"");
	check_round_trip("a/b c.nc", "\"a/b c.nc\"");
	check_round_trip("\"\\\b\f\n\r\t\001\x7f", "\"\\\"\\\\\\b\\f\\n\\r\\t\\"
						   "u0001\\u007f\"");
	check_round_trip("gr\xc3\xbcn", "\"gr\\u00fcn\"");
	check_round_trip("\xe2\x82\xac\xf0\x9f\x98\x80", "\"\\u20ac\\ud83d\\ude"
							 "00\"");
	/* not UTF-8: cut off, too long, a surrogate, beyond Unicode */
	check_round_trip("caf\xe9", "\"caf\\udce9\"");
	check_round_trip("\xc3", "\"\\udcc3\"");
	check_round_trip("\xe2\x82x", "\"\\udce2\\udc82x\"");
	check_round_trip("\xc0\xaf", "\"\\udcc0\\udcaf\"");
	check_round_trip("\xe0\x80\xaf", "\"\\udce0\\udc80\\udcaf\"");
	check_round_trip("\xed\xa0\x80", "\"\\udced\\udca0\\udc80\"");
	check_round_trip("\xf4\x90\x80\x80", "\"\\udcf4\\udc90\\udc80\\udc80"
					     "\"");
	check_round_trip("\xff\xfe", "\"\\udcff\\udcfe\"");
}

/* For all pairs of bytes, and some longer runs. */
static void python_writes_names_the_same(void)
{
	static const char script[] =
		"import json, os, random\n"
		"names = [bytes([a, b]) for a in range(1, 256) for b in "
		"range(1, 256)]\n"
		"random.seed(1)\n"
		"names += "
		"[bytes(random.choices(b'a\\xc3\\xa9\\xed\\xa0\\xbf\\xf0\\x9f"
		"\\x98\\x80\\xff', k=9)) for i in range(20000)]\n"
		"open('names', 'wb').write(b'\\0'.join(names) + b'\\0')\n"
		"open('texts', 'w').write("
		"''.join(json.dumps(os.fsdecode(n)) + '\\n' for n in names))\n";
	_cleanup_free_ char *names = NULL, *texts = NULL;
	struct child c = start_python(script, NULL);
	char *text, *name;
	int n = 0;

	CHECK_NUMBER(end_child(&c), 0);
	names = read_text("names");
	texts = read_text("texts");
	name = names;
	for (text = strtok(texts, "\n"); text; text = strtok(NULL, "\n")) {
		check_round_trip(name, text);
		name += strlen(name) + 1;
		n++;
	}
	CHECK_NUMBER(n, 255 * 255 + 20000);
}

static void a_string_with_a_nul_is_none(void)
{
	CHECK(!json_value_string("\"a\\u0000b\"", 10));
	CHECK(!json_value_string("\"\\u0000\"", 8));
	CHECK(!json_string_decode("a\0b", 3));
}

static void only_a_string_is_a_string(void)
{
	CHECK(!json_value_string("17", 2));
	CHECK(!json_value_string("[\"a\"]", 5));
	CHECK(!json_value_string("null", 4));
	CHECK(!json_value_string("\"", 1));
	CHECK(!json_value_string("", 0));
}

static void lone_surrogates_become_some_bytes(void)
{
	_cleanup_free_ char *high = json_string_decode("\\ud800x", 7);
	_cleanup_free_ char *end = json_string_decode("\\ud83d", 6);
	_cleanup_free_ char *twice = json_string_decode("\\ud83d\\ud83d", 12);

	CHECK_STRING(high, "\xed\xa0\x80x");
	CHECK_STRING(end, "\xed\xa0\xbd");
	CHECK_STRING(twice, "\xed\xa0\xbd\xed\xa0\xbd");
}

static void a_string_is_appended_behind_what_is_there(void)
{
	_cleanup_buffer_ struct buffer b = {};

	buffer_append_string(&b, "x: ");
	CHECK_NUMBER(json_append_string(&b, "y"), 0);
	CHECK_STRING(b.data, "x: \"y\"");
}

static void members_follow_each_other(void)
{
	static const struct json_field fields[] = {
		{ "b", "x\"{" },
		{ "c", NULL },
	};
	_cleanup_buffer_ struct buffer b = {};

	buffer_append_string(&b, "{");
	CHECK_NUMBER(json_append_field(&b, "a", "{"), 0);
	CHECK_NUMBER(json_append_fields(&b, fields, 2), 0);
	CHECK_STRING(b.data, "{\"a\": \"{\", \"b\": \"x\\\"{\", \"c\": null");
}

int main(void)
{
	TEST(what_python_reads_is_accepted);
	TEST(what_python_does_not_read_is_refused);
	TEST(python_agrees);
	TEST(only_one_whole_object_is_accepted);
	TEST(every_cut_off_text_is_refused);
	TEST(a_member_is_told_without_its_blanks);
	TEST(nesting_has_a_limit);
	TEST(bytes_are_written_as_python_writes_them_and_come_back);
	TEST(python_writes_names_the_same);
	TEST(a_string_with_a_nul_is_none);
	TEST(only_a_string_is_a_string);
	TEST(lone_surrogates_become_some_bytes);
	TEST(a_string_is_appended_behind_what_is_there);
	TEST(members_follow_each_other);
	return tests_done();
}
