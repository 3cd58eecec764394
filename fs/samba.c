/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/samba.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buffer.h"
#include "core/cleanup.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/wait.h"
#include "fs/command.h"

#define ASK_MS 5000 /* it takes 40 ms, but on a busy machine */
#define ASKED_MAX 3
#define SAID_MAX (16 << 20)
#define CMDLINE_SIZE 4096
#define KNOWN_MAX 4096 /* then those that are gone are forgotten */

struct smbd {
	struct hash_node node;
	pid_t pid;
	uint64_t start;
	uid_t uid; /* last seen that is not root */
	unsigned int asked;
	char client[SAMBA_CLIENT_SIZE];
};

struct samba {
	pthread_mutex_t mutex; /* a leaf */
	struct hash known;     /* under mutex, and what is in it */
};

int samba_open(struct samba **ret_samba)
{
	struct samba *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	pthread_mutex_init(&s->mutex, NULL);
	*ret_samba = s;
	return 0;
}

static void drop(struct hash_node *n)
{
	free(container_of(n, struct smbd, node));
}

void samba_free(struct samba *s)
{
	if (!s)
		return;
	hash_clear(&s->known, drop);
	pthread_mutex_destroy(&s->mutex);
	free(s);
}

bool samba_is_smbd(const struct process *process)
{
	const char *name = process->name;

	return !strncmp(name, "smbd", 4) &&
	       (!name[4] || name[4] == '[' || name[4] == ':');
}

/* ---- who is it, and at which machine? ---- */

/* Whether only root can have written it: smbstatus will do what it says as
 * root, write to the files it names, too. */
static bool is_roots(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && !S_ISLNK(st.st_mode) &&
	       st.st_uid == 0 && !(st.st_mode & (S_IWGRP | S_IWOTH));
}

/* A file of that name, in folders that are all root's. */
static bool is_trusted(const char *config)
{
	_cleanup_free_ char *path = strdup(config);
	char *slash;

	if (!path || !is_roots(path))
		return false;
	while ((slash = strrchr(path, '/')) && slash > path) {
		struct stat st;

		*slash = '\0';
		/* in a sticky one nobody can put another in its place */
		if (!is_roots(path) &&
		    !(lstat(path, &st) == 0 && S_ISDIR(st.st_mode) &&
		      st.st_uid == 0 && (st.st_mode & S_ISVTX)))
			return false;
	}
	return true;
}

/* The configuration an smbd was started with, which smbstatus must read, too.
 * Its command line is what it says of itself. */
static void find_config(pid_t pid, char cmdline[CMDLINE_SIZE],
			const char **ret_config)
{
	char path[64];
	_cleanup_close_ int fd = -1;
	ssize_t n = -1;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		n = read(fd, cmdline, CMDLINE_SIZE - 2);
	n = n > 0 ? n : 0;
	memset(cmdline + n, 0, 2);
	for (char *arg = cmdline; arg < cmdline + n; arg += strlen(arg) + 1) {
		static const char longer[] = "--configfile=";

		if (!strcmp(arg, "-s") || !strcmp(arg, "--configfile"))
			*ret_config = arg + strlen(arg) + 1;
		else if (!strncmp(arg, "-s", 2))
			*ret_config = arg + 2;
		else if (!strncmp(arg, longer, strlen(longer)))
			*ret_config = arg + strlen(longer);
	}
}

static uint64_t ask_until(void *arg)
{
	return *(const uint64_t *)arg;
}

/* All that smbstatus says of who is connected. Not of files: for those it would
 * wait for smbd, which may be waiting for us. */
static int ask(pid_t pid, struct buffer *ret_said)
{
	char cmdline[CMDLINE_SIZE];
	const char *config = NULL;
	const char *argv[] = { "smbstatus", "--json", "-p", NULL, NULL, NULL };
	_cleanup_close_ int out = memfd_create("smbstatus", MFD_CLOEXEC);
	uint64_t until = clock_now() + ASK_MS * NSEC_PER_MSEC;
	struct command c = { .argv = argv,
			     .in = -1,
			     .out = out,
			     .err = -1,
			     .deadline = ask_until,
			     .arg = &until };
	struct stat st;

	find_config(pid, cmdline, &config);
	/* a relative one is relative to where smbd was started */
	if (config && *config == '/') {
		if (!is_trusted(config))
			return -EPERM;
		argv[3] = "-s";
		argv[4] = config;
	}
	if (out < 0 || command_run(&c) != 0 || fstat(out, &st) < 0 ||
	    st.st_size > SAID_MAX)
		return -EIO;
	return buffer_read_file(ret_said, out);
}

static bool find_member(const struct json_member *object, const char *name,
			struct json_member *ret_member)
{
	struct json_cursor c;

