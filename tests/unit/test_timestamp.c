/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/timestamp.h"

#include "tests/unit/check.h"

#define SEC 1795449515 /* 2026-11-23T15:58:35Z */

static void check_format(time_t sec, long ns, const char *wanted)
{
	struct timespec ts = { sec, ns };
	char text[TIMESTAMP_SIZE];

	timestamp_format(&ts, text);
	CHECK_STRING(text, wanted);
}

static void it_is_written_as_python_writes_it(void)
{
	check_format(SEC, 123456789, "2026-11-23T15:58:35.123456+00:00");
	check_format(SEC, 0, "2026-11-23T15:58:35.000000+00:00");
	check_format(0, 999, "1970-01-01T00:00:00.000000+00:00");
	check_format(951827696, 0, "2000-02-29T12:34:56.000000+00:00");
	check_format(-1, 999999999, "1969-12-31T23:59:59.999999+00:00");
}

static void years_beyond_four_digits_are_the_nearest(void)
{
	check_format(253402300799, 0, "9999-12-31T23:59:59.000000+00:00");
	check_format(253402300800, 0, "9999-12-31T23:59:59.000000+00:00");
	check_format(INT64_MAX, 0, "9999-12-31T23:59:59.000000+00:00");
	check_format(INT64_MIN, 0, "0000-01-01T00:00:00.000000+00:00");
}

static void check_parse(const char *text, time_t sec, long ns)
{
	struct timespec ts;

	if (timestamp_parse(text, &ts) != 0)
		CHECK_STRING("refused", text);
	CHECK_NUMBER(ts.tv_sec, sec);
	CHECK_NUMBER(ts.tv_nsec, ns);
}

static void every_spelling_is_read(void)
{
	check_parse("2026-11-23T15:58:35.123456+00:00", SEC, 123456000);
	check_parse("2026-11-23T15:58:35.123456Z", SEC, 123456000);
	check_parse("2026-11-23T15:58:35Z", SEC, 0);
	check_parse("2026-11-23T15:58:35+00:00", SEC, 0);
	check_parse("2026-11-23T15:58:35-00:00", SEC, 0);
	check_parse("2026-11-23T15:58:35", SEC, 0);
	check_parse("2026-11-23 15:58:35.1", SEC, 100000000);
	check_parse("2026-11-23T16:58:35+01:00", SEC, 0);
	check_parse("2026-11-23T10:28:35.5-05:30", SEC, 500000000);
	check_parse("2026-11-24T01:43:35+09:45", SEC, 0);
	check_parse("2026-11-23T15:58:35.1234567899999Z", SEC, 123456789);
	check_parse("1970-01-01T00:00:00Z", 0, 0);
	check_parse("2000-02-29T12:34:56Z", 951827696, 0);
	check_parse("1969-12-31T23:59:59.5Z", -1, 500000000);
	check_parse("2016-12-31T23:59:60Z", 1483228800, 0); /* a leap second */
}

static void what_is_no_timestamp_is_refused(void)
{
	static const char *const bad[] = {
		"",
		"now",
		"2026",
		"2026-11-23",
		"2026-11-23T",
		"2026-11-23T15:58",
		"2026-11-23T15:58:35.",
		"2026-11-23T15:58:35.Z",
		"2026-11-23T15:58:35+",
		"2026-11-23T15:58:35+1:00",
		"2026-11-23T15:58:35+0100",
		"2026-11-23T15:58:35+24:00",
		"2026-11-23T15:58:35+01:60",
		"2026-11-23T15:58:35Zx",
		"2026-11-23T15:58:35 ",
		" 2026-11-23T15:58:35",
		"2026-13-23T15:58:35Z",
		"2026-00-23T15:58:35Z",
		"2026-11-00T15:58:35Z",
		"2026-11-32T15:58:35Z",
		"2026-11-23T24:00:00Z",
		"2026-11-23T15:60:35Z",
		"2026-11-23T15:58:61Z",
		"2026-11-23t15:58:35Z",
		"-026-11-23T15:58:35Z",
		"+2026-11-23T15:58:35Z",
		"2026-1-23T15:58:35Z",
		"2026-11-23T15:58:35.12x",
		"\xd9\xa2"
		"026-11-23T15:58:35Z",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct timespec ts = { 4711, 4712 };

		if (timestamp_parse(bad[i], &ts) != -EINVAL)
			CHECK_STRING("accepted", bad[i]);
		CHECK(ts.tv_sec == 4711 && ts.tv_nsec == 4712);
	}
}

static void what_is_written_is_read_back(void)
{
	srandom(1);
	for (int i = 0; i < 100000; i++) {
		struct timespec ts = { random() * 128 + random() % 128,
				       random() % 1000000000 };
		char text[TIMESTAMP_SIZE];

		ts.tv_sec = ts.tv_sec % 315569520000 - 62167219200;
		timestamp_format(&ts, text);
		check_parse(text, ts.tv_sec, ts.tv_nsec / 1000 * 1000);
	}
}

static void now_is_now(void)
{
	struct timespec before, now, after;
	char text[TIMESTAMP_SIZE];

	clock_gettime(CLOCK_REALTIME, &before);
	timestamp_now(text);
	clock_gettime(CLOCK_REALTIME, &after);
	CHECK_NUMBER(timestamp_parse(text, &now), 0);
	CHECK(now.tv_sec >= before.tv_sec && now.tv_sec <= after.tv_sec);
}

int main(void)
{
	TEST(it_is_written_as_python_writes_it);
	TEST(years_beyond_four_digits_are_the_nearest);
	TEST(every_spelling_is_read);
	TEST(what_is_no_timestamp_is_refused);
	TEST(what_is_written_is_read_back);
	TEST(now_is_now);
	return tests_done();
}
