/* SPDX-License-Identifier: GPL-3.0-or-later */
/* timeout: 300 */
#include "core/registry.h"

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <sys/resource.h>

#include "core/cleanup.h"
#include "core/timestamp.h"
#include "tests/unit/check.h"

/* ---- a registry, and what it tells ---- */

struct events {
	pthread_mutex_t mutex;
	int n[REGISTRY_STUCK + 1]; /* under mutex, by type */
	char path[256];		   /* under mutex, of the last */
};

static void take_event(void *arg, const struct registry_event *event)
{
	struct events *events = arg;

	LOCK_SCOPE(&events->mutex);
	events->n[event->type]++;
	snprintf(events->path, sizeof(events->path), "%s", event->path);
}

static int count_events(struct events *events, int type)
{
	LOCK_SCOPE(&events->mutex);
	return events->n[type];
}

static struct events heard = { .mutex = PTHREAD_MUTEX_INITIALIZER };

/* On the current folder; its `.camlock` is the folder itself. */
static struct registry_options options(void)
{
	int dir = open_folder(".");

	return (struct registry_options){
		.state_dir = dir,
		.locks_dir = dir,
		.locks_name = "locks.json",
		.host = "cam-07",
		.on_event = take_event,
		.on_event_arg = &heard,
	};
}

static struct registry *open_registry(void)
{
	struct registry_options o = options();
	struct wait w = wait_for_ms(DEADLINE_MS);
	struct registry *r = NULL;

