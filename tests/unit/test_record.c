/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/record.h"

#include "core/cleanup.h"
#include "tests/unit/check.h"

static struct record parse(const char *text)
{
	struct record r;

	CHECK_NUMBER(record_parse(&r, text, strlen(text)), 0);
	return r;
}

static void a_record_of_a_python_tool_has_three_fields(void)
{
	_cleanup_record_ struct record r = parse("{\"user\": \"alice\", "
						 "\"timestamp\": \"2026\","
						 " \"message\": \"\"}");

	CHECK_STRING(r.user, "alice");
	CHECK_STRING(r.timestamp, "2026");
	CHECK_STRING(r.message, "");
	CHECK(!r.kind && !r.host && !r.seat && !r.lease && !r.pid && !r.app);
}

static void what_is_formatted_is_parsed_back(void)
{
	static const char text[] = "{\n"
				   "        \"user\": \"m\\u00fcller\",\n"
				   "        \"timestamp\": \"2026\",\n"
				   "        \"message\": \"a \\\"b\\\"\\n\",\n"
				   "        \"kind\": \"open\",\n"
				   "        \"host\": \"cam-07\",\n"
				   "        \"seat\": \"\",\n"
				   "        \"lease\": \"l\",\n"
				   "        \"pid\": \"4242\",\n"
				   "        \"app\": \"\\udce9\"\n"
				   "    }";
	_cleanup_record_ struct record r = parse(text), copy = {};
	_cleanup_buffer_ struct buffer b = {}, again = {};

	CHECK_STRING(r.user, "m\xc3\xbcller");
	CHECK_STRING(r.message, "a \"b\"\n");
	CHECK_STRING(r.app, "\xe9");
	CHECK_NUMBER(record_format(&r, &b), 0);
	CHECK_STRING(b.data, text);
	CHECK_NUMBER(record_copy(&copy, &r), 0);
	record_release(&r);
	CHECK_NUMBER(record_format(&copy, &again), 0);
	CHECK_STRING(again.data, text);
}

static void what_is_missing_is_not_written(void)
{
	struct record r = { .user = (char *)"a", .host = (char *)"h" };
	_cleanup_buffer_ struct buffer b = {};

	CHECK_NUMBER(record_format(&r, &b), 0);
	CHECK_STRING(b.data, "{\n        \"user\": \"a\",\n"
			     "        \"host\": \"h\"\n    }");
}

static void fields_of_other_types_and_names_are_passed_over(void)
{
	_cleanup_record_ struct record r = parse(" {\"x\": [{\"user\": "
						 "\"no\"}], \"user\": "
						 "\"first\","
						 "\"User\": \"no\", \"user\": "
						 "\"last\", \"pid\": 17,"
						 "\"host\": null, \"app\": "
						 "\"a\", \"app\": {}} ");

	CHECK_STRING(r.user, "last");
	CHECK(!r.pid && !r.host && !r.app);
}

static void without_a_user_it_is_no_record(void)
{
	static const char *const bad[] = {
		"",
		"{}",
		"[]",
		"\"user\"",
		"{\"user\": 17}",
		"{\"user\": null}",
		"{\"user\": \"a\"",
		"{\"user\": \"a\"} x",
		"{\"user\": \"a\", \"user\": 1}",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct record r = { .app = (char *)"untouched" };

		CHECK_NUMBER(record_parse(&r, bad[i], strlen(bad[i])), -EINVAL);
		CHECK(!r.user);
		CHECK_STRING(r.app, "untouched");
	}
}

static void a_user_who_cannot_be_read_is_somebody(void)
{
	static const char *const odd[] = {
		"{\"user\": \"a\\u0000\"}",
		"{\"user\": \"\\u0000\", \"host\": \"h\"}",
		"{\"user\": \"a\", \"user\": \"a\\u0000b\"}",
	};

	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
		_cleanup_record_ struct record r = parse(odd[i]);

		CHECK_STRING(r.user, RECORD_USER_UNKNOWN);
		CHECK(!record_owned_by(&r, &(struct owner){ "a", "h", "", NULL,
							    NULL }));
		CHECK(!record_owned_by(&r, &(struct owner){ "", "h", "", NULL,
							    NULL }));
	}
}

