/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/checkouts.h"

#include <pthread.h>

#include "core/cleanup.h"
#include "tests/unit/check.h"

static struct registry *registry;
static struct checkouts *checkouts;

/* On the current folder; its `.camlock` is the folder itself. */
static void begin(unsigned linger_ms)
{
	int dir = open_folder(".");
	struct registry_options o = { .state_dir = dir,
				      .locks_dir = dir,
				      .locks_name = "locks.json",
				      .host = "cam-07" };
	struct wait w = wait_for_ms(DEADLINE_MS);

	CHECK_NUMBER(registry_open(&registry, &o, &w), 0);
	CHECK_NUMBER(checkouts_open(&checkouts, registry, linger_ms), 0);
}

static void finish(void)
{
	checkouts_free(checkouts);
	registry_close(registry);
	{
		_cleanup_free_ char *text = read_text("locks.json");

		CHECK_STRING(text, "{}");
	}
}

static struct record record_of(const char *user)
{
	return (struct record){
		.user = (char *)user,
		.message = (char *)"opened for writing by test",
		.host = (char *)"cam-07",
		.seat = (char *)"",
		.pid = (char *)"4242",
		.app = (char *)"test",
	};
}

/* Who is in the way must be `holder`. */
static int take(const char *path, bool tree, const char *user,
		const char *holder, struct checkout **ret_co)
{
	_cleanup_conflict_ struct registry_conflict conflict = {};
	struct checkout_claim claim = { .path = path, .tree = tree };
	struct record want = record_of(user);
	struct wait w = wait_for_ms(DEADLINE_MS);
	int r = checkouts_take(checkouts, &claim, 1, &want, &w, &conflict);

	if (r == CHECKOUTS_REFUSED && holder)
		CHECK_STRING(conflict.holder.user, holder);
	if (r == 0)
		*ret_co = claim.checkout;
	return r;
}

static struct checkout *must_take(const char *path, const char *user)
{
	struct checkout *co = NULL;

	CHECK_NUMBER(take(path, false, user, NULL, &co), 0);
	return co;
}

static void refuse(const char *path, const char *user, const char *holder)
{
	struct checkout *co = NULL;

	CHECK_NUMBER(take(path, false, user, holder, &co), CHECKOUTS_REFUSED);
	CHECK(!co);
}

/* Whether something was written, as the history is told. */
static bool give_back(struct checkout *co, bool written, pid_t pid)
{
	_cleanup_record_ struct record was = {};

	return checkouts_give_back(checkouts, co, false, written, pid, &was,
				   NULL);
}

static bool is_recorded(const char *path)
{
	_cleanup_free_ char *text = read_text("locks.json");
	char key[256];

	snprintf(key, sizeof(key), "\"%s\": {", path);
	return text && strstr(text, key);
}

static void uses_of_one_owner_share_a_checkout(void)
{
	struct checkout *one, *two;

	begin(0);
	one = must_take("a", "alice");
	two = must_take("a", "alice");
	CHECK(one == two);
	refuse("a", "bob", "alice");
	CHECK(!give_back(one, true, 1));
	refuse("a", "bob", "alice");
	CHECK(give_back(two, false, 1)); /* the first one wrote */
	one = must_take("a", "bob");
	CHECK(!give_back(one, false, 1));
	finish();
}

static void all_claims_are_taken_or_none(void)
{
	_cleanup_conflict_ struct registry_conflict conflict = {};
	struct checkout_claim claims[] = { { .path = "free" },
					   { .path = "held" } };
	struct record bob = record_of("bob");
	struct wait w = wait_for_ms(DEADLINE_MS);
	struct checkout *co;

	begin(0);
	co = must_take("held", "alice");
	CHECK_NUMBER(checkouts_take(checkouts, claims, 2, &bob, &w, &conflict),
		     CHECKOUTS_REFUSED);
	CHECK_STRING(conflict.path, "held");
	give_back(co, false, 1);
	co = must_take("free", "carol");
	give_back(co, false, 1);
	finish();
}

