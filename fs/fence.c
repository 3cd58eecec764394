/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/fence.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "core/beneath.h"
#include "core/cleanup.h"
#include "core/recovered.h"
#include "core/writers.h"
#include "fs/creds.h"
#include "fs/log.h"
#include "fs/stale_save.h"
#include "fs/watch.h"

#define ENTRY_SIZE (64 << 10)
#define GROUPS_MAX 65536 /* Linux allows no more */
#define NO_GROUP ((gid_t)65534)

/* ---- whether ---- */

bool fence_is_needed(struct camfs *fs, const char *path,
		     const struct seizure *s)
{
	const struct record *was = &s->was;

	if (s->writer)
		return true;
	if (record_is_open(was)
		    ? strcmp(was->lease, registry_lease(fs->registry)) != 0
		    : fs->share.is_network ||
			      (was->host && strcmp(was->host, fs->host) != 0))
		return true;
	return writers_exist_at(fs->share.root_fd, path);
}

/* ---- whose it is then ---- */

/* All groups of a user, on the heap; what they are, if he has none. */
static int groups_of(const char *user, gid_t *ret_gid, gid_t **ret_groups)
{
	_cleanup_free_ char *text = malloc(ENTRY_SIZE);
	_cleanup_free_ gid_t *groups = NULL;
	struct passwd entry, *found = NULL;
	int n = 64;

	*ret_gid = NO_GROUP;
	if (!text || getpwnam_r(user, &entry, text, ENTRY_SIZE, &found) != 0 ||
	    !found)
		return 0;
	*ret_gid = entry.pw_gid;
	for (int room = n; room <= GROUPS_MAX; room = n) {
		free(groups);
		groups = calloc((size_t)room, sizeof(*groups));
		if (!groups)
			return 0;
		if (getgrouplist(user, entry.pw_gid, groups, &n) >= 0) {
			*ret_groups = take_ptr(groups);
			return n;
		}
		if (n <= room)
			return 0;
	}
	return 0;
}

/* Asks the share, as him. */
static bool could_write(const struct camfs *fs, const char *path,
			const char *user, uid_t uid)
{
	_cleanup_free_ gid_t *groups = NULL;
	_cleanup_close_ int fd = -1;
	gid_t gid;
	int n = groups_of(user, &gid, &groups);

	CREDS_USER_GROUPS_SCOPE(uid, gid, n, groups);
	fd = beneath_open(fs->share.root_fd, path, O_PATH, 0);
	return fd >= 0 &&
	       faccessat(fd, "", R_OK | W_OK, AT_EACCESS | AT_EMPTY_PATH) == 0;
}

/* Who has it open through this mount, the kernel has let. */
static uid_t owner_of(struct camfs *fs, const char *path, const char *user,
		      bool has_it_open)
{
	uid_t uid = users_id(fs->users, user);

	if (has_it_open || could_write(fs, path, user, uid))
		return uid;
	log_warning("'%s' is no file of %s's, whatever the record says: what "
		    "is set aside stays the daemon's",
		    path, user);
	return geteuid();
}

int fence_set_aside(struct camfs *fs, const char *path, const struct seizure *s,
		    struct buffer *recovered)
{
	_cleanup_free_ char *name = NULL;
	struct seen_version before = stale_save_version_at(fs, path);
	struct record rec = s->was;
	int r;

	if (s->writer)
		rec.user = s->writer;
	r = recovered_set_aside(fs->share.root_fd, fs->share.state_fd, path,
				rec.user,
				owner_of(fs, path, rec.user, s->writer), &name);

	if (r <= 0)
		return r;
	stale_save_copied(fs, path, &before);
	watcher_tell_replaced(fs->watcher, path);
	if (buffer_append(recovered, path, strlen(path) + 1) < 0 ||
	    buffer_append(recovered, name, strlen(name) + 1) < 0)
		buffer_release(recovered);
	log_warning("recovered '%s': what %s still writes to it goes to "
		    "'" STATE_NAME "/" RECOVERED_DIR "/%s'",
		    path, rec.user, name);
	rec.message = name;
	history_append(&fs->history, HISTORY_RECOVERED, path, &rec, NULL);
	return 0;
}
