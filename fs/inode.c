/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/inode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/cleanup.h"
#include "core/wait.h"

/* ---- the table ---- */

static uint64_t hash_file(dev_t dev, ino_t ino)
{
	uint64_t key[2] = { dev, ino };

	return hash_bytes(key, sizeof(key));
}

static uint64_t hash_name(const struct inode *dir, const char *name)
{
	return hash_string(name) ^ hash_number(dir->id);
}

uint64_t inodes_first_id(void)
{
	uint64_t random = 0;

	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
		random = clock_now();
	return INODE_ROOT_ATTACHED +
	       (random >> 3); /* room below INODE_NUMBER_BIT */
}

int inodes_init(struct inodes *t, const struct share *share)
{
	*t = (struct inodes){ .share = share, .last_id = inodes_first_id() };
	t->root = (struct inode){
		.id = INODE_ROOT,
		.dev = share->dev,
		.ino = share->ino,
		.type = S_IFDIR,
		.nlookup = 1,
	};
	pthread_mutex_init(&t->mutex, NULL);
	for (int i = 0; i < INODE_STRIPES; i++)
		pthread_mutex_init(&t->stripes[i], NULL);
	if (hash_insert(&t->by_id, &t->root.by_id, hash_number(INODE_ROOT)) <
		    0 ||
	    hash_insert(&t->by_file, &t->root.by_file,
			hash_file(share->dev, share->ino)) < 0)
		return -ENOMEM;
	return 0;
}

/* The name it had first, which is not on the heap by itself. */
static char *first_name(struct inode *inode)
{
	return inode->tail + inode->handle_size;
}

static void free_name(struct inode *inode, char *name)
{
	if (name != first_name(inode))
		free(name);
}

static void free_inode(struct inode *inode)
{
	free_name(inode, inode->name);
	free(inode);
}

static size_t handle_size(const struct file_handle *handle)
{
	return handle ? sizeof(*handle) + handle->handle_bytes : 0;
}

static void drop_inode(struct hash_node *n)
{
	struct inode *inode = container_of(n, struct inode, by_id);

	if (!inode_is_root(inode))
		free_inode(inode);
}

static void drop_nothing(struct hash_node *n)
{
}

void inodes_release(struct inodes *t)
{
	hash_clear(&t->by_file, drop_nothing);
	hash_clear(&t->by_name, drop_nothing);
	hash_clear(&t->by_id, drop_inode);
	pthread_mutex_destroy(&t->mutex);
}

static struct inode *find_id(struct inodes *t, uint64_t id)
{
	if (id <= INODE_ROOT_ATTACHED)
		return &t->root;
	for (struct hash_node *n = hash_first(&t->by_id, hash_number(id)); n;
	     n = hash_next(n)) {
		struct inode *inode = container_of(n, struct inode, by_id);

		if (inode->id == id)
			return inode;
	}
	return NULL;
}

struct inode *inodes_find(struct inodes *t, uint64_t id)
{
	if (id <= INODE_ROOT_ATTACHED)
		return &t->root;
	LOCK_SCOPE(&t->mutex);
	return find_id(t, id);
}

pthread_mutex_t *inode_stripe(struct inodes *t, const struct inode *inode)
{
	return &t->stripes[inode->id % INODE_STRIPES];
}

/* An inode number may be used again for another file; its handle is new. */
static struct inode *find_file(struct inodes *t, const struct found *f)
{
	uint64_t hash = hash_file(f->st.st_dev, f->st.st_ino);

	for (struct hash_node *n = hash_first(&t->by_file, hash); n;
	     n = hash_next(n)) {
		struct inode *inode = container_of(n, struct inode, by_file);

		if (inode->dev == f->st.st_dev && inode->ino == f->st.st_ino &&
		    inode->type == (f->st.st_mode & S_IFMT) &&
		    (inode_is_root(inode) ||
		     handle_same(inode_handle(inode), f->handle)))
			return inode;
	}
	return NULL;
}

/* Frees the inode, and each parent for which it was the last reason. */
static void drop_unused(struct inodes *t, struct inode *inode)
{
	while (inode && !inode_is_root(inode) && !inode->nlookup &&
	       !inode->n_children) {
		struct inode *parent = inode->parent;

		hash_remove(&t->by_id, &inode->by_id);
		hash_remove(&t->by_file, &inode->by_file);
		if (parent)
			hash_remove(&t->by_name, &inode->by_name);
		free_inode(inode);
		if (parent)
			parent->n_children--;
		inode = parent;
	}
}

static void set_name(struct inodes *t, struct inode *inode,
		     struct inode *parent, char *name);

/* Folders moved on the share behind our back: what we thought to be above
 * `inode` is below it. The link that is no longer true is cut, for a path that
 * goes round would never end. */
static void cut_cycle(struct inodes *t, struct inode *inode,
		      struct inode *parent)
{
	for (; parent && !inode_is_root(parent); parent = parent->parent) {
		if (parent->parent != inode)
			continue;
		inode->nlookup++; /* its last child may be all that keeps it */
		set_name(t, parent, NULL, NULL);
		inode->nlookup--;
		return;
	}
}

