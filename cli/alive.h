/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whether the mount behind a record is still there.
 */
#ifndef CLI_ALIVE_H
#define CLI_ALIVE_H

#include "cli/records.h"
#include "core/alive.h"

/* The mount that wrote an open record. */
enum alive_mount {
	MOUNT_NONE,    /* it is a kept one, and needs none */
	MOUNT_UNKNOWN, /* that can't be seen from here */
	MOUNT_LIVES,
	MOUNT_GONE, /* the record holds nothing */
};

enum alive_mount alive_mount(const struct record_at *at);

/* As --json spells them; NULL for the first. */
const char *alive_mount_name(enum alive_mount m);

#endif