	CHECK_NUMBER(registry_open(&r, &o, &w), 0);
	return r;
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

/* An outcome; who holds it, if another does, must be `holder`. */
static int checkout_until(struct registry *r, const char *path,
			  const char *user, const struct wait *w,
			  const char *holder)
{
	_cleanup_conflict_ struct registry_conflict conflict = {};
	struct registry_claim claim = { .path = path };
	struct record want = record_of(user);
	int r_ = registry_checkout(r, &claim, 1, &want, w, &conflict);

	if (r_ == REGISTRY_HELD && holder)
		CHECK_STRING(conflict.holder.user, holder);
	if (r_ != REGISTRY_HELD)
		CHECK(!conflict.path && !conflict.holder.user);
	return r_ == 0 ? claim.outcome : r_;
}

static void checkin(struct registry *r, const char *path)
{
	registry_checkin(r, &path, 1);
}

static int checkout(struct registry *r, const char *path, const char *user)
{
	struct wait w = wait_for_ms(DEADLINE_MS);

	return checkout_until(r, path, user, &w, NULL);
}

/* Whether locks.json, read as any program may, names a path. */
static bool is_recorded(const char *path)
{
	_cleanup_free_ char *text = read_text("locks.json");
	char key[256];

	snprintf(key, sizeof(key), "\"%s\": {", path);
	return text && strstr(text, key);
}

static int count_files(const char *folder, const char *part)
{
	DIR *dir = opendir(folder);
	struct dirent *d;
	int n = 0;

	CHECK(dir);
	while ((d = readdir(dir)))
		n += d->d_name[0] != '.' && strstr(d->d_name, part);
	closedir(dir);
	return n;
}

/* ---- one owner, one path ---- */

static void a_checkout_is_in_the_file_until_its_checkin(void)
{
	struct registry *r = open_registry();
	_cleanup_free_ char *text = NULL;

	CHECK_NUMBER(checkout(r, "jobs/part.nc", "alice"), REGISTRY_RECORDED);
	text = read_text("locks.json");
	CHECK(strstr(text, "{\n    \"jobs/part.nc\": {\n"
			   "        \"user\": \"alice\",\n"
			   "        \"timestamp\": \"2"));
	CHECK(strstr(text, "\"kind\": \"open\""));
	CHECK(strstr(text, registry_lease(r)));
	checkin(r, "jobs/part.nc");
	WAIT_FOR(!is_recorded("jobs/part.nc"));
	registry_close(r);
}

static void another_owner_is_told_who_has_it(void)
{
	struct registry *a = open_registry(), *b = open_registry();
	struct wait w = wait_for_ms(DEADLINE_MS);

	CHECK_NUMBER(checkout(a, "p", "alice"), REGISTRY_RECORDED);
	CHECK_NUMBER(checkout_until(a, "p", "bob", &w, "alice"), REGISTRY_HELD);
	CHECK_NUMBER(checkout_until(b, "p", "bob", &w, "alice"), REGISTRY_HELD);
	/* the same person through another mount is another owner */
	CHECK_NUMBER(checkout_until(b, "p", "alice", &w, "alice"),
		     REGISTRY_HELD);
	/* and through the same one the same */
	CHECK_NUMBER(checkout(a, "p", "alice"), REGISTRY_RECORDED);
	checkin(a, "p");
	WAIT_FOR(!is_recorded("p"));
	CHECK_NUMBER(checkout(b, "p", "bob"), REGISTRY_RECORDED);
	registry_close(a);
	CHECK(is_recorded("p"));
	registry_close(b);
	CHECK(!is_recorded("p"));
}

static void two_seats_of_one_user_are_two_owners(void)
{
	struct registry *r = open_registry();
	_cleanup_conflict_ struct registry_conflict conflict = {};
	struct registry_claim claim = { .path = "p" };
	struct record want = record_of("alice");
	struct wait w = wait_for_ms(DEADLINE_MS);

	CHECK_NUMBER(checkout(r, "p", "alice"), REGISTRY_RECORDED);
	want.seat = (char *)"smbd-77";
	CHECK_NUMBER(registry_checkout(r, &claim, 1, &want, &w, &conflict),
		     REGISTRY_HELD);
	registry_close(r);
}

static void a_kept_record_of_the_owner_covers_him(void)
{
	struct registry *r;

	write_text("locks.json", "{\"mine\": {\"user\": \"alice\", \"host\": "
				 "\"cam-07\"},"
				 "\"python\": {\"user\": \"alice\", "
				 "\"message\": \"\"},"
				 "\"away\": {\"user\": \"alice\", \"host\": "
				 "\"cam-08\"},"
				 "\"bobs\": {\"user\": \"bob\"}}");
	r = open_registry();
	CHECK_NUMBER(checkout(r, "mine", "alice"), REGISTRY_KEPT);
	/* without a host it is the user's, wherever he is */
	CHECK_NUMBER(checkout(r, "python", "alice"), REGISTRY_KEPT);
	CHECK_NUMBER(checkout(r, "away", "alice"), REGISTRY_HELD);
	CHECK_NUMBER(checkout(r, "bobs", "alice"), REGISTRY_HELD);
	/* what was never taken is never given back */
	checkin(r, "mine");
	checkin(r, "python");
	registry_close(r);
	CHECK(is_recorded("mine") && is_recorded("python"));
}

static void an_entry_that_is_no_record_holds_nothing(void)
{
	struct registry *r;
	_cleanup_free_ char *text = NULL;

	write_text("locks.json", "{\"p\": 17, \"q\": {\"note\": NaN}}");
	r = open_registry();
	CHECK_NUMBER(checkout(r, "p", "alice"), REGISTRY_RECORDED);
	registry_close(r);
	text = read_text("locks.json");
	CHECK_STRING(text, "{\"q\": {\"note\": NaN}\n}");
}

static void close_leaves_an_empty_object_and_no_other_file(void)
{
	struct registry *r = open_registry();
	_cleanup_free_ char *text = NULL;

	for (int i = 0; i < 20; i++) {
		char path[16];

		snprintf(path, sizeof(path), "p%d", i);
		CHECK_NUMBER(checkout(r, path, "alice"), REGISTRY_RECORDED);
	}
	CHECK_NUMBER(count_files("leases", ""), 1);
	CHECK_NUMBER(count_files(".", ".spare-"), 1);
	registry_close(r);
	text = read_text("locks.json");
	CHECK_STRING(text, "{}");
	CHECK_NUMBER(count_files("leases", ""), 0);
	CHECK_NUMBER(count_files(".", ""), 3); /* with .lock and leases */
}

static void records_follow_their_folder(void)
{
	_cleanup_free_ char *at = NULL;
	struct registry *r = open_registry();
	struct wait w = wait_for_ms(DEADLINE_MS);
	struct owner alice = { "alice", "cam-07", "", registry_lease(r), NULL };

	CHECK_NUMBER(checkout(r, "jobs/a", "alice"), REGISTRY_RECORDED);
	CHECK_NUMBER(checkout(r, "jobs/sub/b", "alice"), REGISTRY_RECORDED);
	CHECK_NUMBER(checkout(r, "jobs2/c", "alice"), REGISTRY_RECORDED);
	CHECK_NUMBER(registry_move(r, "jobs", "done", false, &alice, &w, &at),
		     0);
	CHECK(!is_recorded("jobs/a") && is_recorded("done/a"));
	CHECK(!is_recorded("jobs/sub/b") && is_recorded("done/sub/b"));
	CHECK(is_recorded("jobs2/c"));
	CHECK_NUMBER(checkout(r, "done/a", "bob"), REGISTRY_HELD);
	checkin(r, "done/a");
	WAIT_FOR(!is_recorded("done/a"));
	registry_close(r);
}

static void records_follow_two_folders_that_change_places(void)
{
	_cleanup_free_ char *at = NULL;
	struct registry *r = open_registry();
	struct wait w = wait_for_ms(DEADLINE_MS);
	struct owner alice = { "alice", "cam-07", "", registry_lease(r), NULL };

	CHECK_NUMBER(checkout(r, "x/both", "alice"), REGISTRY_RECORDED);
	CHECK_NUMBER(checkout(r, "x/a", "alice"), REGISTRY_RECORDED);
	CHECK_NUMBER(checkout(r, "y/both", "alice"), REGISTRY_RECORDED);
	CHECK_NUMBER(checkout(r, "y/sub/b", "alice"), REGISTRY_RECORDED);
	CHECK_NUMBER(registry_move(r, "x", "y", true, &alice, &w, &at), 0);
	CHECK(is_recorded("x/both") && is_recorded("y/both"));
	CHECK(is_recorded("y/a") && !is_recorded("x/a"));
	CHECK(is_recorded("x/sub/b") && !is_recorded("y/sub/b"));
	CHECK_NUMBER(checkout(r, "y/a", "bob"), REGISTRY_HELD);
	registry_close(r);
	{
		_cleanup_free_ char *text = read_text("locks.json");

		CHECK_STRING(text, "{}");
	}
}

static void a_claim_on_a_folder_keeps_others_from_all_below(void)
{
	struct registry *r = open_registry();
	struct wait w = wait_for_ms(DEADLINE_MS);
	_cleanup_conflict_ struct registry_conflict conflict = {};
	struct registry_claim claims[] = { { .path = "free" },
					   { .path = "jobs", .tree = true } };
	struct record alice = record_of("alice");

	CHECK_NUMBER(checkout(r, "jobs/deep/a", "bob"), REGISTRY_RECORDED);
	CHECK_NUMBER(registry_checkout(r, claims, 2, &alice, &w, &conflict),
		     REGISTRY_HELD);
	CHECK_STRING(conflict.path, "jobs/deep/a");
	CHECK_STRING(conflict.holder.user, "bob");
	CHECK(!is_recorded("free")); /* all or nothing */
	checkin(r, "jobs/deep/a");
	registry_conflict_release(&conflict);
	CHECK_NUMBER(registry_checkout(r, claims, 2, &alice, &w, &conflict), 0);
	CHECK(is_recorded("free") && is_recorded("jobs"));
	CHECK_NUMBER(checkout(r, "jobs/deep/a", "bob"), REGISTRY_HELD);
	CHECK_NUMBER(checkout(r, "jobs2", "bob"), REGISTRY_RECORDED);
	registry_close(r);
}

static void a_check_takes_nothing(void)
{
	struct registry *r = open_registry();
	struct wait w = wait_for_ms(DEADLINE_MS);
	_cleanup_conflict_ struct registry_conflict conflict = {};
	struct owner bob = { "bob", "cam-07", "", registry_lease(r), NULL };

	CHECK_NUMBER(registry_check(r, "p", false, &bob, &w, &conflict), 0);
	CHECK_NUMBER(checkout(r, "p", "alice"), REGISTRY_RECORDED);
	CHECK_NUMBER(registry_check(r, "p", false, &bob, &w, &conflict),
		     REGISTRY_HELD);
	CHECK_STRING(conflict.holder.user, "alice");
	registry_close(r);
}

static void a_break_frees_the_path_and_says_whose_it_was(void)
{
	struct registry *r = open_registry();
	struct wait w = wait_for_ms(DEADLINE_MS);
	_cleanup_record_ struct record broken = {};
	const char *p = "p";

	CHECK_NUMBER(registry_break(r, &p, 1, &w, &broken), 0);
	CHECK(!broken.user);
	CHECK_NUMBER(checkout(r, "p", "alice"), REGISTRY_RECORDED);
	CHECK_NUMBER(registry_break(r, &p, 1, &w, &broken), 0);
	CHECK_STRING(broken.user, "alice");
	CHECK_NUMBER(checkout(r, "p", "bob"), REGISTRY_RECORDED);
	registry_close(r);
}

/* ---- never two ---- */

#define RIVALS 4
#define RIVAL_ROUNDS 300

/* Whoever was told yes adds himself; he must be alone. */
static atomic_int inside;

static void *compete(void *arg)
{
	struct registry *r = arg;
	static atomic_int next;
	char user[16];
	int won = 0;

	snprintf(user, sizeof(user), "user%d", atomic_fetch_add(&next, 1));
	while (won < RIVAL_ROUNDS) {
		int outcome = checkout(r, "p", user);

		CHECK(outcome == REGISTRY_RECORDED || outcome == REGISTRY_HELD);
		if (outcome == REGISTRY_HELD)
			continue;
		CHECK(atomic_fetch_add(&inside, 1) == 0);
		won++;
		CHECK(atomic_fetch_sub(&inside, 1) == 1);
		checkin(r, "p");
	}
	return NULL;
}

static void of_many_threads_on_two_mounts_one_is_told_yes(void)
{
	struct registry *r[2] = { open_registry(), open_registry() };
	pthread_t threads[RIVALS];

	for (int i = 0; i < RIVALS; i++)
		CHECK(!pthread_create(&threads[i], NULL, compete, r[i % 2]));
	for (int i = 0; i < RIVALS; i++)
		pthread_join(threads[i], NULL);
	registry_close(r[0]);
	registry_close(r[1]);
}

/* Holds `witness` by link(2), which only one can. */
static void compete_in_a_process(const char *user)
{
	struct registry *r = open_registry();
	int won = 0;

	while (won < RIVAL_ROUNDS) {
		if (checkout(r, "p", user) == REGISTRY_HELD)
			continue;
		CHECK(link("witness", "held") == 0);
		won++;
		CHECK(unlink("held") == 0);
		checkin(r, "p");
	}
	registry_close(r);
	_exit(0);
}

static void of_two_processes_one_is_told_yes(void)
{
	struct child a, b;

	write_text("witness", "");
	if (in_child(&a))
		compete_in_a_process("alice");
	if (in_child(&b))
		compete_in_a_process("bob");
	CHECK_NUMBER(end_child(&a), 0);
	CHECK_NUMBER(end_child(&b), 0);
}

/* ---- mounts that die ---- */

/* A mount that will take `p` and `q`, and be killed. It is forked before there
 * are threads. */
static struct child start_doomed(void)
{
	struct child c;

