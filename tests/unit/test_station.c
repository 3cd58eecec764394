/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/station.h"

#include "tests/unit/check.h"

static void here(struct station *ret_station)
{
	char host[256] = "";

	CHECK(gethostname(host, sizeof(host) - 1) == 0);
	station_here(ret_station, host);
}

static void what_is_written_is_read(void)
{
	struct buffer text = {};
	struct station s, back;

	here(&s);
	s.silence_ms = 30000;
	CHECK_NUMBER(station_format(&s, &text), 0);
	CHECK_NUMBER(station_parse(&back, text.data, text.len), 0);
	CHECK(!strcmp(back.host, s.host) && !strcmp(back.boot, s.boot));
	CHECK(!strcmp(back.pid, s.pid) && !strcmp(back.start, s.start));
	CHECK_NUMBER((int)back.silence_ms, 30000);
	buffer_release(&text);
}

static void no_text_says_nothing(void)
{
	struct station s;

	CHECK_NUMBER(station_parse(&s, "", 0), 0);
	CHECK_NUMBER((int)s.silence_ms, 0);
	CHECK(!station_is_gone(&s));
	CHECK_NUMBER(station_parse(&s, "{\"host\": ", 9), -EBADMSG);
}

static void a_process_that_runs_is_not_gone(void)
{
	struct station s;

	here(&s);
	CHECK(!station_is_gone(&s));
	strcpy(s.start, "1"); /* the number is another's by now */
	CHECK(station_is_gone(&s));
}

static void before_the_machine_was_started_anew_is_gone(void)
{
	struct station s;

	here(&s);
	strcpy(s.boot, "another");
	CHECK(station_is_gone(&s));
}

static void of_elsewhere_nothing_is_sure(void)
{
	struct station s, other;

	here(&s);
	strcpy(s.start, "1");
	other = s;
	strcpy(other.host, "cam-99");
	CHECK(!station_is_gone(&other));
	other = s;
	strcpy(other.machine, "another");
	CHECK(!station_is_gone(&other));
	other = s;
	strcpy(other.pid_space, "pid:[1]");
	CHECK(!station_is_gone(&other));
}

int main(void)
{
	TEST(what_is_written_is_read);
	TEST(no_text_says_nothing);
	TEST(a_process_that_runs_is_not_gone);
	TEST(before_the_machine_was_started_anew_is_gone);
	TEST(of_elsewhere_nothing_is_sure);
	return tests_done();
}
