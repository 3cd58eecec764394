/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/witness.h"

#include "core/wait.h"
#include "tests/unit/check.h"

#define SILENCE_MS 200

static const char elsewhere[] = "{\"host\": \"cam-99\", \"machine\": \"x\", "
				"\"boot\": \"y\", "
				"\"pid\": \"1\", \"start\": \"1\", "
				"\"silence_ms\": \"200\"}\n";

static void sleep_ms(uint64_t ms)
{
	struct wait w = wait_for_ms(ms);

	while (wait_sleep(&w, ms * NSEC_PER_MSEC) == 0)
		;
}

static void who_beats_is_not_given_up(void)
{
	struct witness w;

	write_text("cam-99-1", elsewhere);
	witness_init(&w, open_folder("."), 0);
	for (int i = 1; i < 6; i++) {
		char beat[8];

		snprintf(beat, sizeof(beat), "%d\n", i);
		write_text(".cam-99-1", beat);
		CHECK_NUMBER(witness_judge(&w, "cam-99-1", 0), LEASE_LIVE);
		sleep_ms(SILENCE_MS / 2);
	}
	witness_release(&w);
}

static void who_is_silent_is_given_up_in_time(void)
{
	uint64_t start = clock_awake();
	struct witness w;
	int r;

	write_text("cam-99-1", elsewhere);
	write_text(".cam-99-1", "7\n");
	witness_init(&w, open_folder("."), 0);
	while ((r = witness_judge(&w, "cam-99-1", 0)) == LEASE_LIVE)
		sleep_ms(5);
	CHECK_NUMBER(r, LEASE_GIVEN_UP);
	CHECK(clock_awake() - start >= SILENCE_MS * NSEC_PER_MSEC);
	/* nobody is given up by who could not hear him */
	CHECK_NUMBER(witness_judge(&w, "cam-99-1", clock_awake()), LEASE_LIVE);
	write_text(".cam-99-1", "8\n");
	CHECK_NUMBER(witness_judge(&w, "cam-99-1", 0), LEASE_LIVE);
	witness_release(&w);
}

static void who_is_locked_is_never_given_up(void)
{
	int dir = open_folder(".");
	struct witness w;
	struct lease l;

	CHECK_NUMBER(lease_open(&l, dir, "cam-99", 1), 0);
	witness_init(&w, dir, 0);
	for (int i = 0; i < 3; i++) {
		CHECK_NUMBER(witness_judge(&w, l.id, 0), LEASE_LIVE);
		sleep_ms(5);
	}
	lease_close(&l);
	witness_release(&w);
}

static void who_is_not_to_beat_is_gone(void)
{
	struct witness w;

	write_text("cam-99-1", "");
	witness_init(&w, open_folder("."), 0);
	CHECK_NUMBER(witness_judge(&w, "cam-99-1", 0), LEASE_STALE);
	CHECK_NUMBER(witness_judge(&w, "../x", 0), -EINVAL);
	witness_release(&w);
}

static void who_beats_without_a_lock_shows_that_locks_are_not_seen(void)
{
	struct witness w;

	write_text("cam-99-1", elsewhere);
	witness_init(&w, open_folder("."), 0);
	for (int i = 1; i < 6; i++) {
		char beat[8];

		CHECK(!w.blind || i > 3);
		snprintf(beat, sizeof(beat), "%d\n", i);
		write_text(".cam-99-1", beat);
		witness_look(&w, "cam-01-1");
	}
	CHECK(w.blind);
	witness_release(&w);
}

int main(void)
{
	TEST(who_beats_is_not_given_up);
	TEST(who_is_silent_is_given_up_in_time);
	TEST(who_is_locked_is_never_given_up);
	TEST(who_is_not_to_beat_is_gone);
	TEST(who_beats_without_a_lock_shows_that_locks_are_not_seen);
	return tests_done();
}
