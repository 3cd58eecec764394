/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any text for a record. What is accepted and written anew must say the same,
 * and be one member's value of an object. */
#include "core/record.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(cond)            \
	do {                     \
		if (!(cond))     \
			abort(); \
	} while (0)

static void check_is_a_value(const struct buffer *text)
{
	struct buffer whole = {};
	struct json_cursor c;
	struct json_member m;

	REQUIRE(buffer_printf(&whole, "{\"k\": %s}", text->data) == 0);
	REQUIRE(json_object_begin(&c, whole.data, whole.len) == 0);
	REQUIRE(json_object_next(&c, &m) == 1 && m.value_len == text->len);
	REQUIRE(json_object_next(&c, &m) == 0);
	buffer_release(&whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct record r = {}, again = {};
	struct buffer text = {}, twice = {};

	/* on the heap and to the byte, for the sanitizer to watch */
	if (record_parse(&r, (const char *)data, size) < 0) {
		REQUIRE(!r.user);
		return 0;
	}
	REQUIRE(record_format(&r, &text) == 0);
	check_is_a_value(&text);
	REQUIRE(record_parse(&again, text.data, text.len) == 0);
	REQUIRE(record_format(&again, &twice) == 0);
	REQUIRE(!strcmp(text.data, twice.data));
	REQUIRE(!strcmp(r.user, again.user));
	REQUIRE(record_is_open(&r) == record_is_open(&again));
	record_release(&r);
	record_release(&again);
	buffer_release(&text);
	buffer_release(&twice);
	return 0;
}