static void *give_back_later(void *co)
{
	poll(NULL, 0, CHECKOUTS_GRACE_MS / 5); /* a slow RELEASE */
	checkouts_give_back(checkouts, co, true, false, 1, &(struct record){},
			    NULL);
	return NULL;
}

static void a_flushed_holder_is_waited_for(void)
{
	struct checkout *co;
	pthread_t thread;
	long long start;

	begin(0);
	co = must_take("a", "alice");
	checkouts_flushed(checkouts, co, true);
	CHECK(pthread_create(&thread, NULL, give_back_later, co) == 0);
	give_back(must_take("a", "bob"), false, 1);
	pthread_join(thread, NULL);

	/* in use again, he is not */
	co = must_take("a", "alice");
	checkouts_flushed(checkouts, co, true);
	checkouts_flushed(checkouts, co, false);
	start = now_ms();
	refuse("a", "bob", "alice");
	CHECK(now_ms() - start < CHECKOUTS_GRACE_MS);

	/* and nobody for longer than that */
	checkouts_flushed(checkouts, co, true);
	start = now_ms();
	refuse("a", "bob", "alice");
	CHECK(now_ms() - start >= CHECKOUTS_GRACE_MS - 1);
	checkouts_give_back(checkouts, co, true, false, 1, &(struct record){},
			    NULL);
	finish();
}

static void a_vacated_name_is_reserved(void)
{
	struct checkout *co;

	begin(0);
	co = must_take("a", "alice");
	checkouts_name_gone(checkouts, co);
	give_back(co, false, 1);
	refuse("a", "bob", "alice");
	co = must_take("a", "alice"); /* for the owner it is not in the way */
	give_back(co, false, 1);
	refuse("a", "bob", "alice");
	co = must_take("a", "alice");
	checkouts_name_exists(checkouts, co);
	give_back(co, false, 1);
	give_back(must_take("a", "bob"), false, 1);

	co = must_take("a", "alice");
	checkouts_name_gone(checkouts, co);
	give_back(co, false, 1);
	checkouts_name_made(checkouts, "b");
	refuse("a", "bob", "alice");
	checkouts_name_made(checkouts, "a");
	give_back(must_take("a", "bob"), false, 1);
	finish();
}

static void a_scratch_file_of_the_process_keeps_it(void)
{
	begin(0);
	checkouts_scratch(checkouts, 7, "jobs", 1);
	checkouts_scratch(checkouts, 7, "jobs", 1);
	checkouts_scratch(checkouts, 8, "", 1);
	give_back(must_take("jobs/a", "alice"), false, 7);
	refuse("jobs/a", "bob", "alice");
	checkouts_scratch(checkouts, 7, "jobs", -1);
	refuse("jobs/a", "bob", "alice");
	checkouts_scratch(checkouts, 7, "jobs", -1);
	give_back(must_take("jobs/a", "bob"), false, 7);

	give_back(must_take("jobs/a", "alice"), false, 8); /* not its folder */
	give_back(must_take("jobs/a", "bob"), false, 8);
	give_back(must_take("b", "alice"), false, 9); /* not the process */
	give_back(must_take("b", "bob"), false, 9);
	give_back(must_take("b", "alice"), false, 8);
	refuse("b", "bob", "alice");
	checkouts_scratch(checkouts, 8, "", -1);
	finish();
}

static void it_lingers(void)
{
	long long start;

	begin(300);
	start = now_ms();
	give_back(must_take("a", "alice"), false, 1);
	refuse("a", "bob", "alice");
	give_back(must_take("a", "alice"), false, 1);
	WAIT_FOR(!is_recorded("a"));
	CHECK(now_ms() - start >= 290);
	give_back(must_take("a", "bob"), false, 1);
	give_back(must_take("b", "bob"), false, 1);
	CHECK(is_recorded("b"));
	finish(); /* does not wait for it */
}

