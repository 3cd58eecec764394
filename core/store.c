/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/fskind.h"
#include "core/record.h"
#include "core/salvage.h"
#include "core/statefile.h"
#include "core/timestamp.h"
#include "core/wait.h"

#define READ_AGAIN_FOR (2 * NSEC_PER_SEC) /* on a share that lags */
#define READ_AGAIN_PAUSE (20 * NSEC_PER_MSEC)
#define VOID_FOR (10 * NSEC_PER_SEC) /* then somebody has emptied it */

static const struct signature nowhere = { .size = UINT64_MAX }; /* no file's */

/* ---- which state of the file is this? ---- */

/* What a network share says of a name may be what it was told some seconds ago;
 * opening it, it has to ask. */
static int look(const struct store *s, struct stat *ret_st)
{
	_cleanup_close_ int fd = -1;

	if (!s->lags)
		return fstatat(s->dirfd, s->name, ret_st, AT_SYMLINK_NOFOLLOW);
	fd = openat(s->dirfd, s->name,
		    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 && errno != ENOENT)
		return fstatat(s->dirfd, s->name, ret_st, AT_SYMLINK_NOFOLLOW);
	return fd < 0 ? -1 : fstat(fd, ret_st);
}

static int sign(const struct store *s, struct signature *ret_signature)
{
	struct stat st;

	if (look(s, &st) == 0)
		*ret_signature = signature_of(&st);
	else if (errno == ENOENT)
		*ret_signature = (struct signature){};
	else
		return -errno;
	return 0;
}

/* Gives the file a time no other writer will give it. Not being its owner, we
 * may not; then the kernel's own time has to do. */
static void stamp(int fd)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT } };

	clock_gettime(CLOCK_REALTIME, &times[1]);
	futimens(fd, times);
}

/* ---- what a copy lacks ---- */

/* An entry comes or goes; NULL: there is none. */
static void note_others(struct store *s, const char *text, size_t len)
{
	if (!text || record_text_has_lease(text, len, s->tag))
		return;
	s->others++;
	s->others_dirty = true;
}

static void note_edits(struct store *s, const struct edit *edits, int n)
{
	for (int i = 0; i < n; i++) {
		stale_note(&s->spare_stale, &edits[i]);
		stale_note(&s->live_stale, &edits[i]);
	}
	s->dirty = true;
}

/* ---- reading ---- */

/* Whether there is no content, though there was when we last looked, or nobody
 * knows. */
static bool is_void(struct store *s, int r, const struct stat *st)
{
	if (!s->lags || !(r == -ENOENT || (r == 0 && st->st_size == 0)))
		return false;
	LOCK_SCOPE(&s->mutex);
	return !s->loaded || s->signature.size > 0;
}

/* On a network share a file another host has just replaced can be stale, short,
 * empty or missing for a moment. */
static int read_settled(struct store *s, struct buffer *ret_text,
			struct stat *ret_st)
{
	uint64_t until = clock_now() + READ_AGAIN_FOR;

	for (;;) {
		struct timespec pause = { .tv_nsec = READ_AGAIN_PAUSE };
		int r = statefile_read(s->dirfd, s->name, ret_text, ret_st);

		if (r != -ESTALE && r != -EAGAIN && !is_void(s, r, ret_st))
			return r;
		if (clock_now() >= until)
			return r == -EAGAIN ? -EIO : r;
		buffer_release(ret_text);
		clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
	}
}

/* Whether what was read is to be believed: not yet, if it was lost. */
static int check_void(struct store *s, const struct signature *now)
{
	bool lost = s->lags && s->loaded && s->signature.size > 0 &&
		    now->size == 0;

	if (!lost)
		s->void_since = 0;
	else if (!s->void_since)
		s->void_since = clock_now();
	return lost && clock_now() < s->void_since + VOID_FOR ? -EIO : 0;
}

/* Reads and parses; a missing file has no entries. */
static int read_entries(struct store *s, struct entries *ret_entries,
			struct signature *ret_signature)
{
	_cleanup_buffer_ struct buffer text = {};
	struct stat st = {};
	int r = read_settled(s, &text, &st);

	if (r < 0 && r != -ENOENT)
		return r;
	*ret_signature = r == 0 ? signature_of(&st) : (struct signature){};
	return entries_parse(ret_entries, &text);
}

