/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/machine.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/timestamp.h"
#include "fs/file.h"
#include "fs/verdict.h"

#define DEFAULT_NAME "milltask"

/* With slashes the whole path, else its last name. */
static bool is_named(const char *path, const char *name)
{
	const char *slash = strrchr(path, '/');

	return !strcmp(strchr(name, '/') || !slash ? path : slash + 1, name);
}

static const char *find_name(const struct mount_options *o, const char *path)
{
	for (size_t i = 0; i < o->n_machines; i++)
		if (is_named(path, o->machines[i]))
			return o->machines[i];
	return !o->n_machines && is_named(path, DEFAULT_NAME) ? DEFAULT_NAME
							      : NULL;
}

/* In a mount namespace of his own anybody can give any program any path: here
 * it must be the same file. */
static bool can_be_trusted(const char *exe, const char *path, const char *name)
{
	struct stat a, b;

	if (stat(exe, &a) < 0 || stat(path, &b) < 0 || a.st_dev != b.st_dev ||
	    a.st_ino != b.st_ino)
		return false;
	return strchr(name, '/') || ((a.st_uid == 0 || a.st_uid == geteuid()) &&
				     !(a.st_mode & (S_IWGRP | S_IWOTH)));
}

const char *machine_of(const struct camfs *fs, pid_t tid)
{
	char exe[32], path[PATH_MAX];
	const char *name;
	ssize_t n;

	snprintf(exe, sizeof(exe), "/proc/%d/exe", (int)tid);
	n = tid > 0 ? readlink(exe, path, sizeof(path) - 1) : -1;
	if (n < 0)
		return NULL;
	path[n] = '\0';
	name = find_name(fs->options, path);
	return name && can_be_trusted(exe, path, name) ? name : NULL;
}

int machine_check(const struct caller *who, struct inode *inode,
		  const char *path)
{
	char user[USER_NAME_SIZE], since[TIMESTAMP_SIZE], why[512],
		message[256];
	struct file_reader reader;
	static char running[] = "running";
	struct record holder = { .kind = running };

	if (!file_find_machine(who->fs, inode, who->process.pid, &reader))
		return 0;
	users_name(who->fs->users, reader.uid, user);
	timestamp_format(&reader.since, since);
	snprintf(message, sizeof(message), "being run by %s", reader.machine);
	snprintf(why, sizeof(why),
		 "being run by %s of %s (pid %d) since %s, and not to be "
		 "written in place: a program that saves by renaming may",
		 reader.machine, user, (int)reader.pid, since);
	holder.user = user;
	holder.host = (char *)who->fs->host;
	holder.app = (char *)reader.machine;
	holder.message = message;
	holder.timestamp = since;
	return verdict_refuse(who, path, &holder, why);
}
