/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How people read a line of the history.
 */
#ifndef CLI_EVENT_H
#define CLI_EVENT_H

#include "core/event.h"

/* Appends a line without its end, harmless to a terminal; refusals are red if
 * it may be `coloured`. */
int event_format(struct buffer *b, const struct event *e, bool coloured);

#endif
