/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/mount_args.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/place.h"
#include "core/cleanup.h"
#include "core/etcd_address.h"

#define SECONDS_MAX 86400.0
#define VERSIONS_MAX 10000

/* Those that libfuse hands to the kernel. */
static const char *const kernel_flags[] = {
	"ro",	  "rw",	  "suid",  "nosuid",  "dev",   "nodev",	  "exec",
	"noexec", "sync", "async", "dirsync", "atime", "noatime", "nodiratime",
};

/* For mount(8) and systemd, or without a meaning for a mount like ours. */
static const char *const dropped[] = {
	"defaults",	 "auto",     "noauto",	    "user",
	"nouser",	 "users",    "owner",	    "group",
	"nofail",	 "_netdev",  "allow_other", "default_permissions",
	"diratime",	 "relatime", "norelatime",  "strictatime",
	"nostrictatime", "lazytime", "nolazytime",  "silent",
	"loud",
};

static const char *const dropped_prefixes[] = { "x-", "X-", "comment=" };

#define LENGTH(a) (sizeof(a) / sizeof(*(a)))

static int out_of_memory(void)
{
	return fail(TROUBLE, "out of memory");
}

void mount_args_init(struct mount_args *a)
{
	*a = (struct mount_args){};
	mount_options_init(&a->options);
}

void mount_args_release(struct mount_args *a)
{
	free(a->share);
	free(a->mountpoint);
	free(a->locks);
	free(a->metrics);
	free(a->on_event);
	while (a->options.n_machines)
		free(a->options.machines[--a->options.n_machines]);
	free(a->options.machines);
	free(a->registry);
	documents_release(&a->options.documents);
	buffer_release(&a->flags);
}

/* ---- our own options ---- */

static int parse_seconds(const char *name, const char *value,
			 double *ret_seconds)
{
	char *end;
	double seconds = strtod(value, &end);

	/* the comparisons are false for NaN */
	if (end == value || *end || !(seconds >= 0 && seconds <= SECONDS_MAX))
		return fail(USAGE,
			    "%s: '%s' is no number of seconds: give one from 0 "
			    "to %.0f, such as 2.5",
			    name, value, SECONDS_MAX);
	*ret_seconds = seconds;
	return DONE;
}

static int parse_ms(const char *name, const char *value, unsigned *ret_ms)
{
	double seconds;
	int status = parse_seconds(name, value, &seconds);

	if (status == DONE)
		*ret_ms = (unsigned)(seconds * 1000 + 0.5);
	return status;
}

static int set_lock_timeout(struct mount_args *a, const char *value)
{
	return parse_ms("lock-timeout", value, &a->options.lock_timeout);
}

static int set_linger(struct mount_args *a, const char *value)
{
	return parse_ms("linger", value, &a->options.linger);
}

#define HOST_TIMEOUT_MIN 2000

static int set_host_timeout(struct mount_args *a, const char *value)
{
	int status = parse_ms("host-timeout", value, &a->options.host_timeout);

	if (status == DONE && a->options.host_timeout < HOST_TIMEOUT_MIN)
		return fail(USAGE,
			    "host-timeout: %s is too short for a share to "
			    "answer in: give %d seconds or more",
			    value, HOST_TIMEOUT_MIN / 1000);
	return status;
}

static int set_single_host(struct mount_args *a, const char *value)
{
	a->options.single_host = true;
	return DONE;
}

/* These two may be given again, for more patterns. */
static int add_scratch(struct mount_args *a, const char *value)
{
	return documents_add_scratch(&a->options.documents, value) < 0
		       ? out_of_memory()
		       : DONE;
}

static int add_documents(struct mount_args *a, const char *value)
{
	return documents_add_only(&a->options.documents, value) < 0
		       ? out_of_memory()
		       : DONE;
}

static int set_cache_seconds(struct mount_args *a, const char *value)
{
	return parse_seconds("cache-seconds", value, &a->options.cache_seconds);
}

/* A name, or a number. */
static int set_admin_group(struct mount_args *a, const char *value)
{
	struct group *group = getgrnam(value);
	char *end;
	unsigned long gid = strtoul(value, &end, 10);

	if (group)
		gid = group->gr_gid;
	else if (end == value || *end || gid >= (gid_t)-1)
		return fail(USAGE, "admin-group: there is no group '%s'",
			    value);
	a->options.admins = (gid_t)gid;
	return DONE;
}

static int set_locks(struct mount_args *a, const char *value)
{
	free(a->locks);
	a->locks = strdup(value);
	return a->locks ? DONE : out_of_memory();
}

static int set_registry(struct mount_args *a, const char *value)
{
	struct etcd_address address;
	int r = etcd_address_parse(&address, value);

	if (r == -EINVAL)
		return fail(USAGE,
			    "registry: '%s' is no address: write "
			    "etcd://HOST:PORT[,HOST:PORT...]/PREFIX, or etcds: "
			    "with TLS",
			    value);
	if (r < 0)
		return out_of_memory();
	etcd_address_release(&address);
	free(a->registry);
	a->registry = strdup(value);
	a->options.registry = a->registry;
	return a->registry ? DONE : out_of_memory();
}