/* ---- replacing ---- */

static void drop_spare(struct store *s)
{
	if (s->spare_fd < 0)
		return;
	close(s->spare_fd);
	s->spare_fd = -1;
	unlinkat(s->dirfd, s->spare_name, 0);
}

static void drop_files(struct store *s)
{
	drop_spare(s);
	if (s->live_fd >= 0)
		close(s->live_fd);
	s->live_fd = -1;
}

/* What is in memory is nothing anybody wrote. */
static void unload(struct store *s)
{
	LOCK_SCOPE(&s->mutex);
	s->loaded = false;
}

/* What is in memory is no longer in the file, but still the last good state. */
static void outdate(struct store *s)
{
	LOCK_SCOPE(&s->mutex);
	s->signature = nowhere;
}

/* What a file lacks that has nothing, or nothing but what was loaded. */
static struct stale all_stale(const struct store *s)
{
	struct stale stale = stale_all;

	stale.lasting = s->entries.n > s->entries.n_open;
	return stale;
}

/* A new spare, with nothing in it. */
static int make_spare(struct store *s)
{
	drop_spare(s);
	s->spare_stale = all_stale(s);
	return statefile_create(s->dirfd, s->spare_name, s->name, &s->spare_fd);
}

/* Whether the spare is still the file, and holds the text, that we left: who
 * ignores the file lock may have replaced or written it while it was live. */
static bool spare_is_ours(const struct store *s)
{
	struct stat st;

	return fstat(s->spare_fd, &st) == 0 && st.st_nlink == 1 &&
	       (uint64_t)st.st_size == s->spare_signature.size &&
	       signature_same_time(&st.st_mtim, &s->spare_signature.mtime);
}

/* A write lease means that nobody else has the file open, and that whoever
 * opens it now waits until we give it back. A signal tells us of him: one that
 * is ignored by default, where SIGIO would kill us. Giving a lease back makes
 * it SIGIO again (Linux, lease_modify()). */
static int lease_spare(struct store *s)
{
	if (!s->can_lease)
		return -EINVAL;
	if (fcntl(s->spare_fd, F_SETSIG, SIGURG) == 0 &&
	    fcntl(s->spare_fd, F_SETLEASE, F_WRLCK) == 0) {
		if (spare_is_ours(s))
			return 0;
		fcntl(s->spare_fd, F_SETLEASE, F_UNLCK);
		return -EAGAIN;
	}
	if (errno != EAGAIN && errno != EBUSY)
		s->can_lease = false;
	return -EAGAIN;
}

/* Leaves a spare that equals the text, by the cheapest way there is. */
static int write_spare(struct store *s, const struct buffer *text)
{
	int r;

	if (s->spare_fd >= 0 && lease_spare(s) == 0) {
		r = stale_write(s->spare_fd, s->spare_signature.size,
				&s->spare_stale, text);
		stamp(s->spare_fd);
		/* live with a lease on it, it would hang all who open it */
		if (fcntl(s->spare_fd, F_SETLEASE, F_UNLCK) < 0 && r == 0)
			r = -errno;
		return r;
	}
	r = make_spare(s);
	if (r == 0)
		r = stale_write(s->spare_fd, 0, &stale_all, text);
	if (r == 0)
		stamp(s->spare_fd);
	return r;
}

/* What was written is live now; the old file, if it was given its name, is
 * the spare. */