	if (json_object_begin(&c, object->value, object->value_len) < 0)
		return false;
	while (json_object_next(&c, ret_member) > 0)
		if (ret_member->key_len == strlen(name) &&
		    !memcmp(ret_member->key, name, ret_member->key_len))
			return true;
	return false;
}

static bool is_of(const struct json_member *session, pid_t pid)
{
	struct json_member server, number;
	_cleanup_free_ char *text = NULL;

	if (!find_member(session, "server_id", &server) ||
	    !find_member(&server, "pid", &number))
		return false;
	text = json_value_string(number.value, number.value_len);
	return text && strtol(text, NULL, 10) == pid;
}

static void read_session(const struct json_member *session,
			 struct samba_seat *seat)
{
	_cleanup_free_ char *machine = NULL;
	struct json_member m;

	if (find_member(session, "remote_machine", &m))
		machine = json_value_string(m.value, m.value_len);
	if (machine)
		snprintf(seat->client, SAMBA_CLIENT_SIZE, "%s", machine);
	/* a number, and what ends it follows */
	if (seat->uid == 0 && find_member(session, "uid", &m))
		seat->uid = (uid_t)strtoul(m.value, NULL, 10);
}

/* {"sessions": {ID: {"server_id": {"pid": "4711"}, "uid": 1000,
 *	"remote_machine": ...}}} */
static void find_session(const struct buffer *said, pid_t pid,
			 struct samba_seat *seat)
{
	struct json_member whole = { .value = said->data,
				     .value_len = said->len };
	struct json_member sessions, session;
	struct json_cursor c;

	if (!find_member(&whole, "sessions", &sessions) ||
	    json_object_begin(&c, sessions.value, sessions.value_len) < 0)
		return;
	while (json_object_next(&c, &session) > 0)
		if (is_of(&session, pid)) {
			read_session(&session, seat);
			return;
		}
}

static void look_it_up(pid_t pid, struct samba_seat *seat)
{
	_cleanup_buffer_ struct buffer said = {};

	/* Root starts smbd, and nobody else can make us ask about him. It may
	 * be acting for a user just now, by its real id, too. */
	if (geteuid() == 0 && process_saved_user(pid) == 0 &&
	    ask(pid, &said) == 0)
		find_session(&said, pid, seat);
}

/* ---- those that are known ---- */

static struct smbd *find(struct samba *s, pid_t pid)
{
	for (struct hash_node *n = hash_first(&s->known, hash_number(pid)); n;
	     n = hash_next(n)) {
		struct smbd *d = container_of(n, struct smbd, node);

		if (d->pid == pid)
			return d;
	}
	return NULL;
}

/* Under the mutex: the process, if all is known of it that can be; a new one
 * with that id takes the old one's place. */
static bool find_known(struct samba *s, pid_t pid, uint64_t start, uid_t uid,
		       struct samba_seat *ret_seat)
{
	struct smbd *d = find(s, pid);

	if (!d || d->start != start)
		return false;
	if (uid != 0)
		d->uid = uid;
	ret_seat->uid = d->uid;
	strcpy(ret_seat->client, d->client);
	return d->client[0] || d->asked >= ASKED_MAX;
}

static void remember(struct samba *s, pid_t pid, uint64_t start,
		     const struct samba_seat *seat)
{
	struct smbd *d = find(s, pid);

	if (!d) {
		if (s->known.count >= KNOWN_MAX)
			hash_clear(&s->known, drop);
		d = calloc(1, sizeof(*d));
		if (!d)
			return;
		d->pid = pid;
		if (hash_insert(&s->known, &d->node, hash_number(pid)) < 0) {
			free(d);
			return;
		}
	}
	d->asked = d->start == start ? d->asked + 1 : 1;
	d->start = start;
	d->uid = seat->uid;
	strcpy(d->client, seat->client);
}

bool samba_find(struct samba *s, const struct process *process, uid_t uid,
		struct samba_seat *ret_seat)
{
	struct samba_seat seat = { .uid = uid };
	uint64_t start;
	bool known;

	if (!samba_is_smbd(process))
		return false;
	start = process_start_time(process->pid);
	snprintf(seat.id, sizeof(seat.id), "%d-%llu", (int)process->pid,
		 (unsigned long long)start);
	pthread_mutex_lock(&s->mutex);
	known = find_known(s, process->pid, start, uid, &seat);
	pthread_mutex_unlock(&s->mutex);
	if (!known) {
		look_it_up(process->pid, &seat);
		LOCK_SCOPE(&s->mutex);
		remember(s, process->pid, start, &seat);
	}
	*ret_seat = seat;
	return true;
}
