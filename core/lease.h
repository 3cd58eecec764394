/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A lease: the proof that a mount lives.
 *
 * Each mount makes a file of its own, `.camlock/leases/ID`, and holds the file
 * lock on it for as long as it lives; its records name the ID. The kernel (or
 * the share's lock manager) frees the lock when the holder is gone, however it
 * went. So while the lock is held the mount lives, and no clock is compared.
 *
 * When the lock can be had:
 *  - on a disk of this machine, the mount is gone: its kernel says so;
 *  - on a network share it may only be cut off from the share's lock manager,
 *    and its programs still write. It is gone if it was on this machine, and
 *    its process is not there (core/station.h: that is what is in the file).
 *    Else there is no proof. So there the holder beats: every tenth of
 *    `silence_ms` it looks whether the lease is still its own, takes the lock
 *    again, and publishes the next number in `.camlock/leases/.ID`. Who wants
 *    what it has watches that number: core/witness.h.
 */
#ifndef CORE_LEASE_H
#define CORE_LEASE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/station.h"

#define LEASE_ID_SIZE 160
#define LEASE_SILENCE_MS 30000 /* where it is not said */

/* What lease_probe() found. */
#define LEASE_STALE 0
#define LEASE_LIVE 1
#define LEASE_SILENT 2 /* its lock can be had, which proves nothing */

/* And what is thought of it, beside LEASE_STALE and LEASE_LIVE: core/witness.h.
 */
#define LEASE_GIVEN_UP 3

struct lease {
	int dirfd; /* .camlock/leases; borrowed */
	int fd;
	char id[LEASE_ID_SIZE]; /* a file name: host and random digits */
	struct station station; /* what is in the file */
	uint64_t beat;		/* the number last published */
};

/* Makes and locks a new lease; with `silence_ms` it is to beat. Until it is
 * locked it looks stale: who removes stale leases must be kept out by the
 * caller. Returns 0 or -errno. */
int lease_open(struct lease *ret_lease, int dirfd, const char *host,
	       unsigned silence_ms);

/* Gives it up; the records that name it are stale from now on. */
void lease_close(struct lease *l);

/* Whether somebody has removed the file, or put another in its place. */
bool lease_is_removed(const struct lease *l);

/* One beat, which may hang as long as the share. Returns 0; -ESTALE if the file
 * is gone, for lease_renew(); -EWOULDBLOCK if another has the lock; or another
 * -errno. */
int lease_beat(struct lease *l);

/* Makes the file anew if it is gone, and locks it. As for lease_open(), who
 * removes stale leases must be kept out. Returns 0, -EWOULDBLOCK if another has
 * the lock, or another -errno. */
int lease_renew(struct lease *l);

/* A new id. */
void lease_make_id(char id[LEASE_ID_SIZE], const char *host);

/* Whether an id could be one of ours: it comes from a file anybody may have
 * written, and becomes a file name. */
bool lease_id_is_valid(const char *id);

/* Returns one of the outcomes above, or -errno when there is no telling. With
 * LEASE_SILENT ret_silence_ms, which may be NULL, is how long it must have been
 * silent to be given up; 0 if its file is gone, so that nobody knows. */
int lease_probe(int dirfd, const char *id, unsigned *ret_silence_ms);

/* The number last published; 0 if there is none. Returns 0 or -errno, and then
 * it is not known. */
int lease_read_beat(int dirfd, const char *id, uint64_t *ret_beat);

/* Removes the file of a stale lease. */
void lease_remove(int dirfd, const char *id);

#endif