static void folders_are_claimed_with_all_below(void)
{
	struct checkout *co, *tree;

	begin(0);
	co = must_take("jobs/deep/a", "alice");
	CHECK_NUMBER(take("jobs", true, "bob", "alice", &tree),
		     CHECKOUTS_REFUSED);
	CHECK_NUMBER(take("job", true, "bob", NULL, &tree), 0);
	give_back(tree, false, 1);
	CHECK_NUMBER(take("jobs", true, "alice", NULL, &tree), 0);
	give_back(tree, false, 1);
	give_back(co, false, 1);
	CHECK_NUMBER(take("jobs", true, "bob", NULL, &tree), 0);
	give_back(tree, false, 1);
	finish();
}

static void checkouts_follow_their_folder(void)
{
	struct record alice = record_of("alice");
	struct checkout *x, *y, *bobs;

	begin(0);
	x = must_take("x/a", "alice");
	y = must_take("y/a", "alice");
	bobs = must_take("x/b", "bob");
	checkouts_move(checkouts, "x", "z", false, &alice);
	refuse("z/a", "bob", "alice");
	refuse("x/b", "alice", "bob"); /* another's stay */
	give_back(must_take("x/a", "bob"), false, 1);

	checkouts_move(checkouts, "y", "z", true, &alice);
	give_back(x, false, 1); /* y/a now */
	refuse("z/a", "bob", "alice");
	give_back(must_take("y/a", "bob"), false, 1);
	give_back(y, false, 1);
	give_back(must_take("z/a", "bob"), false, 1);
	give_back(bobs, false, 1);
	finish();
}

static void a_removed_folder_is_not_waited_for(void)
{
	struct record alice = record_of("alice");
	struct checkout *co;

	begin(0);
	co = must_take("jobs/a", "alice");
	checkouts_name_gone(checkouts, co);
	give_back(co, false, 1);
	checkouts_folder_gone(checkouts, "jobs", &alice);
	give_back(must_take("jobs/a", "bob"), false, 1);
	finish();
}

/* The paths another than `user` has, with a blank behind each. */
static void others(const char *user, const char *expected)
{
	_cleanup_buffer_ struct buffer paths = {};
	struct record owner = record_of(user);

	CHECK_NUMBER(checkouts_list_others(checkouts, &owner, &paths), 0);
	for (size_t i = 0; i < paths.len; i++)
		if (!paths.data[i])
			paths.data[i] = ' ';
	CHECK_STRING(paths.data ? paths.data : "", expected);
}

static void others_are_whoever_has_a_file(void)
{
	struct checkout *a, *b, *tree;
	struct record was = {};

	begin(0);
	others("alice", "");
	a = must_take("a", "alice");
	b = must_take("b", "alice");
	others("alice", "");
	others("bob", "b a ");
	CHECK_NUMBER(take("jobs", true, "alice", NULL, &tree), 0);
	others("bob", "b a ");
	give_back(tree, false, 1);
	give_back(a, false, 1);
	others("bob", "b ");

	/* a name that is only reserved is no file, until it is used or made */
	checkouts_name_gone(checkouts, b);
	others("bob", "b ");
	CHECK(!checkouts_give_back(checkouts, b, false, false, 1, &was, NULL));
	others("bob", "");
	b = must_take("b", "alice");
	others("bob", "b ");
	CHECK(!checkouts_give_back(checkouts, b, false, false, 1, &was, NULL));
	others("bob", "");
	checkouts_name_made(checkouts, "b");
	others("bob", "");
	finish();
}

static void others_are_who_lingers(void)
{
	begin(60000);
	give_back(must_take("a", "alice"), false, 1);
	others("bob", "a ");
	finish();
}

static int seize(const char *path, unsigned wait_ms, struct seizure *ret_s)
{
	_cleanup_conflict_ struct registry_conflict conflict = {};
	struct record admin = record_of("admin");
	struct wait w = wait_for_ms(wait_ms);

	*ret_s = (struct seizure){ .path = path };
	return checkouts_seize(checkouts, ret_s, 1, &admin, NULL, NULL, &w,
			       &conflict);
}

