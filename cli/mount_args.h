/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The options of `camlock mount`: as long options, and as mount(8) and fstab
 * hand them on, behind -o.
 *
 * -o takes our long options without their dashes, `lock-timeout=2,locks=/x`,
 * with "\," for a comma in a value; the flags that the kernel takes; and the
 * words that mean something to mount(8) only, which are dropped.
 */
#ifndef CLI_MOUNT_ARGS_H
#define CLI_MOUNT_ARGS_H

#include <stdbool.h>

#include "core/buffer.h"
#include "fs/mount.h"

struct mount_args {
	struct mount_options options; /* what it points to is below, or argv */
	bool foreground;
	bool json;
	bool fake;   /* mount(8) -f: all but the mount itself */
	bool sloppy; /* mount(8) -s: unknown words in -o are dropped */
	char *share;
	char *mountpoint;
	char *locks;
	char *metrics;
	char *registry;
	char *on_event;
	struct buffer flags;
};

void mount_args_init(struct mount_args *a);
void mount_args_release(struct mount_args *a);

/* One of our options by its long name; `value` is NULL for those without.
 * Returns DONE; or says what is wrong and returns USAGE, or TROUBLE. */
int mount_args_set(struct mount_args *a, const char *name, const char *value);

/* Whether that is an option for fstab: the kernel's, mount(8)'s or ours; its
 * value is not looked at. */
bool mount_args_knows(const char *word);

/* What stands behind one -o. */
int mount_args_add(struct mount_args *a, const char *list);

/* Makes share, mountpoint and locks absolute. Whether they will do, is for
 * mount_run() to say. Returns DONE, or an exit status. */
int mount_args_resolve(struct mount_args *a);

#endif
