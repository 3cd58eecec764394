/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Text for people: tables and times of day. Needs a UTF-8 LC_CTYPE.
 */
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

#include <stdbool.h>
#include <time.h>

#include "core/buffer.h"

/* Columns on a terminal; `text` went through escape_append(). */
int text_width(const char *text);

/* Rows of cells, added one after the other, escaped on the way in. */
struct table {
	size_t columns;
	struct cell {
		char *text;
		const char *colour; /* or NULL */
	} * cells;
	size_t n_cells;
	size_t cap;
};

/* NULL and "" become "-". Returns 0 or -ENOMEM. */
int table_add(struct table *t, const char *cell);

/* The last cell is of that colour. */
void table_colour(struct table *t, const char *colour);

/* To standard output, columns aligned, two blanks between them. */
void table_print(const struct table *t);
void table_release(struct table *t);

#define _cleanup_table_ __attribute__((cleanup(table_release)))

/* Colours, for what must not be overlooked. Only where people look on, and
 * want them: see https://no-color.org. */
#define COLOUR_RED "\033[31m"
#define COLOUR_YELLOW "\033[33m"
#define COLOUR_END "\033[0m"
bool text_is_coloured(void);

/* A timestamp of locks.json as local time, "2026-11-23 15:58:35". Returns
 * false, with text empty, if it is no timestamp. */
#define LOCAL_SIZE 32
#define LOCAL_DAY 10	 /* so many bytes of it are the day, */
#define LOCAL_MINUTES 16 /* and these leave only the seconds out */
bool local_time(char text[LOCAL_SIZE], const char *timestamp);

#endif