/* A rename that has passed must not hit the file of who has the path next. */
static void an_operation_is_over_before_a_seizure(void)
{
	_cleanup_conflict_ struct registry_conflict conflict = {};
	struct checkout_claim claim = { .path = "a", .operation = true };
	struct record alice = record_of("alice");
	struct wait w = wait_for_ms(DEADLINE_MS);
	struct seizure s, second;

	begin(0);
	CHECK_NUMBER(
		checkouts_take(checkouts, &claim, 1, &alice, &w, &conflict), 0);
	CHECK_NUMBER(seize("a", 30, &s), -ETIMEDOUT);
	refuse("a", "bob", "alice");
	checkouts_operation_done(checkouts, claim.checkout);
	CHECK_NUMBER(seize("a", DEADLINE_MS, &s), 0);
	CHECK_STRING(s.was.user, "alice");
	CHECK_STRING(s.writer, "alice");
	checkouts_seized(checkouts, &s);
	refuse("a", "alice", "admin");
	give_back(claim.checkout, false, 1);
	refuse("a", "alice", "admin");
	CHECK_NUMBER(seize("a", 30, &second), -ETIMEDOUT);
	checkouts_give_up(checkouts, s.checkout);
	give_back(must_take("a", "alice"), false, 1);
	finish();
}

static void all_are_seized_or_none(void)
{
	_cleanup_conflict_ struct registry_conflict conflict = {};
	struct record alice = record_of("alice");
	struct wait w = wait_for_ms(DEADLINE_MS);
	struct seizure s[] = { { .path = "a" },
			       { .path = "b" },
			       { .path = "a" } };
	struct checkout *a, *b;

	begin(0);
	a = must_take("a", "alice");
	b = must_take("b", "bob");
	CHECK_NUMBER(checkouts_seize(checkouts, s, 3, &alice, "alice", NULL, &w,
				     &conflict),
		     CHECKOUTS_REFUSED);
	CHECK_STRING(conflict.path, "b");
	CHECK(!s[0].checkout && !s[0].was.user);
	refuse("a", "admin", "alice");
	refuse("b", "admin", "bob");
	registry_conflict_release(&conflict);
	for (int i = 0; i < 3; i++)
		s[i] = (struct seizure){ .path = s[i].path };
	CHECK_NUMBER(checkouts_seize(checkouts, s, 3, &alice, NULL, NULL, &w,
				     &conflict),
		     0);
	CHECK_STRING(s[0].was.user, "alice");
	CHECK_STRING(s[1].was.user, "bob");
	CHECK_STRING(s[1].writer, "bob");
	CHECK(!s[2].checkout); /* named twice */
	checkouts_unseize(checkouts, &s[0]);
	checkouts_seized(checkouts, &s[1]);
	refuse("a", "bob", "alice");
	refuse("b", "bob", "alice");
	give_back(a, false, 1);
	give_back(b, false, 1);
	checkouts_give_up(checkouts, s[1].checkout);
	give_back(must_take("a", "bob"), false, 1);
	give_back(must_take("b", "bob"), false, 1);
	finish();
}

int main(void)
{
	TEST(uses_of_one_owner_share_a_checkout);
	TEST(all_claims_are_taken_or_none);
	TEST(a_flushed_holder_is_waited_for);
	TEST(a_vacated_name_is_reserved);
	TEST(a_scratch_file_of_the_process_keeps_it);
	TEST(it_lingers);
	TEST(folders_are_claimed_with_all_below);
	TEST(checkouts_follow_their_folder);
	TEST(a_removed_folder_is_not_waited_for);
	TEST(others_are_whoever_has_a_file);
	TEST(others_are_who_lingers);
	TEST(an_operation_is_over_before_a_seizure);
	TEST(all_are_seized_or_none);
	return tests_done();
}