	if (in_child(&c)) {
		struct registry *r;

		hear(0, "go");
		r = open_registry();
		CHECK_NUMBER(checkout(r, "p", "alice"), REGISTRY_RECORDED);
		CHECK_NUMBER(checkout(r, "q", "alice"), REGISTRY_RECORDED);
		say(1, "taken");
		pause();
	}
	return c;
}

static void let_it_die(const struct child *c)
{
	say(c->to, "go");
	hear(c->from, "taken");
	kill(c->pid, SIGKILL);
	CHECK_NUMBER(end_child(c), 128 + SIGKILL);
	CHECK(is_recorded("p") && is_recorded("q"));
}

static void the_next_mount_reaps_what_a_dead_one_held(void)
{
	struct child doomed = start_doomed();
	struct registry *r;

	let_it_die(&doomed);
	r = open_registry();
	CHECK(!is_recorded("p") && !is_recorded("q"));
	CHECK_NUMBER(count_events(&heard, REGISTRY_REAPED), 2);
	CHECK_NUMBER(count_files("leases", ""), 1);
	CHECK(count_files(".", ".spare-") <= 1);
	registry_close(r);
}

static void a_conflicting_checkout_reaps_a_dead_mounts_record(void)
{
	struct child doomed = start_doomed();
	struct registry *r = open_registry();

	let_it_die(&doomed);
	CHECK_NUMBER(checkout(r, "p", "bob"), REGISTRY_RECORDED);
	CHECK_NUMBER(count_events(&heard, REGISTRY_REAPED), 1);
	CHECK(is_recorded("q")); /* in nobody's way */
	registry_close(r);
}

static void a_live_mounts_record_is_not_reaped(void)
{
	struct child c;
	struct registry *r;
	struct snapshot *s;
	_cleanup_record_ struct record rec = {};
	const char *text;
	size_t len;

	if (in_child(&c)) {
		r = open_registry();
		CHECK_NUMBER(checkout(r, "p", "alice"), REGISTRY_RECORDED);
		say(1, "taken");
		hear(0, "go");
		registry_close(r);
		_exit(0);
	}
	hear(c.from, "taken");
	r = open_registry();
	CHECK_NUMBER(checkout(r, "p", "bob"), REGISTRY_HELD);
	CHECK_NUMBER(registry_snapshot(r, &s), 0);
	text = snapshot_text(s, 0, &len);
	CHECK_NUMBER(record_parse(&rec, text, len), 0);
	CHECK(!registry_is_stale(r, &rec));
	say(c.to, "go");
	CHECK_NUMBER(end_child(&c), 0);
	CHECK(registry_is_stale(r, &rec));
	snapshot_release(s);
	registry_close(r);
}

/* ---- other programs ---- */

/* In one step: the keeper may look at any moment. */
static void replace_locks(const char *text)
{
	write_text("locks.new", text);
	CHECK(rename("locks.new", "locks.json") == 0);
}

static const char rewrite[] = "import sys, json, filelock\n"
			      "with filelock.FileLock('locks.json.lock'):\n"
			      "    open('locks.json', "
			      "'w').write(sys.argv[1])\n";

static void rewrite_by_python(const char *text)
{
	struct child c = start_python(rewrite, text);

	CHECK_NUMBER(end_child(&c), 0);
}

static void what_a_rewrite_lost_is_put_back(void)
{
	struct registry *r;

	need_filelock();
	r = open_registry();
	CHECK_NUMBER(checkout(r, "p", "alice"), REGISTRY_RECORDED);
	CHECK_NUMBER(checkout(r, "q", "alice"), REGISTRY_RECORDED);
	rewrite_by_python("{\"other\": {\"user\": \"bob\"}}");
	WAIT_FOR(count_events(&heard, REGISTRY_REASSERTED) == 2);
	CHECK(is_recorded("p") && is_recorded("q") && is_recorded("other"));
	registry_close(r);
	CHECK(!is_recorded("p") && is_recorded("other"));
}

static void what_was_given_back_is_not_put_back(void)
{
	struct registry *r = open_registry();

	CHECK_NUMBER(checkout(r, "p", "alice"), REGISTRY_RECORDED);
	CHECK_NUMBER(checkout(r, "q", "alice"), REGISTRY_RECORDED);
	checkin(r, "p");
	replace_locks("{}");
	WAIT_FOR(count_events(&heard, REGISTRY_REASSERTED) == 1);
	CHECK(!is_recorded("p") && is_recorded("q"));
	registry_close(r);
}

static void a_path_that_became_anothers_is_told_as_lost_once(void)
{
	struct registry *r = open_registry();
	_cleanup_free_ char *text = NULL;

	CHECK_NUMBER(checkout(r, "p", "alice"), REGISTRY_RECORDED);
	replace_locks("{\"p\": {\"user\": \"bob\"}}");
	WAIT_FOR(count_events(&heard, REGISTRY_LOST) == 1);
	CHECK_NUMBER(checkout(r, "q", "alice"), REGISTRY_RECORDED);
	replace_locks("{\"p\": {\"user\": \"bob\"} }");
	WAIT_FOR(is_recorded("q")); /* put back: so it was looked at */
	CHECK_NUMBER(count_events(&heard, REGISTRY_LOST), 1);
	checkin(r, "p");
	CHECK(is_recorded("p")); /* bob's */
	registry_close(r);
	text = read_text("locks.json");
	CHECK_STRING(text, "{\"p\": {\"user\": \"bob\"}\n}");
}

static const char hold[] = "import sys, filelock\n"
			   "with filelock.FileLock('locks.json.lock'):\n"
			   "    print('held', flush=True)\n"
			   "    sys.stdin.readline()\n";

static void a_checkin_does_not_wait_and_comes_before_later_checkouts(void)
{
	struct registry *r;
	struct child c;
	long long start;

	need_filelock();
	r = open_registry();
	CHECK_NUMBER(checkout(r, "p", "alice"), REGISTRY_RECORDED);
	c = start_python(hold, NULL);
	hear(c.from, "held");
	start = now_ms();
	checkin(r, "p");
	CHECK(now_ms() - start < 1000);
	CHECK(is_recorded("p"));
	say(c.to, "go on");
	CHECK_NUMBER(checkout(r, "p", "bob"), REGISTRY_RECORDED);
	checkin(r, "p");
	CHECK_NUMBER(end_child(&c), 0);
	registry_close(r);
}

static void a_late_checkin_is_made_good_by_nobodys_request(void)
{
	struct registry *r;
	struct child c;

	need_filelock();
	r = open_registry();
	CHECK_NUMBER(checkout(r, "p", "alice"), REGISTRY_RECORDED);
	c = start_python(hold, NULL);
	hear(c.from, "held");
	checkin(r, "p");
	WAIT_FOR(count_events(&heard, REGISTRY_STUCK) == 1);
	say(c.to, "go on");
	WAIT_FOR(!is_recorded("p"));
	CHECK_NUMBER(end_child(&c), 0);
	registry_close(r);
}

/* Four threads of a Python program each add and take away an entry of their
 * own, read-modify-write in one critical section. */
static const char writers[] =
	"import json, threading, filelock, sys\n"
	"lost = []\n"
	"def update(change):\n"
	"    with filelock.FileLock('locks.json.lock'):\n"
	"        entries = json.load(open('locks.json'))\n"
	"        change(entries)\n"
	"        json.dump(entries, open('locks.json', 'w'), indent=4)\n"
	"def work(n):\n"
	"    key = 'py%d' % n\n"
	"    for i in range(60):\n"
	"        update(lambda e: e.setdefault(key, {'user': key, 'n': []}))\n"
	"        update(lambda e: e[key]['n'].append(i))\n"
	"        if json.loads('[%d]' % i) != [i]: lost.append(i)\n"
	"threads = [threading.Thread(target=work, args=(n,)) for n in "
	"range(4)]\n"
	"for t in threads: t.start()\n"
	"for t in threads: t.join()\n"
	"entries = json.load(open('locks.json'))\n"
	"for n in range(4):\n"
	"    assert entries['py%d' % n]['n'] == list(range(60)), entries\n";

static atomic_bool done;

static void *take_and_give_back(void *arg)
{
	struct registry *r = arg;
	char path[32];
	int i = 0;

	snprintf(path, sizeof(path), "p%p", arg);
	while (!done || i < 50) {
		CHECK_NUMBER(checkout(r, path, "alice"), REGISTRY_RECORDED);
		CHECK(is_recorded(path) || !done);
		checkin(r, path);
		poll(NULL, 0, 1); /* lets those who poll the lock have it */
		i++;
	}
	return NULL;
}

static void no_update_is_lost_beside_python(void)
{
	struct registry *r[2];
	pthread_t threads[2];
	struct child c;

	need_filelock();
	replace_locks("{}");
	c = start_python(writers, NULL);
	for (int i = 0; i < 2; i++) {
		r[i] = open_registry();
		CHECK(!pthread_create(&threads[i], NULL, take_and_give_back,
				      r[i]));
	}
	CHECK_NUMBER(end_child(&c), 0);
	done = true;
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		registry_close(r[i]);
	}
	CHECK(is_recorded("py0") && is_recorded("py3"));
	CHECK_NUMBER(count_events(&heard, REGISTRY_REASSERTED), 0);
	CHECK_NUMBER(count_events(&heard, REGISTRY_LOST), 0);
	CHECK_NUMBER(count_events(&heard, REGISTRY_MENDED), 0);
}

