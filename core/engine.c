/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/engine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/cleanup.h"
#include "core/etcd_address.h"
#include "core/registry.h"
#include "core/statefile.h"

#define LEASES_DIR "leases"

/* ---- the share's own word on where its records are ---- */

int engine_read_address(int state_dir, struct buffer *ret_address)
{
	struct stat st;
	int r = statefile_read(state_dir, ENGINE_ADDRESS_NAME, ret_address,
			       &st);

	if (r < 0)
		return r == -ENOENT || r == -ENOTDIR || r == -EBADF ? 0 : r;
	if (buffer_append(ret_address, "", 0) < 0)
		return -ENOMEM;
	ret_address->len = strcspn(ret_address->data, "\n");
	ret_address->data[ret_address->len] = '\0';
	return etcd_address_is(ret_address->data) ? 1 : -EINVAL;
}

int engine_write_address(int state_dir, const char *address)
{
	_cleanup_close_ int fd = -1;
	_cleanup_buffer_ struct buffer line = {};
	int r = buffer_printf(&line, "%s\n", address);

	if (r < 0)
		return r;
	fd = openat(state_dir, ENGINE_ADDRESS_NAME,
		    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return -errno;
	if (write(fd, line.data, line.len) == (ssize_t)line.len &&
	    fsync(fd) == 0 && fsync(state_dir) == 0)
		return 0;
	r = errno ? -errno : -EIO;
	unlinkat(state_dir, ENGINE_ADDRESS_NAME, 0);
	return r;
}

int engine_remove_address(int state_dir)
{
	return unlinkat(state_dir, ENGINE_ADDRESS_NAME, 0) < 0 &&
			       errno != ENOENT
		       ? -errno
		       : 0;
}

/* ---- who keeps records on the share ---- */

int engine_is_in_use(int state_dir)
{
	int fd = openat(state_dir, LEASES_DIR,
			O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;
	bool found = false;

	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while (!found && (d = readdir(dir)))
		found = d->d_name[0] != '.' &&
			lease_probe(fd, d->d_name, NULL) != LEASE_STALE;
	closedir(dir);
	return found;
}

static int has_records(const struct registry_options *o)
{
	_cleanup_buffer_ struct buffer text = {};
	_cleanup_entries_ struct entries entries = {};
	struct stat st;
	int r = statefile_read(o->locks_dir, o->locks_name, &text, &st);

	if (r == 0)
		r = entries_parse(&entries, &text);
	return r == -ENOENT ? 0 : r < 0 ? r : entries.n > 0;
}

/* Whether nobody has begun otherwise. */
static int check_unused(const struct registry_options *o)
{
	int r = engine_is_in_use(o->state_dir);

	if (r > 0)
		return -EBUSY;
	if (r == 0)
		r = has_records(o);
	return r > 0 ? -ENOTEMPTY : r;
}

/* The first mount that is told so decides for the share, once it has got an
 * answer there. */
static int move_in(const struct registry_options *o)
{
	_cleanup_buffer_ struct buffer already = {};
	int r = engine_read_address(o->state_dir, &already);

	if (r > 0)
		return strcmp(o->address, already.data) ? -EXDEV : 0;
	if (r == 0)
		r = check_unused(o);
	if (r == 0)
		r = engine_write_address(o->state_dir, o->address);
	return r;
}

static int find_address(const struct registry_options *o,
			struct buffer *ret_address)
{
	int r = o->on_share ? 0
			    : engine_read_address(o->state_dir, ret_address);

	if (r < 0 || !o->address)
		return r;
	if (r > 0)
		return strcmp(o->address, ret_address->data) ? -EXDEV : 1;
	r = o->observer ? 0 : check_unused(o);
	if (r == 0)
		r = buffer_append_string(ret_address, o->address);
	return r < 0 ? r : 1;
}

static void explain(const struct registry_options *o, const char *address,
		    int error)
{
	switch (error) {
	case -EXDEV:
		buffer_printf(o->why,
			      "the share's records are in '%s': that is what "
			      "'%s' in it says",
			      address, ENGINE_ADDRESS_NAME);
		break;
	case -EBUSY:
		buffer_printf(o->why,
			      "another mount keeps the share's records in "
			      "'%s': unmount it first",
			      o->locks_name);
		break;
	case -ENOTEMPTY:
		buffer_printf(o->why,
			      "there are records in '%s': move them with "
			      "`camlock registry copy`",
			      o->locks_name);
		break;
	default:
		buffer_printf(o->why, "'%s': %s",
			      address ? address : o->locks_name,
			      strerror(-error));
	}
}

static int open_etcd(struct engine **ret_engine,
		     const struct registry_options *options,
		     const char *address, const struct wait *w)
{
	int r = engine_etcd_open(ret_engine, options, address, w);

	if (r < 0 || options->observer || !options->address)
		return r;
	r = move_in(options);
	if (r < 0) {
		engine_free(*ret_engine);
		*ret_engine = NULL;
	}
	return r;
}

int engine_open(struct engine **ret_engine,
		const struct registry_options *options, const struct wait *w)
{
	_cleanup_buffer_ struct buffer address = {};
	int r = find_address(options, &address);

	if (r == 0)
		r = engine_file_open(ret_engine, options);
	else if (r > 0)
		r = open_etcd(ret_engine, options, address.data, w);
	if (r < 0 && options->why && !options->why->len)
		explain(options, address.data, r);
	return r;
}
