/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * User names by id and ids by name, remembered for a minute.
 *
 * The system's look-up (NSS) may ask a server and hang; it is made with no
 * mutex held, so that it delays only who needs the answer.
 */
#ifndef CORE_USERS_H
#define CORE_USERS_H

#include <sys/types.h>

#define USER_NAME_SIZE 256

struct users;

int users_open(struct users **ret_users);
void users_free(struct users *u);

/* The name of a user; his number if he has none. */
void users_name(struct users *u, uid_t uid, char name[USER_NAME_SIZE]);

/* The id for a name, or for a number that stands for one; `nobody` (65534) if
 * there is no such user. */
uid_t users_id(struct users *u, const char *name);

#endif