/* ---- waiting, and failing ---- */

static int lock_by_hand(void)
{
	int fd = open("locks.json.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0666);

	CHECK(fd >= 0 && flock(fd, LOCK_EX) == 0);
	return fd;
}

static void without_the_file_lock_a_checkout_times_out(void)
{
	struct registry *r = open_registry();
	_cleanup_close_ int lock = lock_by_hand();
	struct wait w = wait_for_ms(30);

	CHECK_NUMBER(checkout_until(r, "p", "alice", &w, NULL), -ETIMEDOUT);
	flock(lock, LOCK_UN);
	CHECK(!is_recorded("p"));
	CHECK_NUMBER(checkout(r, "p", "bob"), REGISTRY_RECORDED);
	registry_close(r);
}

static bool is_set(void *flag)
{
	return atomic_load((atomic_bool *)flag);
}

struct waiter {
	struct registry *r;
	atomic_bool interrupted;
	int outcome;
};

static void *wait_for_it(void *arg)
{
	struct waiter *waiter = arg;
	struct wait w = wait_for_ms(DEADLINE_MS);

	w.interrupted = is_set;
	w.interrupted_arg = &waiter->interrupted;
	waiter->outcome = checkout_until(waiter->r, "p", "alice", &w, NULL);
	return NULL;
}

static void a_wait_can_be_interrupted_by_leader_and_follower(void)
{
	struct registry *r = open_registry();
	_cleanup_close_ int lock = lock_by_hand();
	struct waiter waiters[3] = { { .r = r }, { .r = r }, { .r = r } };
	pthread_t threads[3];

	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, wait_for_it, &waiters[i]);
	for (int i = 0; i < 3; i++) {
		waiters[i].interrupted = true;
		pthread_join(threads[i], NULL);
		CHECK_NUMBER(waiters[i].outcome, -EINTR);
	}
	flock(lock, LOCK_UN);
	CHECK_NUMBER(checkout(r, "q", "alice"), REGISTRY_RECORDED);
	CHECK(!is_recorded("p"));
	registry_close(r);
}

