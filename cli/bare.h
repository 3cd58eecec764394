/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The records of a share without a mount: the registry itself, as an observer.
 */
#ifndef CLI_BARE_H
#define CLI_BARE_H

#include "cli/place.h"
#include "core/registry.h"

#define LOCK_WAIT_MS 5000

struct bare {
	struct registry *registry;
	int locks_dir;	   /* where locks.json is */
	const char *name;  /* there; borrowed */
	char *shown;	   /* for messages */
	bool is_elsewhere; /* locks_dir is ours to close */
};

/* `locks` is where locks.json is, if it is not the share's own; or NULL.
 * Returns DONE, or says what is wrong and returns an exit status. */
int bare_open(struct bare *ret_bare, const struct place *place,
	      const char *locks);
void bare_close(struct bare *b);

/* Which machine this is, as mounts write it into records. */
const char *bare_host(void);

#define _cleanup_bare_ __attribute__((cleanup(bare_close)))

#endif
