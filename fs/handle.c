/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/handle.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "core/cleanup.h"

#define KEY_NAME "handles.key"

#define INO_BITS 30
#define GENERATION_BITS 32

/* fs/ext4, fs/xfs/xfs_export.h and include/linux/exportfs.h of Linux. */
struct narrow {
	uint32_t ino;
	uint32_t generation;
};
struct wide {
	uint64_t ino;
	uint32_t generation;
} __attribute__((packed));

int handle_get(int fd, const char *name, union handle_space *ret_handle,
	       int *ret_mount_id)
{
	ret_handle->handle.handle_bytes = HANDLE_SIZE;
	return name_to_handle_at(fd, name, &ret_handle->handle, ret_mount_id,
				 *name ? 0 : AT_EMPTY_PATH) < 0
		       ? -errno
		       : 0;
}

struct file_handle *handle_copy(const struct file_handle *handle)
{
	size_t size = sizeof(*handle) + handle->handle_bytes;
	struct file_handle *copy = malloc(size);

	if (copy)
		memcpy(copy, handle, size);
	return copy;
}

bool handle_same(const struct file_handle *a, const struct file_handle *b)
{
	if (!a || !b)
		return !a && !b;
	return a->handle_type == b->handle_type &&
	       a->handle_bytes == b->handle_bytes &&
	       !memcmp(a->f_handle, b->f_handle, a->handle_bytes);
}

static void take_apart(const struct file_handle *handle, uint64_t *ret_ino,
		       uint32_t *ret_generation)
{
	struct narrow narrow;
	struct wide wide;

	if (handle->handle_bytes == sizeof(narrow)) {
		memcpy(&narrow, handle->f_handle, sizeof(narrow));
		*ret_ino = narrow.ino;
		*ret_generation = narrow.generation;
	} else {
		memcpy(&wide, handle->f_handle, sizeof(wide));
		*ret_ino = wide.ino;
		*ret_generation = wide.generation;
	}
}

static bool has_form(const struct file_handle *handle, ino_t ino)
{
	uint32_t generation;
	uint64_t there;

	if (handle->handle_bytes != sizeof(struct narrow) &&
	    handle->handle_bytes != sizeof(struct wide))
		return false;
	take_apart(handle, &there, &generation);
	return there == ino;
}

struct handle_form handle_form_of(const struct file_handle *handle, ino_t ino)
{
	return has_form(handle, ino)
		       ? (struct handle_form){ handle->handle_type,
					       handle->handle_bytes }
		       : (struct handle_form){};
}

ino_t handle_ino(const struct handle_form *form,
		 const struct file_handle *handle)
{
	uint32_t generation;
	uint64_t ino;

	if (!form->bytes || handle->handle_bytes != form->bytes ||
	    handle->handle_type != form->type)
		return 0;
	take_apart(handle, &ino, &generation);
	return ino;
}

uint64_t handle_number(const struct handle_form *form,
		       const struct file_handle *handle, ino_t ino)
{
	uint32_t generation;
	uint64_t there;

	if (!handle || !ino || handle_ino(form, handle) != ino ||
	    ino >> INO_BITS)
		return 0;
	take_apart(handle, &there, &generation);
	return there << GENERATION_BITS | generation;
}

void handle_of_number(const struct handle_form *form, uint64_t number,
		      union handle_space *ret_handle)
{
	struct narrow narrow = { (uint32_t)(number >> GENERATION_BITS),
				 (uint32_t)number };
	struct wide wide = { narrow.ino, narrow.generation };

	ret_handle->handle = (struct file_handle){ .handle_bytes = form->bytes,
						   .handle_type = form->type };
	if (form->bytes == sizeof(narrow))
		memcpy(ret_handle->handle.f_handle, &narrow, sizeof(narrow));
	else
		memcpy(ret_handle->handle.f_handle, &wide, sizeof(wide));
}

static int read_key(int state_fd, uint8_t ret_key[SIPHASH_KEY_SIZE])
{
	_cleanup_close_ int fd =
		openat(state_fd, KEY_NAME,
		       O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return read(fd, ret_key, SIPHASH_KEY_SIZE) == SIPHASH_KEY_SIZE
		       ? 0
		       : -EBADMSG;
}

/* Under a name of its own first: whoever finds the key finds all of it. */
static int make_key(int state_fd)
{
	uint8_t key[SIPHASH_KEY_SIZE];
	_cleanup_close_ int fd = -1;
	char name[64];
	int r = 0;

	if (getrandom(key, sizeof(key), 0) < 0)
		return -errno;
	snprintf(name, sizeof(name), KEY_NAME ".%d", (int)getpid());
	unlinkat(state_fd, name, 0); /* of one that died in mid-work */
	fd = openat(state_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
		    0600);
	if (fd < 0)
		return -errno;
	if (write(fd, key, sizeof(key)) != sizeof(key) || fsync(fd) < 0)
		r = -EIO;
	else if (renameat2(state_fd, name, state_fd, KEY_NAME,
			   RENAME_NOREPLACE) < 0)
		r = -errno;
	unlinkat(state_fd, name, 0);
	return r == -EEXIST ? 0 : r;
}

int handle_key(int state_fd, uint8_t ret_key[SIPHASH_KEY_SIZE])
{
	int r = read_key(state_fd, ret_key);

	if (r == -EBADMSG)
		unlinkat(state_fd, KEY_NAME, 0);
	if (r == -ENOENT || r == -EBADMSG)
		r = make_key(state_fd);
	else
		return r;
	return r < 0 ? r : read_key(state_fd, ret_key);
}