static int set_busy_errno(struct mount_args *a, const char *value)
{
	static const struct {
		const char *name;
		int number;
	} errors[] = { { "EBUSY", EBUSY },   { "ETXTBSY", ETXTBSY },
		       { "EACCES", EACCES }, { "EAGAIN", EAGAIN },
		       { "EPERM", EPERM },   { "EROFS", EROFS } };

	for (size_t i = 0; i < LENGTH(errors); i++) {
		if (strcmp(errors[i].name, value) != 0)
			continue;
		a->options.busy_errno = errors[i].number;
		return DONE;
	}
	return fail(USAGE,
		    "busy-errno: '%s' is none of EBUSY, ETXTBSY, EACCES, "
		    "EAGAIN, EPERM and EROFS",
		    value);
}

static int set_on_event(struct mount_args *a, const char *value)
{
	free(a->on_event);
	a->on_event = strdup(value);
	a->options.on_event = a->on_event;
	return a->on_event ? DONE : out_of_memory();
}

static int set_metrics(struct mount_args *a, const char *value)
{
	free(a->metrics);
	a->metrics = strdup(value);
	return a->metrics ? DONE : out_of_memory();
}

static int set_stale_save(struct mount_args *a, const char *value)
{
	static const char *const words[] = { "refuse", "warn", "allow" };

	for (size_t i = 0; i < LENGTH(words); i++) {
		if (strcmp(words[i], value) != 0)
			continue;
		a->options.stale_save = i;
		return DONE;
	}
	return fail(USAGE,
		    "stale-save: '%s' is none of 'refuse', 'warn', 'allow'",
		    value);
}

static int set_read_only_hint(struct mount_args *a, const char *value)
{
	a->options.read_only_hint = true;
	return DONE;
}

static int set_owner_files(struct mount_args *a, const char *value)
{
	a->options.owner_files = true;
	return DONE;
}

static int add_machine(struct mount_args *a, const char *value)
{
	struct mount_options *o = &a->options;
	char **list =
		reallocarray(o->machines, o->n_machines + 1, sizeof(*list));

	if (!list)
		return out_of_memory();
	o->machines = list;
	list[o->n_machines] = strdup(value);
	return list[o->n_machines++] ? DONE : out_of_memory();
}

static int set_keep_versions(struct mount_args *a, const char *value)
{
	char *end;
	unsigned long n = strtoul(value, &end, 10);

	if (*value < '0' || *value > '9' || *end || n > VERSIONS_MAX)
		return fail(USAGE,
			    "keep-versions: '%s' is no number from 0 to %d",
			    value, VERSIONS_MAX);
	a->options.versions = (unsigned)n;
	return DONE;
}

/* 500K, 2G, ... */
static int parse_size(const char *name, const char *value, uint64_t *ret_bytes)
{
	static const char units[] = "KMGT";
	char *end;
	unsigned long n = strtoul(value, &end, 10);
	const char *unit = *end ? strchr(units, *end) : NULL;
	unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;

	if (*value < '0' || *value > '9' || (*end && (!unit || end[1])) ||
	    n > UINT64_MAX >> (shift + 1))
		return fail(USAGE,
			    "%s: '%s' is no size: give bytes, or a number with "
			    "K, M, G or T, such as 2G",
			    name, value);
	*ret_bytes = (uint64_t)n << shift;
	return DONE;
}

static int set_versions_space(struct mount_args *a, const char *value)
{
	int status =
		parse_size("versions-space", value, &a->options.versions_space);

	if (status == DONE && a->options.versions_space == 0)
		return fail(USAGE, "versions-space: 0 leaves room for none: "
				   "keep-versions=0 says so");
	return status;
}

static int set_versions_copy(struct mount_args *a, const char *value)
{
	return parse_size("versions-copy", value,
			  &a->options.versions_copy_max);
}

static int set_no_passthrough(struct mount_args *a, const char *value)
{
	a->options.passthrough = false;
	return DONE;
}

static int set_io_uring(struct mount_args *a, const char *value)
{
	if (!strcmp(value, "off"))
		a->options.io_uring = IO_URING_OFF;
	else if (!strcmp(value, "auto"))
		a->options.io_uring = IO_URING_AUTO;
	else if (!strcmp(value, "on"))
		a->options.io_uring = IO_URING_ON;
	else
		return fail(USAGE, "io-uring: '%s' is none of auto, on and off",
			    value);
	return DONE;
}

