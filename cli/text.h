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
	char **cells;
	size_t n_cells;
	size_t cap;
};

/* NULL and "" become "-". Returns 0 or -ENOMEM. */
int table_add(struct table *t, const char *cell);

/* To standard output, columns aligned, two blanks between them. */
void table_print(const struct table *t);
void table_release(struct table *t);

#define _cleanup_table_ __attribute__((cleanup(table_release)))

/* A timestamp of locks.json as local time, "2026-11-23 15:58:35". Returns
 * false, with text empty, if it is no timestamp. */
#define LOCAL_SIZE 32
#define LOCAL_DAY 10	 /* so many bytes of it are the day, */
#define LOCAL_MINUTES 16 /* and these leave only the seconds out */
bool local_time(char text[LOCAL_SIZE], const char *timestamp);

#endif
