/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A lease: the proof that a mount lives.
 *
 * Each mount makes a file of its own, `.camlock/leases/ID`, and holds the file
 * lock on it for as long as it lives; its records name the ID. The kernel (or
 * the share's lock manager) frees the lock when the holder is gone, however it
 * went. So a record is stale exactly when the lock on its lease can be had, or
 * the file is gone. No pid is asked and no clock compared.
 */
#ifndef CORE_LEASE_H
#define CORE_LEASE_H

#include <stdbool.h>

#define LEASE_ID_SIZE 160

/* What lease_probe() found. */
#define LEASE_STALE 0
#define LEASE_LIVE 1

struct lease {
	int dirfd; /* .camlock/leases; borrowed */
	int fd;
	char id[LEASE_ID_SIZE]; /* a file name: host and random digits */
};

/* Makes and locks a new lease. Until it is locked it looks stale: who removes
 * stale leases must be kept out by the caller. Returns 0 or -errno. */
int lease_open(struct lease *ret_lease, int dirfd, const char *host);

/* Gives it up; the records that name it are stale from now on. */
void lease_close(struct lease *l);

/* Whether an id could be one of ours: it comes from a file anybody may have
 * written, and becomes a file name. */
bool lease_id_is_valid(const char *id);

/* LEASE_STALE, LEASE_LIVE, or -errno when there is no telling. */
int lease_probe(int dirfd, const char *id);

/* Removes the file of a stale lease. */
void lease_remove(int dirfd, const char *id);

#endif
