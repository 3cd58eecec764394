/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Open files: a handle the kernel has, its descriptor on the share, and what
 * the gate granted if it can write.
 *
 * Where it can be had, the kernel reads and writes the descriptor's file by
 * itself (passthrough). All handles of an inode must then share one backing
 * file, and none of them may be without: so the first open of an inode
 * decides, and the others follow until the last is released.
 *
 * A mapping made through a passthrough handle is of the file below: it does
 * not keep the handle, and outlives it. So a handle that could be mapped for
 * writing keeps its checkout after its release for as long as anything can
 * write to the file below: a read lease (fcntl(2), F_SETLEASE) can't be had
 * then. fs/mapped.h waits for that.
 */
#ifndef FS_FILE_H
#define FS_FILE_H

#include "fs/camfs.h"
#include "fs/gate.h"

struct open_file {
	struct inode_use use; /* in inode->uses, under its stripe */
	struct quota_waiter closing;
	struct mapping *mapping; /* while it is closed; fs/mapped.h */
	struct inode *inode;
	uid_t uid;   /* who opened it */
	uint64_t id; /* of the inode, which a mapping can outlive */
	int flags;   /* as opened */
	bool passthrough;
	bool keeps_bits; /* root's, of a file with set-user-ID bits: the kernel
			    by itself writes as nobody in particular, and they
			    would go */
	struct grant grant;  /* under the stripe; see file_retarget() */
	bool flushed;	     /* under the stripe: counted as such */
	bool emptied;	     /* made, or truncated, by opening it */
	const char *machine; /* it reads as that: fs/machine.h; or NULL */
	pid_t reader;	     /* then: its process */
	struct timespec since;
	struct stat start; /* as it was when opened; if it can write */
};

static inline struct open_file *file_of(const struct fuse_file_info *fi)
{
	return (struct open_file *)(uintptr_t)fi->fh;
}

/* Whether open flags ask for something that can write. */
bool file_flags_write(int flags);

/* Makes a handle for `fd` and fills *fi. Takes the grant, and fd, only when it
 * succeeds. Returns 0 or -errno: -EMFILE if the caller has too many, which
 * file_check_room() can tell before anything is done. */
int file_check_room(fuse_req_t req);
int file_open(fuse_req_t req, struct inode *inode, int fd, struct grant *grant,
	      bool emptied, struct fuse_file_info *fi);

/* Whether the file still has the name a new handle has checked out. If so, any
 * rename from now on takes the handle along: file_retarget(). */
bool file_is_current(struct camfs *fs, struct open_file *file);

/* Closes it, and checks in if it was the last that could write. */
void file_release(fuse_req_t req, struct open_file *file);

/* The same for one that could not be handed out, because the connection is
 * gone: no RELEASE will come, and the request was freed with its reply. */
void file_lose(struct camfs *fs, struct open_file *file);

/* The same in two steps. Between them the kernel can be told that it is done:
 * the second may take as long as the share, or wait its turn. */
void file_unlink(fuse_req_t req, struct open_file *file);
void file_close(struct camfs *fs, struct open_file *file);

/* The end of a closed one: gives back what it has. */
void file_free(struct camfs *fs, struct open_file *file, bool written);

/* The same for all that are left when the session is over. The kernel tells of
 * no close any more, not even of the last ones before the end: when nothing is
 * open any more it forgets what it has not told yet. `early`: there are files
 * that somebody has open; those he can write to by kernel passthrough are left
 * to him. */
void file_close_all(struct camfs *fs, bool early);

/* Frees one that can be written to without us, and outlives us: its checkout is
 * not given back, and whoever takes it over then sets the file aside. */
void file_leave(struct camfs *fs, struct open_file *file);

/* Whether an open file's size or time is not what it was. */
bool file_has_changed(int fd, const struct stat *start);

/* Whether a document may be written to just now, where that is up to us: 0; or
 * -EIO, while the mount is cut off from the share. */
int file_check_write(struct camfs *fs, const struct open_file *file);

/* It was flushed, or is in use again. */
void file_set_flushed(struct camfs *fs, struct open_file *file, bool flushed);

/* The inode's name was changed, to that of inode_name_hash(): its handles that
 * can write, and its mappings, now have a use of that checkout; or write to a
 * scratch file of that folder; or, all 0, to a file without a name. */
void file_retarget(struct camfs *fs, struct inode *inode, uint64_t name,
		   struct checkout *checkout, const char *folder);

/* Whether another user can write to a file through a handle, or a mapping made
 * by one, whatever name it was opened by; then who that is, and his process. */
bool file_has_other_writer(struct camfs *fs, const struct stat *st, uid_t uid,
			   uid_t *ret_uid, pid_t *ret_pid);

/* Whether a machine (fs/machine.h) that is not that process has a file open,
 * and who. */
struct file_reader {
	const char *machine;
	uid_t uid;
	pid_t pid;
	struct timespec since;
};

bool file_find_machine(struct camfs *fs, struct inode *inode, pid_t but,
		       struct file_reader *ret_reader);

/* Whether anybody can write to it through a handle. */
bool file_has_writer(struct camfs *fs, const struct stat *st);

/* Whether a path is open for writing through this mount, and nothing has been
 * written yet. */
bool file_is_untouched(struct camfs *fs, const char *path);

#endif
