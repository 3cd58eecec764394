/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Waiting until a share's records or its history have changed.
 *
 * A mount tells: `.locks/.camlock/changes` can be polled. On a bare share
 * somebody must look, twice a second.
 */
#ifndef CLI_CHANGES_H
#define CLI_CHANGES_H

#include <signal.h>
#include <stdbool.h>

#include "cli/place.h"
#include "core/signature.h"
#include "core/wait.h"

struct changes {
	const struct place *place; /* borrowed, as is: */
	const char *locks;	   /* of a bare share; or NULL */
	int fd;			   /* of a mount; else -1 */
	bool for_reader; /* nobody to read standard output is an end, too */
	struct signature records;
	struct signature history;
};

/* Returns DONE, or says what is wrong and returns an exit status. */
int changes_open(struct changes *ret_changes, const struct place *place,
		 const char *locks);
void changes_close(struct changes *c);

/* Waits until something has changed since changes_open() or the last time, or
 * may have, or it is `deadline` (of clock_now()). Some changes nobody is told
 * of, like a mount's death: who waits for one looks every two seconds. `mask`
 * is the signals' while it waits; NULL: as it is. Returns 1, 0 when it is time,
 * -EINTR, -EPIPE (no reader), or another -errno. */
int changes_wait(struct changes *c, uint64_t deadline, const sigset_t *mask);

/* Says that the share does not answer. Returns TROUBLE. */
int changes_failed(const struct changes *c, int error);

#define _cleanup_changes_ __attribute__((cleanup(changes_close)))

#endif
