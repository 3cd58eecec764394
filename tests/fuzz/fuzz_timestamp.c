/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any text for a timestamp. What is accepted and lies in the years that can be
 * written must come back the same. */
#include "core/timestamp.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size);
	struct timespec when = { .tv_nsec = -1 }, again;
	char written[TIMESTAMP_SIZE];

	if (!text)
		return 0;
	if (timestamp_parse(text, &when) < 0) {
		if (when.tv_sec != 0 || when.tv_nsec != -1)
			abort();
	} else if (when.tv_sec >= -62167219200 && when.tv_sec <= 253402300799) {
		timestamp_format(&when, written);
		if (timestamp_parse(written, &again) < 0 ||
		    again.tv_sec != when.tv_sec ||
		    again.tv_nsec != when.tv_nsec / 1000 * 1000)
			abort();
	}
	free(text);
	return 0;
}