static void only_kind_and_lease_together_make_an_open_checkout(void)
{
	struct record r = { .user = (char *)"a" };

	CHECK(!record_is_open(&r));
	r.kind = (char *)RECORD_KIND_OPEN;
	CHECK(!record_is_open(&r));
	r.lease = (char *)"l";
	CHECK(record_is_open(&r));
	r.kind = (char *)RECORD_KIND_KEPT;
	CHECK(!record_is_open(&r));
}

static void a_kept_checkout_is_the_users_host_and_seats(void)
{
	struct record r = { .user = (char *)"alice", .host = (char *)"h" };

	CHECK(record_owned_by(&r,
			      &(struct owner){ "alice", "h", "", NULL, NULL }));
	CHECK(record_owned_by(&r, &(struct owner){ "alice", "h", NULL, "l",
						   NULL }));
	CHECK(!record_owned_by(&r,
			       &(struct owner){ "bob", "h", "", "l", NULL }));
	CHECK(!record_owned_by(&r,
			       &(struct owner){ "Alice", "h", "", "l", NULL }));
	CHECK(!record_owned_by(&r,
			       &(struct owner){ "alice", "x", "", "l", NULL }));
	CHECK(!record_owned_by(&r, &(struct owner){ "alice", "h", "s", "l",
						    NULL }));
	r.seat = (char *)"s";
	CHECK(record_owned_by(&r,
			      &(struct owner){ "alice", "h", "s", "l", NULL }));
	CHECK(!record_owned_by(&r,
			       &(struct owner){ "alice", "h", "", "l", NULL }));
}

/* Behind Samba: another smbd, the same machine. */
static void a_kept_one_is_the_clients_again(void)
{
	struct record r = { .user = (char *)"alice",
			    .host = (char *)"h",
			    .seat = (char *)"4711-1",
			    .client = (char *)"PC-MILL-3" };
	struct owner back = { "alice", "h", "4712-9", "l", "PC-MILL-3" };
	struct owner other = { "alice", "h", "4712-9", "l", "PC-MILL-4" };
	struct owner local = { "alice", "h", "", "l", NULL };

	CHECK(record_owned_by(&r, &back));
	CHECK(!record_owned_by(&r, &other));
	CHECK(!record_owned_by(&r, &local));
	r.kind = (char *)RECORD_KIND_OPEN;
	r.lease = (char *)"l";
	CHECK(!record_owned_by(&r, &back));
}

static void a_record_without_a_host_is_its_users_anywhere(void)
{
	struct record r = { .user = (char *)"alice" };

	CHECK(record_owned_by(&r,
			      &(struct owner){ "alice", "h", "s", "l", NULL }));
	CHECK(record_owned_by(&r,
			      &(struct owner){ "alice", "x", "", NULL, NULL }));
	CHECK(!record_owned_by(&r,
			       &(struct owner){ "bob", "h", "", "l", NULL }));
}

static void an_open_checkout_is_its_mounts(void)
{
	struct record r = { .user = (char *)"alice",
			    .kind = (char *)RECORD_KIND_OPEN,
			    .host = (char *)"h",
			    .seat = (char *)"",
			    .lease = (char *)"l" };

	CHECK(record_owned_by(&r,
			      &(struct owner){ "alice", "h", "", "l", NULL }));
	CHECK(!record_owned_by(&r,
			       &(struct owner){ "alice", "h", "", "m", NULL }));
	CHECK(!record_owned_by(&r, &(struct owner){ "alice", "h", "", NULL,
						    NULL }));
	CHECK(!record_owned_by(&r, &(struct owner){ "alice", "h", "s", "l",
						    NULL }));
	CHECK(!record_owned_by(&r,
			       &(struct owner){ "bob", "h", "", "l", NULL }));
}

int main(void)
{
	TEST(a_record_of_a_python_tool_has_three_fields);
	TEST(what_is_formatted_is_parsed_back);
	TEST(what_is_missing_is_not_written);
	TEST(fields_of_other_types_and_names_are_passed_over);
	TEST(without_a_user_it_is_no_record);
	TEST(a_user_who_cannot_be_read_is_somebody);
	TEST(only_kind_and_lease_together_make_an_open_checkout);
	TEST(a_kept_checkout_is_the_users_host_and_seats);
	TEST(a_kept_one_is_the_clients_again);
	TEST(a_record_without_a_host_is_its_users_anywhere);
	TEST(an_open_checkout_is_its_mounts);
	return tests_done();
}
