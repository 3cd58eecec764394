/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The inodes the kernel knows, and how each is found on the share.
 *
 * No descriptor is kept for them: a user who looks at 20 000 files would use
 * up ours. An inode is opened again when it is needed, by file handle
 * (name_to_handle_at(2)) where the share can do that, else by its path from
 * the root, and then it must still be the same file.
 *
 * Ids are numbers that are never used for two files, not pointers: the kernel
 * may ask for one we have forgotten (an NFS client's handle). Where the share's
 * file handles fit into a number (fs/handle.h), that is the id, and the file is
 * found again: fs/lost.h. Else they are counted, a forgotten one is ESTALE, and
 * the next daemon begins to count somewhere else.
 *
 * An inode lives while the kernel knows it (nlookup > 0) or a child does. All
 * members but the fixed ones are under the table's mutex; it is a leaf, and
 * nothing on the share is touched under it.
 */
#ifndef FS_INODE_H
#define FS_INODE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "core/hash.h"
#include "fs/share.h"

#define INODE_STRIPES 64
/* The root's id: FUSE's own, or that by which it was looked up (fs/attach.h).
 * Both always lead to it. */
#define INODE_ROOT 1
#define INODE_ROOT_ATTACHED 2
#define INODE_NUMBER_BIT (1ULL << 62) /* the id is a handle's number */

struct file_handle;

/* A handle that is open on an inode; the first part of struct open_file. */
struct inode_use {
	struct inode_use *next;
	int fd;
	int32_t backing_id; /* kernel passthrough; 0: none */
};

/* It was found under another name than before, and has only one: the kernel may
 * still believe the old one. */
#define INODE_MOVED -1

/* There may be a million of them: a few bytes count. */
struct inode {
	struct hash_node by_id;
	struct hash_node by_file;
	struct hash_node by_name; /* while it has one */
	uint64_t id;		  /* fixed, once requests are served */
	dev_t dev;		  /* fixed */
	ino_t ino;		  /* fixed */
	uint64_t nlookup;
	struct inode *parent;	/* NULL for the root, and when it has no name */
	char *name;		/* the first one is in `tail` */
	struct inode_use *uses; /* all handles: under the inode's stripe, see
				   inode_stripe() */
	uint32_t n_children;
	pid_t told_gone;     /* see inodes_tell_gone(); or INODE_MOVED */
	uint16_t type;	     /* fixed: S_IFMT */
	bool replaced;	     /* another file was given its name */
	uint8_t handle_size; /* fixed: of the file handle in `tail`; 0: it is
				opened by path */
	char tail[];
};

static inline bool inode_is_root(const struct inode *inode)
{
	return inode->id <= INODE_ROOT_ATTACHED;
}

/* NULL: it is opened by path. */
static inline struct file_handle *inode_handle(struct inode *inode)
{
	return inode->handle_size ? (struct file_handle *)inode->tail : NULL;
}

struct inodes {
	const struct share *share;
	pthread_mutex_t mutex;
	struct hash by_id;   /* under mutex */
	struct hash by_file; /* under mutex */
	struct hash by_name; /* under mutex: by folder and name */
	uint64_t last_id;    /* under mutex */
	struct inode root;
	/* A mutex for each inode would cost more memory than the inode. Held
	 * over the passthrough calls into the kernel, nothing else. */
	pthread_mutex_t stripes[INODE_STRIPES];
};

/* Where to begin: ids are counted from here, below 2^63. */
uint64_t inodes_first_id(void);

int inodes_init(struct inodes *t, const struct share *share);
void inodes_release(struct inodes *t);

/* NULL if the id is not known. What is found stays as long as the request. */
struct inode *inodes_find(struct inodes *t, uint64_t id);

/* What is known of one file on the share, in the inode's terms. */
struct found {
	struct stat st;
	struct file_handle *handle; /* on the heap, or NULL */
};

/* Looks at a name in an open folder, following nothing. Returns 0 or -errno;
 * the caller frees ret_found->handle, or leaves it to inodes_add(). */
int inodes_look(struct inodes *t, int dirfd, const char *name,
		struct found *ret_found);

/* The same for an open file itself. */
int inodes_look_fd(struct inodes *t, int fd, struct found *ret_found);

/* The inode for a file found under that name, or under none (NULL), known before
 * or new, with one more lookup. Takes the handle. NULL when memory is short. */
struct inode *inodes_add(struct inodes *t, struct inode *parent,
			 const char *name, struct found *found);

/* One more lookup of a known inode; or of the folder it is in, with a copy of
 * its name there (NULL: not wanted). Returns it, or NULL if it is not known
 * (any more). */
struct inode *inodes_again(struct inodes *t, uint64_t id);
struct inode *inodes_parent_again(struct inodes *t, struct inode *inode,
				  char **ret_name);

/* What goes with an id in a file handle of the mount, so that nobody can make
 * one up; the kernel compares it. */
uint32_t inodes_generation(const struct inodes *t, uint64_t id);

/* The id that the file's handle makes, or 0 if it makes none. */
uint64_t inodes_number_id(const struct inodes *t, const struct found *f);

/* The id the kernel may know the file of a handle by, or 0 if it can't. */
uint64_t inodes_id_of(struct inodes *t, struct file_handle *handle);

/* The file of an id we have forgotten, as inodes_look(), and an O_PATH
 * descriptor of it. -ESTALE if there is none, or the id does not say. */
int inodes_look_number(struct inodes *t, uint64_t id, int *ret_fd,
		       struct found *ret_found);

/* The kernel forgot n lookups; the inode may be gone afterwards. */
void inodes_forget(struct inodes *t, uint64_t id, uint64_t n);

/* A rename or an unlink happened. `name` of `dir` no longer is what it was;
 * with `to_dir` it is `to_name` there. */
void inodes_moved(struct inodes *t, struct inode *dir, const char *name,
		  struct inode *to_dir, const char *to_name, bool exchange);

/* Its path from the root, without a leading slash ("" for the root), on the
 * heap. NULL with -ESTALE in ret_error if it has none any more. */
char *inodes_path(struct inodes *t, struct inode *inode, int *ret_error);

/* A number for a name in a folder, whatever the folder's own name is or will
 * be; and for the name of an inode: 0, or -ESTALE if it has none any more. */
uint64_t inode_name_hash(const struct inode *dir, const char *name);
uint64_t inode_name_hash_of(dev_t dir_dev, ino_t dir_ino, const char *name);
int inodes_name_hash(struct inodes *t, struct inode *inode, uint64_t *ret_hash);

/* All there are. `use` is called under the mutex. */
void inodes_for_each(struct inodes *t,
		     void (*use)(void *arg, struct inode *inode), void *arg);

/* The inode last known under a path, or NULL. Only to look at its open files:
 * it may be gone in the next moment. `use` is called under the mutex. */
void inodes_with_path(struct inodes *t, const char *path,
		      void (*use)(void *arg, struct inode *inode), void *arg);

/* The same for every inode known of a file, whatever its name. */
void inodes_with_file(struct inodes *t, const struct stat *st,
		      void (*use)(void *arg, struct inode *inode), void *arg);

/* The path of a name in a folder. */
char *inodes_path_of(struct inodes *t, struct inode *dir, const char *name,
		     int *ret_error);

/* An O_PATH descriptor of it, which the caller closes, or -errno. -ESTALE: it
 * is no longer on the share, or its name now is another file. Not between
 * creds_enter() and creds_leave(). */
int inodes_open(struct inodes *t, struct inode *inode);

/* What its name leads to now: 0, or -ESTALE if that is not this inode. A file
 * renamed on the share behind our back is not checked out under its old name. */
int inodes_stat_name(struct inodes *t, struct inode *inode,
		     struct stat *ret_st);

/* The inode of the file of that name, if it is known under the name, with one
 * more lookup, for inodes_forget(); or NULL. */
struct inode *inodes_named(struct inodes *t, const struct inode *dir,
			   const char *name, const struct stat *st);

/* For a process that opens a deleted file: whether it is to be told -ESTALE.
 * If another file has its name by now, always: it came by that name, as far as
 * anybody can tell, and the kernel looks again. If nothing has, it came by the
 * name a moment ago, and the kernel will find nothing; or by /proc/PID/fd, and
 * asks again at once, and then it is not told a second time. */
bool inodes_tell_gone(struct inodes *t, struct inode *inode, pid_t pid);

/* Whether it has moved since it was last asked for: who means the file by the
 * name that it had is to be told -ESTALE, and the kernel looks again. */
bool inodes_has_moved(struct inodes *t, struct inode *inode);

/* For a process that opens a file to read it: the same, and whether its name
 * leads elsewhere by now, which the kernel has not heard of yet. One that has
 * lost its name by the kernel's own doing is not asked for by it. */
bool inodes_tell_moved(struct inodes *t, struct inode *inode, pid_t pid);

/* What is at a path now, following nothing. Returns 0 or -errno. */
int inodes_stat_path(struct inodes *t, const char *path, struct stat *ret_st);
bool inodes_path_exists(struct inodes *t, const char *path);

/* Whether a path is a name of that file. For a file of the share's own file
 * system, what is mounted in the share is not asked: it has no link to it, and
 * may hang. */
bool inodes_is_link(struct inodes *t, const char *path, const struct stat *st);

pthread_mutex_t *inode_stripe(struct inodes *t, const struct inode *inode);

#endif
