/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/stamp.h"

#include <string.h>

#define USER_MAX 200 /* of 255 that a name may have */

int stamp_append(struct buffer *b, const char *user)
{
	char now[TIMESTAMP_SIZE];
	int r;

	timestamp_now(now);
	now[strcspn(now, "+")] = '\0';
	r = buffer_printf(b, "%sZ-", now);
	for (size_t i = 0; r == 0 && user[i] && i < USER_MAX; i++)
		r = buffer_append(
			b, user[i] == '/' || user[i] == '\n' ? "_" : user + i,
			1);
	return r;
}

bool stamp_parse(const char *name, char ret_time[TIMESTAMP_SIZE],
		 const char **ret_user)
{
	const char *zone = strchr(name, 'Z');
	char time[TIMESTAMP_SIZE];
	struct timespec when;
	size_t len = zone ? (size_t)(zone + 1 - name) : 0;

	if (!zone || zone[1] != '-' || len >= sizeof(time))
		return false;
	memcpy(time, name, len);
	time[len] = '\0';
	if (timestamp_parse(time, &when) < 0)
		return false;
	timestamp_format(&when, ret_time);
	*ret_user = zone + 2;
	return true;
}