static const struct mount_option {
	const char *name;
	bool has_value;
	int (*set)(struct mount_args *a, const char *value);
} mount_options[] = {
	{ "locks", true, set_locks },
	{ "registry", true, set_registry },
	{ "lock-timeout", true, set_lock_timeout },
	{ "cache-seconds", true, set_cache_seconds },
	{ "host-timeout", true, set_host_timeout },
	{ "single-host", false, set_single_host },
	{ "linger", true, set_linger },
	{ "scratch", true, add_scratch },
	{ "documents", true, add_documents },
	{ "admin-group", true, set_admin_group },
	{ "busy-errno", true, set_busy_errno },
	{ "on-event", true, set_on_event },
	{ "metrics", true, set_metrics },
	{ "stale-save", true, set_stale_save },
	{ "read-only-hint", false, set_read_only_hint },
	{ "owner-files", false, set_owner_files },
	{ "machine-reader", true, add_machine },
	{ "keep-versions", true, set_keep_versions },
	{ "versions-space", true, set_versions_space },
	{ "versions-copy", true, set_versions_copy },
	{ "no-passthrough", false, set_no_passthrough },
	{ "io-uring", true, set_io_uring },
};

static const struct mount_option *find_option(const char *name)
{
	for (size_t i = 0; i < LENGTH(mount_options); i++)
		if (!strcmp(mount_options[i].name, name))
			return &mount_options[i];
	return NULL;
}

int mount_args_set(struct mount_args *a, const char *name, const char *value)
{
	const struct mount_option *o = find_option(name);

	if (!o)
		return fail(USAGE, "there is no mount option '%s'", name);
	if (o->has_value && (!value || !*value))
		return fail(USAGE,
			    "mount option '%s' wants a value: write '%s=...'",
			    name, name);
	if (!o->has_value && value)
		return fail(USAGE, "mount option '%s' takes no value", name);
	return o->set(a, value);
}

/* ---- what stands behind -o ---- */

static bool is_in(const char *word, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(word, list[i]))
			return true;
	return false;
}

static bool is_dropped(const char *word)
{
	for (size_t i = 0; i < LENGTH(dropped_prefixes); i++)
		if (!strncmp(word, dropped_prefixes[i],
			     strlen(dropped_prefixes[i])))
			return true;
	return is_in(word, dropped, LENGTH(dropped));
}

bool mount_args_knows(const char *word)
{
	_cleanup_free_ char *name = strndup(word, strcspn(word, "="));

	return !name || !*name || is_dropped(word) || find_option(name) ||
	       is_in(word, kernel_flags, LENGTH(kernel_flags));
}

static int add_flag(struct mount_args *a, const char *flag)
{
	if ((a->flags.len > 0 && buffer_append(&a->flags, ",", 1) < 0) ||
	    buffer_append_string(&a->flags, flag) < 0)
		return out_of_memory();
	a->options.mount_flags = a->flags.data;
	return DONE;
}

static int add_word(struct mount_args *a, char *word)
{
	char *equals = strchr(word, '=');

	if (!*word || is_dropped(word))
		return DONE;
	if (is_in(word, kernel_flags, LENGTH(kernel_flags)))
		return add_flag(a, word);
	if (equals)
		*equals = '\0';
	if (a->sloppy && !find_option(word))
		return DONE;
	return mount_args_set(a, word, equals ? equals + 1 : NULL);
}

/* Copies up to an unescaped comma; returns where the next word begins. */
static const char *cut_word(const char *list, char *word)
{
	for (; *list && *list != ','; list++) {
		if (list[0] == '\\' && (list[1] == ',' || list[1] == '\\'))
			list++;
		*word++ = *list;
	}
	*word = '\0';
	return *list ? list + 1 : list;
}

int mount_args_add(struct mount_args *a, const char *list)
{
	_cleanup_free_ char *word = malloc(strlen(list) + 1);
	int status = word ? DONE : out_of_memory();

	while (status == DONE && *list) {
		list = cut_word(list, word);
		status = add_word(a, word);
	}
	return status;
}

/* ---- where it all is ---- */

static int resolve(const char *what, const char *path, char **ret_path)
{
	char *real = path_resolve(path);

	if (!real)
		return fail(REFUSED, "cannot use the %s '%s': %s", what, path,
			    reason(errno));
	*ret_path = real;
	return DONE;
}

int mount_args_resolve(struct mount_args *a)
{
	_cleanup_free_ char *locks = a->locks, *metrics = a->metrics;
	int status = resolve("share", a->options.share, &a->share);

	a->locks = a->metrics = NULL;
	if (status == DONE)
		status = resolve("mountpoint", a->options.mountpoint,
				 &a->mountpoint);
	if (status == DONE && locks)
		status = resolve("file of --locks", locks, &a->locks);
	if (status == DONE && metrics)
		status = resolve("file of --metrics", metrics, &a->metrics);
	a->options.share = a->share;
	a->options.mountpoint = a->mountpoint;
	a->options.locks = a->locks;
	a->options.metrics = a->metrics;
	return status;
}
