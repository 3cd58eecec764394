/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "core/cleanup.h"
#include "core/deadmount.h"
#include "fs/ring.h"

#define ANSWER_MS 5000
#define FUSE_CONF "/etc/fuse.conf"
#define PASSTHROUGH_MAJOR 6
#define PASSTHROUGH_MINOR 9

bool doctor_has_option(const char *options, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = options; at; at = strchr(at, ',')) {
		at += *at == ',';
		if (!strncmp(at, word, len) &&
		    (word[len - 1] == '=' || !at[len] || at[len] == ','))
			return true;
	}
	return false;
}

/* ---- whether it answers ---- */

/* In a process of its own, which may hang. Returns 0 or an errno. */
static int ask(const char *point)
{
	_cleanup_free_ char *path = NULL;
	int pidfd, status = 0;
	struct pollfd p;
	pid_t pid;

	if (asprintf(&path, "%s/.locks/.camlock", point) < 0) {
		path = NULL;
		return ENOMEM;
	}
	pid = fork();
	if (pid < 0)
		return errno;
	if (pid == 0) {
		/* if it can't be killed, it must keep nobody's pipe open */
		close_range(0, ~0U, 0);
		_exit(open(path, O_RDONLY | O_DIRECTORY) < 0 ? errno : 0);
	}
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	p = (struct pollfd){ .fd = pidfd, .events = POLLIN };
	if (pidfd >= 0 && poll(&p, 1, ANSWER_MS) == 0) {
		kill(pid, SIGKILL);
		close(pidfd);
		return ETIMEDOUT; /* it may not even be killed */
	}
	if (pidfd >= 0)
		close(pidfd);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
}

bool doctor_mount_answers(struct doctor *d)
{
	int error = ask(d->mount->point);

	if (error == 0)
		find(&d->found, LEVEL_OK, "mount", NULL,
		     "the mount '%s' answers", d->mount->point);
	else if (deadmount_says(error))
		find(&d->found, LEVEL_PROBLEM, "mount",
		     "run 'camlock umount --lazy MOUNTPOINT', then mount it "
		     "again",
		     "the mount '%s' is dead: its camlock is gone",
		     d->mount->point);
	else if (error == ETIMEDOUT)
		find(&d->found, LEVEL_PROBLEM, "mount",
		     "see the system's log, and whether the disk or server "
		     "behind the share hangs",
		     "the mount '%s' did not answer for %d seconds",
		     d->mount->point, ANSWER_MS / 1000);
	else
		find(&d->found, LEVEL_PROBLEM, "mount",
		     "run this as the user who mounted it, or let root mount",
		     "the mount '%s' can't be looked into: %s", d->mount->point,
		     reason(error));
	return error == 0;
}

/* ---- how it is mounted ---- */

static bool is_roots(const struct doctor *d)
{
	return doctor_has_option(d->mount->options, "user_id=0");
}

static void check_options(struct doctor *d)
{
	const char *options = d->mount->options;

	if (!doctor_has_option(options, "default_permissions"))
		find(&d->found, LEVEL_PROBLEM, "permissions",
		     "unmount it, and mount it with 'camlock mount'",
		     "the mount lacks 'default_permissions': nobody checks who "
		     "may read or write what");
	if (!doctor_has_option(options, "allow_other"))
		find(&d->found, LEVEL_WARNING, "allow-other",
		     "let root mount it, if it is for several people",
		     "only the user who mounted it can use the mount "
		     "('allow_other' is not set)");
}

static void check_passthrough(struct doctor *d)
{
	unsigned major = 0, minor = 0;
	struct utsname name;
	bool kernel_can;

	if (uname(&name) < 0 ||
	    sscanf(name.release, "%u.%u", &major, &minor) != 2)
		return;
	kernel_can = major > PASSTHROUGH_MAJOR ||
		     (major == PASSTHROUGH_MAJOR && minor >= PASSTHROUGH_MINOR);
	if (kernel_can && is_roots(d))
		return;
	find(&d->found, LEVEL_NOTE, "passthrough",
	     kernel_can ? "let root mount it, if big files are to be fast"
			: "use Linux 6.9 or later, if big files are to be fast",
	     "no kernel passthrough (%s): reads and writes go through "
	     "camlock, small ones at a small part of the disk's speed",
	     kernel_can ? "it takes root" : "Linux is too old");
}

/* What most kernels don't offer is nothing that is wrong. */
static void check_io_uring(struct doctor *d)
{
	const char *why = ring_why_not();

	if (why)
		find(&d->found, LEVEL_OK, "io-uring", NULL,
		     "requests can't come over io_uring, which is faster: %s",
		     why);
	else
		find(&d->found, LEVEL_OK, "io-uring", NULL,
		     "the kernel offers requests over io_uring");
}

/* ---- ways around it ---- */

/* Whether everybody can get into the folder. */
static bool is_open_to_all(const char *folder)
{
	_cleanup_free_ char *path = strdup(folder);

	while (path && *path) {
		char *slash = strrchr(path, '/');
		struct stat st;

		if (stat(path, &st) < 0 || !(st.st_mode & S_IXOTH))
			return false;
		*slash = '\0';
	}
	return path;
}

static void check_raw_share(struct doctor *d)
{
	const struct mount_info *m;

	if (!d->share) {
		find(&d->found, LEVEL_OK, "way-around", NULL,
		     "the mount covers its share: there is no way around it "
		     "on this host");
		return;
	}
	m = mounts_find(&d->mounts, d->share);
	if ((m && m->is_camlock) || !is_open_to_all(d->share))
		find(&d->found, LEVEL_OK, "way-around", NULL,
		     "not everybody can reach the share itself, '%s'",
		     d->share);
	else
		find(&d->found, LEVEL_WARNING, "way-around",
		     "mount it over itself ('camlock mount SHARE SHARE'), or "
		     "take the right to search from others in a folder above",
		     "everybody can reach the share itself, '%s', and write "
		     "there around the checkouts",
		     d->share);
}

static void check_twice(struct doctor *d)
{
	size_t n = mounts_count(&d->mounts, d->mount->source);

	if (n > 1)
		find(&d->found, LEVEL_NOTE, "mounted-twice",
		     "unmount those that nobody needs",
		     "the share is mounted %zu times on this host: the same "
		     "person through two mounts is two owners",
		     n);
}

static bool has_line(const char *file, const char *wanted)
{
	FILE *f = fopen(file, "re");
	char line[256];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f)) {
		const char *at = line + strspn(line, " \t");
		size_t len = strcspn(at, " \t\n#");

		found = len == strlen(wanted) && !strncmp(at, wanted, len);
	}
	if (f)
		fclose(f);
	return found;
}

void doctor_check_fuse_conf(struct doctor *d)
{
	if (geteuid() != 0 && !has_line(FUSE_CONF, "user_allow_other"))
		find(&d->found, LEVEL_NOTE, "fuse-conf",
		     "let root mount it, if it is for several people",
		     "a mount of yours would be for you alone "
		     "('user_allow_other' is not set in '" FUSE_CONF "')");
}

void doctor_check_mount(struct doctor *d)
{
	check_options(d);
	check_passthrough(d);
	check_io_uring(d);
	check_raw_share(d);
	check_twice(d);
}
