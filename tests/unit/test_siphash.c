/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/siphash.h"

#include "tests/unit/check.h"

/* From the reference implementation's vectors: key and text count up from 0. */
static void known_vectors(void)
{
	static const uint64_t expected[] = {
		[0] = 0x726fdb47dd0e0e31,  [1] = 0x74f839c593dc67fd,
		[7] = 0xab0200f58b01d137,  [8] = 0x93f5f5799a932462,
		[15] = 0xa129ca6149be45e5,
	};
	static const size_t lengths[] = { 0, 1, 7, 8, 15 };
	uint8_t bytes[16];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++)
		CHECK(siphash(bytes, bytes, lengths[i]) ==
		      expected[lengths[i]]);
}

static void another_key_is_another_number(void)
{
	uint8_t one[SIPHASH_KEY_SIZE] = { 1 }, two[SIPHASH_KEY_SIZE] = { 2 };

	CHECK(siphash(one, "text", 4) == siphash(one, "text", 4));
	CHECK(siphash(one, "text", 4) != siphash(two, "text", 4));
}

int main(void)
{
	TEST(known_vectors);
	TEST(another_key_is_another_number);
	return tests_done();
}