/* Files can't grow beyond this many bytes. */
static void limit_files(rlim_t size)
{
	struct rlimit limit = { size, RLIM_INFINITY };

	signal(SIGXFSZ, SIG_IGN);
	CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

static void a_checkout_that_can_not_be_written_leaves_nothing(void)
{
	struct registry *r = open_registry();
	_cleanup_free_ char *before = NULL, *after = NULL;

	CHECK_NUMBER(checkout(r, "p", "alice"), REGISTRY_RECORDED);
	before = read_text("locks.json");
	limit_files(100);
	CHECK_NUMBER(checkout(r, "q", "alice"), -EFBIG);
	CHECK_NUMBER(checkout(r, "p", "alice"), -EFBIG);
	after = read_text("locks.json");
	CHECK_STRING(after, before);
	CHECK_NUMBER(count_files(".", ".spare-"), 0);
	limit_files(RLIM_INFINITY);
	CHECK_NUMBER(checkout(r, "q", "bob"), REGISTRY_RECORDED);
	CHECK_NUMBER(checkout(r, "p", "bob"), REGISTRY_HELD);
	/* p is still held: it is put back */
	replace_locks("{}");
	WAIT_FOR(is_recorded("p") && is_recorded("q"));
	registry_close(r);
}

static void a_break_that_can_not_be_written_says_nothing(void)
{
	struct registry *r = open_registry();
	struct wait w = wait_for_ms(DEADLINE_MS);
	_cleanup_record_ struct record broken = {};
	const char *p = "p";

	CHECK_NUMBER(checkout(r, "p", "alice"), REGISTRY_RECORDED);
	CHECK_NUMBER(checkout(r, "q", "alice"), REGISTRY_RECORDED);
	limit_files(10);
	CHECK_NUMBER(registry_break(r, &p, 1, &w, &broken), -EFBIG);
	CHECK(!broken.user);
	limit_files(RLIM_INFINITY);
	CHECK_NUMBER(checkout(r, "p", "bob"), REGISTRY_HELD);
	registry_close(r);
}

static void what_could_not_be_put_back_is_put_back_later(void)
{
	struct registry *r = open_registry();
	_cleanup_free_ char *text = NULL;

	CHECK_NUMBER(checkout(r, "p", "alice"), REGISTRY_RECORDED);
	limit_files(100);
	replace_locks("{}");
	/* a checkin of nothing looks at the file, and tries in vain */
	for (int i = 0; i < 20; i++)
		checkin(r, "nothing");
	CHECK_NUMBER(count_events(&heard, REGISTRY_REASSERTED), 0);
	limit_files(RLIM_INFINITY);
	WAIT_FOR(is_recorded("p"));
	WAIT_FOR(count_events(&heard, REGISTRY_REASSERTED) == 1);
	registry_close(r);
}

static void a_checkin_that_can_not_be_written_is_made_good(void)
{
	struct registry *r = open_registry();

	CHECK_NUMBER(checkout(r, "p", "alice"), REGISTRY_RECORDED);
	CHECK_NUMBER(checkout(r, "q", "alice"), REGISTRY_RECORDED);
	limit_files(1);
	checkin(r, "p");
	WAIT_FOR(count_events(&heard, REGISTRY_STUCK) == 1);
	CHECK(is_recorded("p"));
	limit_files(RLIM_INFINITY);
	WAIT_FOR(!is_recorded("p"));
	CHECK(is_recorded("q"));
	registry_close(r);
}

static void a_damaged_file_is_mended_and_told(void)
{
	struct registry *r = open_registry();
	_cleanup_free_ char *text = NULL;

	CHECK_NUMBER(checkout(r, "p", "alice"), REGISTRY_RECORDED);
	replace_locks("{\"half\": {\"us");
	WAIT_FOR(count_events(&heard, REGISTRY_MENDED) == 1);
	CHECK(is_recorded("p"));
	text = read_text(heard.path);
	CHECK_STRING(text, "{\"half\": {\"us");
	registry_close(r);
}

static void open_fails_without_a_trace(void)
{
	struct registry_options o = options();
	struct registry *r = (struct registry *)&o;
	struct wait w = wait_for_ms(30);
	_cleanup_close_ int lock = lock_by_hand();

	CHECK_NUMBER(registry_open(&r, &o, &w), -ETIMEDOUT);
	CHECK(r == (struct registry *)&o);
	CHECK_NUMBER(count_files("leases", ""), 0);
	CHECK(!exists("locks.json"));
}

static void an_observer_sees_without_taking_part(void)
{
	struct registry_options o = options();
	struct wait w = wait_for_ms(DEADLINE_MS);
	struct registry *mount = open_registry(), *r = NULL;
	struct snapshot *s;

	CHECK_NUMBER(checkout(mount, "p", "alice"), REGISTRY_RECORDED);
	o.observer = true;
	CHECK_NUMBER(registry_open(&r, &o, &w), 0);
	CHECK_STRING(registry_lease(r), "");
	CHECK_NUMBER(registry_snapshot(r, &s), 0);
	CHECK_STRING(snapshot_path(s, 0), "p");
	snapshot_release(s);
	CHECK_NUMBER(count_files("leases", ""), 1);
	registry_close(r);
	registry_close(mount);
}

/* ---- many at once ---- */

#define CROWD 8

static void *take_many(void *arg)
{
	struct registry *r = arg;
	static atomic_int next;
	int n = atomic_fetch_add(&next, 1);

	for (int i = 0; i < 300; i++) {
		char path[32];

		snprintf(path, sizeof(path), "dir%d/%d", n, i % 7);
		CHECK_NUMBER(checkout(r, path, "alice"), REGISTRY_RECORDED);
		if (i % 50 == 0)
			CHECK(is_recorded(path));
		checkin(r, path);
	}
	return NULL;
}

static void many_threads_leave_nothing_behind(void)
{
	struct registry *r = open_registry();
	pthread_t threads[CROWD];
	_cleanup_free_ char *text = NULL;

	for (int i = 0; i < CROWD; i++)
		CHECK(!pthread_create(&threads[i], NULL, take_many, r));
	for (int i = 0; i < CROWD; i++)
		pthread_join(threads[i], NULL);
	registry_close(r);
	text = read_text("locks.json");
	CHECK_STRING(text, "{}");
	CHECK_NUMBER(count_events(&heard, REGISTRY_REASSERTED), 0);
}

int main(void)
{
	TEST(a_checkout_is_in_the_file_until_its_checkin);
	TEST(another_owner_is_told_who_has_it);
	TEST(two_seats_of_one_user_are_two_owners);
	TEST(a_kept_record_of_the_owner_covers_him);
	TEST(an_entry_that_is_no_record_holds_nothing);
	TEST(close_leaves_an_empty_object_and_no_other_file);
	TEST(records_follow_their_folder);
	TEST(records_follow_two_folders_that_change_places);
	TEST(a_claim_on_a_folder_keeps_others_from_all_below);
	TEST(a_check_takes_nothing);
	TEST(a_break_frees_the_path_and_says_whose_it_was);
	TEST(of_many_threads_on_two_mounts_one_is_told_yes);
	TEST(of_two_processes_one_is_told_yes);
	TEST(the_next_mount_reaps_what_a_dead_one_held);
	TEST(a_conflicting_checkout_reaps_a_dead_mounts_record);
	TEST(a_live_mounts_record_is_not_reaped);
	TEST(what_a_rewrite_lost_is_put_back);
	TEST(what_was_given_back_is_not_put_back);
	TEST(a_path_that_became_anothers_is_told_as_lost_once);
	TEST(a_checkin_does_not_wait_and_comes_before_later_checkouts);
	TEST(a_late_checkin_is_made_good_by_nobodys_request);
	TEST(no_update_is_lost_beside_python);
	TEST(without_the_file_lock_a_checkout_times_out);
	TEST(a_wait_can_be_interrupted_by_leader_and_follower);
	TEST(a_checkout_that_can_not_be_written_leaves_nothing);
	TEST(a_break_that_can_not_be_written_says_nothing);
	TEST(what_could_not_be_put_back_is_put_back_later);
	TEST(a_checkin_that_can_not_be_written_is_made_good);
	TEST(a_damaged_file_is_mended_and_told);
	TEST(open_fails_without_a_trace);
	TEST(an_observer_sees_without_taking_part);
	TEST(many_threads_leave_nothing_behind);
	return tests_done();
}
