/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/backing.h"

#include <fcntl.h>

#include "fs/creds.h"

#define NOBODY 65534 /* the kernel's own: fs.overflowuid */

/* The backing file is registered through a descriptor that can only read, for
 * else it would count as a writer for as long as the inode is open; the kernel
 * opens it anew for each handle, as that handle was opened. */
int backing_open_reader(const struct open_file *file)
{
	char path[PROC_PATH_SIZE];

	share_proc_path(file->use.fd, path);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* The kernel writes for all handles as whoever registers the file: never as
 * user 0, for then the next one to open it would get at reserved blocks. */
static int32_t register_backing(fuse_req_t req, const struct open_file *file,
				int reader)
{
#if HAVE_PASSTHROUGH
	bool as_he_is = file->uid && file_flags_write(file->flags);

	if (reader < 0)
		return 0;
	CREDS_USER_SCOPE(as_he_is ? file->uid : NOBODY);
	return fuse_passthrough_open(req, reader);
#else
	return 0;
#endif
}

void backing_close(fuse_req_t req, int32_t id)
{
#if HAVE_PASSTHROUGH
	if (id > 0)
		fuse_passthrough_close(req, id);
#endif
}

static void set_backing(struct fuse_file_info *fi, int32_t id)
{
#if HAVE_PASSTHROUGH
	fi->backing_id = id;
#endif
}

/* Of all handles of an inode the first decides.
 *
 * The kernel opens the file below with O_DIRECT, too, and then keeps that when
 * fcntl(2) takes it away, as dd does for the odd bytes at the end (seen with
 * Linux 6.18): they would be refused. */
bool backing_is_needed(struct camfs *fs, const struct open_file *file)
{
	return fs->passthrough && !(file->flags & O_DIRECT) &&
	       !file->keeps_bits && !file->inode->uses;
}

void backing_choose(fuse_req_t req, struct open_file *file, int reader,
		    struct fuse_file_info *fi)
{
	const struct inode *inode = file->inode;

	if (inode->uses)
		file->use.backing_id = inode->uses->backing_id;
	else if (backing_is_needed(camfs_of(req), file))
		file->use.backing_id = register_backing(req, file, reader);
	file->passthrough = file->use.backing_id > 0;
	if (file->passthrough)
		set_backing(fi, file->use.backing_id);
}

int32_t backing_leave(const struct open_file *file)
{
	return file->inode->uses ? 0 : file->use.backing_id;
}
