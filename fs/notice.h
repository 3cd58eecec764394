/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the registry notices by itself (core/registry.h), and people are told.
 */
#ifndef FS_NOTICE_H
#define FS_NOTICE_H

#include "fs/camfs.h"

/* For registry_options. `camfs` is a struct camfs. */
bool notice_was_replaced(void *camfs, const char *path);
void notice_event(void *camfs, const struct registry_event *event);

#endif