/* Takes the name, which is on the heap, or its first; without memory for it, or
 * with no parent, the inode has none. */
static void set_name(struct inodes *t, struct inode *inode,
		     struct inode *parent, char *name)
{
	struct inode *old = inode->parent;

	if (inode_is_root(inode)) {
		free_name(inode, name);
		return;
	}
	if (parent == inode)
		parent = NULL;
	if (inode->n_children)
		cut_cycle(t, inode, parent);
	if (old)
		hash_remove(&t->by_name, &inode->by_name);
	free_name(inode, inode->name);
	inode->name = parent ? name : NULL;
	inode->parent = name ? parent : NULL;
	if (!parent)
		free_name(inode, name);
	if (inode->parent && hash_insert(&t->by_name, &inode->by_name,
					 hash_name(parent, name)) < 0) {
		free_name(inode, take_ptr(inode->name));
		inode->parent = NULL;
	}
	if (inode->parent)
		inode->parent->n_children++;
	if (old) {
		old->n_children--;
		drop_unused(t, old);
	}
}

uint64_t inodes_number_id(const struct inodes *t, const struct found *f)
{
	uint64_t number =
		handle_number(&t->share->form, f->handle, f->st.st_ino);

	return number ? number | INODE_NUMBER_BIT : 0;
}

static uint64_t new_id(struct inodes *t, const struct found *f)
{
	uint64_t id = inodes_number_id(t, f);

	return id && !find_id(t, id) ? id : ++t->last_id;
}

static struct inode *new_inode(struct inodes *t, const struct found *f,
			       const char *name)
{
	size_t handle = handle_size(f->handle), size = strlen(name) + 1;
	struct inode *inode =
		calloc(1, offsetof(struct inode, tail) + handle + size);

	if (!inode)
		return NULL;
	inode->id = new_id(t, f);
	inode->dev = f->st.st_dev;
	inode->ino = f->st.st_ino;
	inode->type = f->st.st_mode & S_IFMT;
	inode->handle_size = (uint8_t)handle;
	if (handle)
		memcpy(inode->tail, f->handle, handle);
	memcpy(first_name(inode), name, size);
	if (hash_insert(&t->by_id, &inode->by_id, hash_number(inode->id)) < 0) {
		free(inode);
		return NULL;
	}
	if (hash_insert(&t->by_file, &inode->by_file,
			hash_file(inode->dev, inode->ino)) < 0) {
		hash_remove(&t->by_id, &inode->by_id);
		free(inode);
		return NULL;
	}
	return inode;
}

static bool has_name(const struct inode *inode, const struct inode *parent,
		     const char *name)
{
	return inode->parent == parent && inode->name &&
	       !strcmp(inode->name, name);
}

struct inode *inodes_add(struct inodes *t, struct inode *parent,
			 const char *name, struct found *found)
{
	_cleanup_free_ struct file_handle *handle = take_ptr(found->handle);
	struct found f = { .st = found->st, .handle = handle };
	struct inode *inode;
	char *own = NULL; /* the name, as the inode is to have it */

	LOCK_SCOPE(&t->mutex);
	inode = find_file(t, &f);
	if (!inode) {
		inode = new_inode(t, &f, name ? name : "");
		own = inode && name ? first_name(inode) : NULL;
	} else if (name && !has_name(inode, parent, name)) {
		own = strdup(name);
		if (own && inode->name && f.st.st_nlink == 1)
			inode->told_gone = INODE_MOVED;
		inode = own ? inode : NULL;
	}
	if (!inode)
		return NULL;
	inode->nlookup++;
	if (own)
		set_name(t, inode, parent, own);
	return inode;
}

struct inode *inodes_again(struct inodes *t, uint64_t id)
{
	struct inode *inode;

	LOCK_SCOPE(&t->mutex);
	inode = find_id(t, id);
	if (inode)
		inode->nlookup++;
	return inode;
}

struct inode *inodes_parent_again(struct inodes *t, struct inode *inode,
				  char **ret_name)
{
	LOCK_SCOPE(&t->mutex);
	if (ret_name)
		*ret_name = inode->name ? strdup(inode->name) : NULL;
	if (inode->parent)
		inode->parent->nlookup++;
	return inode->parent;
}

uint32_t inodes_generation(const struct inodes *t, uint64_t id)
{
	return id & INODE_NUMBER_BIT ? (uint32_t)siphash(t->share->handle_key,
							 &id, sizeof(id))
				     : 0;
}

void inodes_forget(struct inodes *t, uint64_t id, uint64_t n)
{
	struct inode *inode;

	LOCK_SCOPE(&t->mutex);
	inode = find_id(t, id);
	if (!inode)
		return;
	inode->nlookup -= n < inode->nlookup ? n : inode->nlookup;
	drop_unused(t, inode);
}

/* ---- names ---- */