static void swap_files(struct store *s, bool exchanged)
{
	int old = s->live_fd;
	struct stat st;

	s->live_fd = s->spare_fd;
	s->spare_fd = old;
	s->spare_stale = s->live_stale;
	s->spare_signature = s->signature;
	if (!exchanged) {
		if (old >= 0)
			close(old);
		s->spare_fd = -1;
	} else if (old < 0) {
		s->spare_fd =
			openat(s->dirfd, s->spare_name,
			       O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
		s->spare_stale.tail = 0;
		if (s->spare_fd >= 0 && fstat(s->spare_fd, &st) == 0)
			s->spare_signature = signature_of(&st);
		else
			unlinkat(s->dirfd, s->spare_name, 0);
	}
}

static int rename_over(struct store *s)
{
	if (renameat(s->dirfd, s->spare_name, s->dirfd, s->name) < 0)
		return -errno;
	swap_files(s, false);
	return 0;
}

/* Puts the spare in the place of locks.json. */
static int publish(struct store *s)
{
	if (!s->can_exchange || !s->can_lease)
		return rename_over(s);
	if (renameat2(s->dirfd, s->spare_name, s->dirfd, s->name,
		      RENAME_EXCHANGE) == 0) {
		swap_files(s, true);
		return 0;
	}
	if (errno == EINVAL || errno == ENOSYS)
		s->can_exchange = false;
	else if (errno != ENOENT)
		return -errno;
	return rename_over(s);
}

/* Remembers which file it is that says what is in memory. Not by its name,
 * which somebody who ignores the file lock may have given to another. */
static void settle(struct store *s)
{
	struct stat st;
	bool known = fstat(s->live_fd, &st) == 0;

	LOCK_SCOPE(&s->mutex);
	if (known)
		s->signature = signature_of(&st);
	s->loaded =
		known; /* it is in the file all the same: to be read again */
	s->dirty = false;
	s->others_dirty = false;
}

static int flush_folder(struct store *s)
{
	if (fsync(s->dirfd) < 0)
		return -errno;
	s->swapped = false;
	return 0;
}

/* Whether what is written may be the last that is left of somebody's record, or
 * the first that tells of its end. */
static bool needs_care(const struct store *s)
{
	return s->entries.n_kept > 0 ||
	       (s->spare_fd >= 0 && s->spare_stale.lasting);
}

static int flush_spare(struct store *s)
{
	return fdatasync(s->spare_fd) < 0 ? -errno : 0;
}

static int replace(struct store *s, bool durable)
{
	bool careful = durable || needs_care(s);
	int r = 0;

	if (careful && s->swapped && s->spare_fd >= 0)
		r = flush_folder(s);
	if (r == 0)
		r = write_spare(s, &s->entries.text);
	if (r == 0 && (careful || needs_care(s) || s->lags)) /* may be new */
		r = flush_spare(s);
	if (r == 0)
		r = publish(s);
	s->swapped = true;
	if (r == 0 && durable)
		r = flush_folder(s);
	if (r == 0)
		settle(s);
	return r;
}

void store_discard(struct store *s)
{
	drop_files(s);
	unload(s);
	store_load(s); /* if this fails, so will the next load */
}

int store_commit(struct store *s, bool durable)
{
	int r = replace(s, durable);

	if (r == 0) {
		s->live_stale = stale_none;
		return 0;
	}
	store_discard(s);
	return r;
}

/* ---- damage ---- */

/* Takes the file's text if it is whole and newer than *newest. */
static void take_if_newer(struct store *s, const char *name,
			  struct timespec *newest, struct buffer *text)
{
	_cleanup_buffer_ struct buffer spare = {};
	_cleanup_entries_ struct entries whole = {};
	struct stat st;

	if (statefile_read(s->dirfd, name, &spare, &st) < 0 ||
	    st.st_mtim.tv_sec < newest->tv_sec ||
	    (st.st_mtim.tv_sec == newest->tv_sec &&
	     st.st_mtim.tv_nsec < newest->tv_nsec) ||
	    entries_parse(&whole, &spare) < 0)
		return;
	*newest = st.st_mtim;
	buffer_release(text);
	*text = whole.text;
	whole.text = (struct buffer){};
}

static int newest_spare(struct store *s, struct buffer *text)
{
	int fd = openat(s->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct timespec newest = {};
	struct dirent *d;
	size_t len = strlen(s->name);

	if (!dir) {
		int r = -errno;

		if (fd >= 0)
			close(fd);
		return r;
	}
	while ((d = readdir(dir)))
		if (!strncmp(d->d_name, s->name, len) &&
		    !strncmp(d->d_name + len, STORE_SPARE, strlen(STORE_SPARE)))
			take_if_newer(s, d->d_name, &newest, text);
	closedir(dir);
	return 0;
}

static int salvage(const struct store *s, struct entries *e)
{
	_cleanup_buffer_ struct buffer text = {};
	struct stat st;

	if (statefile_read(s->dirfd, s->name, &text, &st) < 0)
		return 0; /* nothing to be had of it */
	return salvage_entries(e, &text);
}

static int last_good_state(struct store *s, struct entries *ret_entries)
{
	_cleanup_buffer_ struct buffer text = {};
	_cleanup_entries_ struct entries e = {};
	int r = s->loaded ? buffer_append(&text, s->entries.text.data,
					  s->entries.text.len)
			  : newest_spare(s, &text);

	if (r == 0)
		r = entries_parse(&e, &text);
	if (r == 0 && !s->loaded)
		r = salvage(s, &e);
	if (r < 0)
		return r;
	*ret_entries = e;
	e = (struct entries){};
	return 0;
}

static void name_damaged(struct store *s)
{
	char now[TIMESTAMP_SIZE];

	timestamp_now(now);
	now[strcspn(now, "+")] = '\0';
	snprintf(s->damaged_name, sizeof(s->damaged_name), "%.200s.damaged-%s",
		 s->name, now);
}

static void set_entries(struct store *s, struct entries *e,
			const struct signature *signature)
{
	struct entries old;

	pthread_mutex_lock(&s->mutex);
	old = s->entries;
	s->entries = *e;
	s->signature = *signature;
	s->loaded = true;
	s->dirty = false;
	s->others++;
	s->others_dirty = false;
	pthread_mutex_unlock(&s->mutex);
	*e = old;
	s->spare_stale = all_stale(s);
	s->live_stale = all_stale(s);
}

/* The damaged file keeps its name until the good one has it: nobody finds
 * nothing there. */
static int mend(struct store *s)
{
	_cleanup_entries_ struct entries good = {};
	int r = last_good_state(s, &good);
	bool linked;

	if (r < 0)
		return r;
	name_damaged(s);
	linked = linkat(s->dirfd, s->name, s->dirfd, s->damaged_name, 0) == 0;
	if (!linked &&
	    renameat(s->dirfd, s->name, s->dirfd, s->damaged_name) < 0)
		return -errno;
	set_entries(s, &good, &nowhere);
	r = make_spare(s);
	if (r == 0)
		r = stale_write(s->spare_fd, 0, &stale_all, &s->entries.text);
	if (r == 0) {
		stamp(s->spare_fd);
		r = flush_spare(s);
	}
	if (r == 0)
		r = rename_over(s);
	if (r == 0)
		settle(s);
	if (r < 0 && linked)
		unlinkat(s->dirfd, s->damaged_name, 0);
	else if (r < 0)
		renameat(s->dirfd, s->damaged_name, s->dirfd, s->name);
	return r == 0 ? STORE_MENDED : r;
}

int store_load(struct store *s)
{
	_cleanup_entries_ struct entries e = {};
	struct signature now;
	int r = sign(s, &now);

	if (r < 0)
		return r;
	if (s->loaded && signature_same(&now, &s->signature))
		return 0;
	drop_files(s); /* attributes may have changed as well */
	r = read_entries(s, &e, &now);
	if (r == -EBADMSG)
		return mend(s);
	if (r == 0)
		r = check_void(s, &now);
	if (r < 0) {
		outdate(s);
		return r;
	}
	set_entries(s, &e, &now);
	return STORE_CHANGED;
}

/* ---- edits, copies, life ---- */

const char *store_find(const struct store *s, const char *key, size_t *ret_len)
{
	const struct entry *entry = entries_find(&s->entries, key);

	*ret_len = 0;
	return entry ? entries_value(&s->entries, entry, ret_len) : NULL;
}

int store_put(struct store *s, const char *key, const char *value, size_t len)
{
	struct edit edits[2];
	const char *old;
	size_t old_len;
	int n;

	LOCK_SCOPE(&s->mutex);
	old = store_find(s, key, &old_len);
	note_others(s, old, old_len);
	n = entries_put(&s->entries, key, value, len, edits);
	if (n < 0)
		return n;
	note_others(s, value, len);
	note_edits(s, edits, n);
	return 0;
}

void store_remove(struct store *s, const char *key)
{
	struct edit edit;
	const char *old;
	size_t len;

	LOCK_SCOPE(&s->mutex);
	old = store_find(s, key, &len);
	note_others(s, old, len);
	if (entries_remove(&s->entries, key, &edit))
		note_edits(s, &edit, 1);
}

/* Returns 1 with a copy of what is in memory, if that is what is in the file,
 * else 0. */
static int copy_memory(struct store *s, const struct signature *now,
		       struct buffer *ret_text)
{
	LOCK_SCOPE(&s->mutex);
	if (!s->loaded || s->dirty || !signature_same(now, &s->signature))
		return 0;
	return buffer_append(ret_text, s->entries.text.data,
			     s->entries.text.len) < 0
		       ? -ENOMEM
		       : 1;
}

int store_copy(struct store *s, struct entries *ret_entries,
	       struct signature *ret_signature)
{
	_cleanup_buffer_ struct buffer text = {};
	struct signature now;
	int r = sign(s, &now);

	if (r == 0)
		r = copy_memory(s, &now, &text);
	if (r < 0)
		return r;
	if (r > 0) {
		*ret_signature = now;
		return entries_parse(ret_entries, &text);
	}
	for (int tries = 0; tries < 5; tries++) {
		struct timespec pause = { .tv_nsec = READ_AGAIN_PAUSE };

		r = read_entries(s, ret_entries, ret_signature);
		if (r != -EBADMSG)
			return r;
		/* a writer that writes in place is at it */
		clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
	}
	return r;
}

int store_copy_known(struct store *s, struct entries *ret_entries,
		     struct signature *ret_signature)
{
	_cleanup_buffer_ struct buffer text = {};
	int r;

	pthread_mutex_lock(&s->mutex);
	r = buffer_append(&text, s->entries.text.data, s->entries.text.len);
	pthread_mutex_unlock(&s->mutex);
	*ret_signature = nowhere;
	return r == 0 ? entries_parse(ret_entries, &text) : r;
}

int store_peek(struct store *s, const char *key, struct buffer *ret_text)
{
	const struct entry *entry;
	struct signature now;
	const char *value;
	size_t len;
	int r = sign(s, &now);

	if (r < 0)
		return r;
	LOCK_SCOPE(&s->mutex);
	if (!s->loaded || s->dirty || !signature_same(&now, &s->signature))
		return -EAGAIN;
	entry = entries_find(&s->entries, key);
	if (!entry)
		return 0;
	value = entries_value(&s->entries, entry, &len);
	return buffer_append(ret_text, value, len) < 0 ? -ENOMEM : 1;
}

bool store_is_current(const struct store *s, const struct signature *signature)
{
	struct signature now;

	return sign(s, &now) == 0 && signature_same(&now, signature);
}

uint64_t store_others(struct store *s)
{
	struct signature now;

	if (sign(s, &now) < 0)
		return 0;
	LOCK_SCOPE(&s->mutex);
	return s->loaded && !s->others_dirty &&
			       signature_same(&now, &s->signature)
		       ? s->others
		       : 0;
}

int store_init(struct store *s, int dirfd, const char *name, const char *tag)
{
	*s = (struct store){
		.dirfd = dirfd,
		.name = strdup(name),
		.tag = strdup(tag),
		.lags = !fskind_is_local(dirfd),
		.can_exchange = true,
		.can_lease = true,
		.live_fd = -1,
		.spare_fd = -1,
		.spare_stale = stale_all,
		.live_stale = stale_all,
	};
	if (asprintf(&s->spare_name, "%s" STORE_SPARE "%s", name, tag) < 0)
		s->spare_name = NULL;
	if (!s->name || !s->spare_name || !s->tag) {
		free(s->name);
		free(s->tag);
		free(s->spare_name);
		s->name = NULL;
		return -ENOMEM;
	}
	pthread_mutex_init(&s->mutex, NULL);
	return 0;
}

void store_release(struct store *s)
{
	drop_files(s);
	entries_release(&s->entries);
	pthread_mutex_destroy(&s->mutex);
	free(s->name);
	free(s->spare_name);
	free(s->tag);
}

void store_remove_spare(const struct store *s, const char *tag)
{
	_cleanup_free_ char *name = NULL;

	if (asprintf(&name, "%s" STORE_SPARE "%s", s->name, tag) < 0)
		name = NULL;
	else
		unlinkat(s->dirfd, name, 0);
}
