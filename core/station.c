/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/station.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/json.h"
#include "core/process.h"

#define HOST_SIZE 256

/* The words of a station, as the JSON object names them. */
static const struct word {
	const char *name;
	size_t offset;
} words[] = {
	{ "host", offsetof(struct station, host) },
	{ "machine", offsetof(struct station, machine) },
	{ "boot", offsetof(struct station, boot) },
	{ "pid_space", offsetof(struct station, pid_space) },
	{ "pid", offsetof(struct station, pid) },
	{ "start", offsetof(struct station, start) },
};

#define N_WORDS (sizeof(words) / sizeof(*words))

static void set_word(char word[STATION_WORD_SIZE], const char *value)
{
	snprintf(word, STATION_WORD_SIZE, "%s", value);
}

static void read_word(const char *path, char word[STATION_WORD_SIZE])
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, word, STATION_WORD_SIZE - 1);

	word[n > 0 ? n : 0] = '\0';
	word[strcspn(word, "\n")] = '\0';
}

void station_here(struct station *ret_station, const char *host)
{
	struct station s = {};
	ssize_t n;

	set_word(s.host, host);
	read_word("/etc/machine-id", s.machine);
	read_word("/proc/sys/kernel/random/boot_id", s.boot);
	n = readlink("/proc/self/ns/pid", s.pid_space, STATION_WORD_SIZE - 1);
	s.pid_space[n > 0 ? n : 0] = '\0';
	snprintf(s.pid, sizeof(s.pid), "%d", (int)getpid());
	snprintf(s.start, sizeof(s.start), "%ju",
		 (uintmax_t)process_start_time(getpid()));
	*ret_station = s;
}

int station_format(const struct station *s, struct buffer *b)
{
	int r = buffer_append(b, "{", 1);

	for (size_t i = 0; r == 0 && i < N_WORDS; i++)
		r = json_append_field(b, words[i].name,
				      (char *)s + words[i].offset);
	return r < 0 ? r
		     : buffer_printf(b, ", \"silence_ms\": \"%u\"}\n",
				     s->silence_ms);
}

static void take_member(struct station *s, const struct json_member *m)
{
	_cleanup_free_ char *value = json_value_string(m->value, m->value_len);

	for (size_t i = 0; value && i < N_WORDS; i++)
		if (strlen(words[i].name) == m->key_len &&
		    !memcmp(words[i].name, m->key, m->key_len))
			set_word((char *)s + words[i].offset, value);
	if (value && m->key_len == strlen("silence_ms") &&
	    !memcmp(m->key, "silence_ms", m->key_len))
		s->silence_ms = (unsigned)strtoul(value, NULL, 10);
}

int station_parse(struct station *ret_station, const char *text, size_t len)
{
	struct station s = {};
	struct json_cursor c;
	struct json_member m;
	int r;

	*ret_station = s;
	if (len == 0)
		return 0;
	r = json_object_begin(&c, text, len);
	while (r >= 0 && (r = json_object_next(&c, &m)) > 0)
		take_member(&s, &m);
	if (r == 0)
		*ret_station = s;
	return r;
}

/* Of a host whose name is as long as that, the beginning must do. */
static bool is_this_machine(const struct station *s)
{
	char host[HOST_SIZE] = "", word[STATION_WORD_SIZE];

	gethostname(host, sizeof(host) - 1);
	if (!*s->host || strncmp(s->host, host, STATION_WORD_SIZE - 1) != 0)
		return false;
	read_word("/etc/machine-id", word);
	return !strcmp(s->machine, word);
}

bool station_is_gone(const struct station *s)
{
	struct station here;
	uint64_t start;
	pid_t pid;

	if (!is_this_machine(s))
		return false;
	station_here(&here, "");
	if (strcmp(s->boot, here.boot) != 0)
		return *s->boot && *here.boot;
	if (!*s->pid_space || strcmp(s->pid_space, here.pid_space) != 0)
		return false;
	pid = (pid_t)strtol(s->pid, NULL, 10);
	start = process_start_time(pid);
	if (!start) /* it may be there, and hidden from us */
		return pid > 0 && !process_exists(pid);
	return start != strtoull(s->start, NULL, 10);
}