static struct inode *find_name(struct inodes *t, const struct inode *dir,
			       const char *name)
{
	for (struct hash_node *n =
		     hash_first(&t->by_name, hash_name(dir, name));
	     n; n = hash_next(n)) {
		struct inode *inode = container_of(n, struct inode, by_name);

		if (inode->parent == dir && !strcmp(inode->name, name))
			return inode;
	}
	return NULL;
}

struct inode *inodes_named(struct inodes *t, const struct inode *dir,
			   const char *name, const struct stat *st)
{
	LOCK_SCOPE(&t->mutex);
	/* of one that was replaced on the share the name may be known, too */
	for (struct hash_node *n =
		     hash_first(&t->by_name, hash_name(dir, name));
	     n; n = hash_next(n)) {
		struct inode *inode = container_of(n, struct inode, by_name);

		if (inode->parent != dir || strcmp(inode->name, name) != 0 ||
		    inode->dev != st->st_dev || inode->ino != st->st_ino)
			continue;
		inode->nlookup++;
		return inode;
	}
	return NULL;
}

void inodes_moved(struct inodes *t, struct inode *dir, const char *name,
		  struct inode *to_dir, const char *to_name, bool exchange)
{
	struct inode *from, *to;

	LOCK_SCOPE(&t->mutex);
	from = find_name(t, dir, name);
	to = to_dir ? find_name(t, to_dir, to_name) : NULL;
	if (from == to)
		to = NULL;
	if (to)
		to->replaced = !exchange;
	if (to)
		set_name(t, to, exchange ? dir : NULL,
			 exchange ? strdup(name) : NULL);
	if (from)
		set_name(t, from, to_dir, to_dir ? strdup(to_name) : NULL);
}

void inodes_for_each(struct inodes *t,
		     void (*use)(void *arg, struct inode *inode), void *arg)
{
	LOCK_SCOPE(&t->mutex);
	for (size_t i = 0; i < t->by_id.n_slots; i++)
		for (struct hash_node *n = t->by_id.slots[i]; n; n = n->next)
			use(arg, container_of(n, struct inode, by_id));
}

void inodes_with_path(struct inodes *t, const char *path,
		      void (*use)(void *arg, struct inode *inode), void *arg)
{
	_cleanup_free_ char *copy = strdup(path);
	struct inode *inode = &t->root;
	char *rest = copy, *name;

	if (!copy)
		return;
	LOCK_SCOPE(&t->mutex);
	while (inode && (name = strsep(&rest, "/")))
		inode = find_name(t, inode, name);
	if (inode)
		use(arg, inode);
}

void inodes_with_file(struct inodes *t, const struct stat *st,
		      void (*use)(void *arg, struct inode *inode), void *arg)
{
	LOCK_SCOPE(&t->mutex);
	for (struct hash_node *n =
		     hash_first(&t->by_file, hash_file(st->st_dev, st->st_ino));
	     n; n = hash_next(n)) {
		struct inode *inode = container_of(n, struct inode, by_file);

		if (inode->dev == st->st_dev && inode->ino == st->st_ino)
			use(arg, inode);
	}
}

/* The length of the path with a slash behind each name; SIZE_MAX if a name on
 * the way is gone. */
static size_t path_length(const struct inode *inode)
{
	size_t len = 0;

	for (; !inode_is_root(inode); inode = inode->parent) {
		if (!inode->parent || !inode->name)
			return SIZE_MAX;
		len += strlen(inode->name) + 1;
	}
	return len;
}

char *inodes_path_of(struct inodes *t, struct inode *dir, const char *name,
		     int *ret_error)
{
	size_t tail = strlen(name), len;
	char *path;

	LOCK_SCOPE(&t->mutex);
	len = path_length(dir);
	*ret_error = len == SIZE_MAX ? -ESTALE : -ENOMEM;
	path = len == SIZE_MAX ? NULL : malloc(len + tail + 1);
	if (!path)
		return NULL;
	memcpy(path + len, name, tail + 1);
	for (; !inode_is_root(dir); dir = dir->parent) {
		size_t n = strlen(dir->name);

		path[--len] = '/';
		len -= n;
		memcpy(path + len, dir->name, n);
	}
	return path;
}

char *inodes_path(struct inodes *t, struct inode *inode, int *ret_error)
{
	char *path = inodes_path_of(t, inode, "", ret_error);
	size_t len = path ? strlen(path) : 0;

	if (len > 0)
		path[len - 1] = '\0'; /* the slash behind its own name */
	return path;
}

uint64_t inode_name_hash_of(dev_t dir_dev, ino_t dir_ino, const char *name)
{
	const uint64_t folder[] = { dir_dev, dir_ino, hash_string(name) };

	return hash_bytes(folder, sizeof(folder));
}

uint64_t inode_name_hash(const struct inode *dir, const char *name)
{
	return inode_name_hash_of(dir->dev, dir->ino, name);
}

int inodes_name_hash(struct inodes *t, struct inode *inode, uint64_t *ret_hash)
{
	LOCK_SCOPE(&t->mutex);
	if (!inode->parent)
		return -ESTALE;
	*ret_hash = inode_name_hash(inode->parent, inode->name);
	return 0;
}
