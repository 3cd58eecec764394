/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/users.h"

#include <pthread.h>

#include "tests/unit/check.h"

static struct users *open_users(void)
{
	struct users *u = NULL;

	CHECK_NUMBER(users_open(&u), 0);
	return u;
}

static void a_name_and_an_id_lead_to_each_other(void)
{
	struct users *u = open_users();
	char name[USER_NAME_SIZE];

	for (int i = 0; i < 2; i++) { /* looked up, then remembered */
		users_name(u, 0, name);
		CHECK_STRING(name, "root");
		CHECK_NUMBER(users_id(u, "root"), 0);
		users_name(u, 1, name);
		CHECK_NUMBER(users_id(u, name), 1);
	}
	users_free(u);
}

static void who_has_no_name_is_his_number(void)
{
	struct users *u = open_users();
	char name[USER_NAME_SIZE];

	for (int i = 0; i < 2; i++) {
		users_name(u, 3999999999u, name);
		CHECK_STRING(name, "3999999999");
		CHECK_NUMBER(users_id(u, name), 3999999999u);
	}
	users_free(u);
}

static void who_is_unknown_is_nobody(void)
{
	struct users *u = open_users();
	char name[2 * USER_NAME_SIZE];

	CHECK_NUMBER(users_id(u, "no such user"), 65534);
	CHECK_NUMBER(users_id(u, ""), 65534);
	CHECK_NUMBER(users_id(u, "-1"), 65534);
	CHECK_NUMBER(users_id(u, "17x"), 65534);
	CHECK_NUMBER(users_id(u, "4294967295"), 65534); /* no id at all */
	CHECK_NUMBER(users_id(u, "99999999999999999999999"), 65534);
	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	CHECK_NUMBER(users_id(u, name), 65534);
	users_free(u);
	users_free(NULL);
}

/* 256 ids apart, they share a slot. */
static void a_collision_changes_no_answer(void)
{
	struct users *u = open_users();
	char name[USER_NAME_SIZE];

	for (int i = 0; i < 3; i++) {
		users_name(u, 0, name);
		CHECK_STRING(name, "root");
		users_name(u, 3999999744u, name); /* a multiple of 256 */
		CHECK_STRING(name, "3999999744");
	}
	users_free(u);
}

static void *ask(void *arg)
{
	char name[USER_NAME_SIZE];

	for (int i = 0; i < 2000; i++) {
		users_name(arg, i % 2 ? 0 : 3999999744u, name);
		CHECK_STRING(name, i % 2 ? "root" : "3999999744");
		CHECK_NUMBER(users_id(arg, "root"), 0);
	}
	return NULL;
}

static void many_may_ask_at_once(void)
{
	struct users *u = open_users();
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		CHECK(!pthread_create(&threads[i], NULL, ask, u));
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	users_free(u);
}

int main(void)
{
	TEST(a_name_and_an_id_lead_to_each_other);
	TEST(who_has_no_name_is_his_number);
	TEST(who_is_unknown_is_nobody);
	TEST(a_collision_changes_no_answer);
	TEST(many_may_ask_at_once);
	return tests_done();
}
