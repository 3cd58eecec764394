/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Who is behind an smbd.
 *
 * Samba forks one smbd for each client connection. It takes on the user's ids
 * for what it does, but some things (attributes) it does as root for him. So
 * an owner behind Samba is the user and that smbd process, his seat; and what
 * root does there is done by the user who was last seen there.
 *
 * Which machine the connection comes from ("" if it isn't told), and who it is
 * if only root has been seen yet, smbstatus(1) tells (Samba 4.17 and later).
 * It is asked once for each smbd, or a few times if it gives no answer.
 */
#ifndef FS_SAMBA_H
#define FS_SAMBA_H

#include <stdbool.h>

#include "core/process.h"

#define SAMBA_SEAT_SIZE 40
#define SAMBA_CLIENT_SIZE 64

struct samba_seat {
	char id[SAMBA_SEAT_SIZE]; /* "PID-STARTTIME"; "" if it is no smbd */
	char client[SAMBA_CLIENT_SIZE];
	uid_t uid; /* on whose behalf */
};

struct samba;

int samba_open(struct samba **ret_samba);
void samba_free(struct samba *s); /* NULL-safe */

/* Whether it goes by that name: smbd, or smbd[1.2.3.4] where it sets a title.
 * A user may call a program of his own so: then he has a seat of his own, too,
 * and no more than that. */
bool samba_is_smbd(const struct process *process);

/* Whether the process is an smbd, and then who is behind what it does as
 * `uid`. The first time for a process it may take some 100 ms. */
bool samba_find(struct samba *s, const struct process *process, uid_t uid,
		struct samba_seat *ret_seat);

#endif
