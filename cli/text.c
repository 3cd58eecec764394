/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

#include "core/cleanup.h"
#include "core/escape.h"
#include "core/timestamp.h"

int text_width(const char *text)
{
	size_t len = mbstowcs(NULL, text, 0);
	_cleanup_free_ wchar_t *wide = NULL;
	int width = -1;

	if (len != (size_t)-1)
		wide = calloc(len + 1, sizeof(*wide));
	if (wide && mbstowcs(wide, text, len + 1) == len)
		width = wcswidth(wide, len);
	return width >= 0 ? width : (int)strlen(text);
}

int table_add(struct table *t, const char *cell)
{
	_cleanup_buffer_ struct buffer safe = {};

	if (t->n_cells == t->cap) {
		size_t cap = t->cap ? 2 * t->cap : 64;
		struct cell *cells =
			reallocarray(t->cells, cap, sizeof(*cells));

		if (!cells)
			return -ENOMEM;
		t->cells = cells;
		t->cap = cap;
	}
	if (escape_append(&safe, cell && *cell ? cell : "-") < 0)
		return -ENOMEM;
	t->cells[t->n_cells].text = take_ptr(safe.data);
	t->cells[t->n_cells++].colour = NULL;
	return 0;
}

void table_colour(struct table *t, const char *colour)
{
	t->cells[t->n_cells - 1].colour = colour;
}

static int column_width(const struct table *t, size_t column)
{
	int widest = 0;

	for (size_t i = column; i < t->n_cells; i += t->columns) {
		int width = text_width(t->cells[i].text);

		if (width > widest)
			widest = width;
	}
	return widest;
}

void table_print(const struct table *t)
{
	_cleanup_free_ int *widths = calloc(t->columns, sizeof(*widths));

	for (size_t c = 0; widths && c < t->columns; c++)
		widths[c] = column_width(t, c);
	for (size_t i = 0; i < t->n_cells; i++) {
		size_t column = i % t->columns;
		const struct cell *cell = &t->cells[i];
		int pad = widths ? widths[column] - text_width(cell->text) : 0;

		if (cell->colour)
			fputs(cell->colour, stdout);
		fputs(cell->text, stdout);
		if (cell->colour)
			fputs(COLOUR_END, stdout);
		if (column + 1 < t->columns)
			printf("%*s", pad + 2, "");
		else
			putchar('\n');
	}
}

void table_release(struct table *t)
{
	for (size_t i = 0; i < t->n_cells; i++)
		free(t->cells[i].text);
	free(t->cells);
}

bool text_is_coloured(void)
{
	const char *unwanted = getenv("NO_COLOR");

	return isatty(STDOUT_FILENO) && (!unwanted || !*unwanted);
}

bool local_time(char text[LOCAL_SIZE], const char *timestamp)
{
	struct timespec when;
	struct tm tm;

	text[0] = '\0';
	return timestamp && timestamp_parse(timestamp, &when) == 0 &&
	       localtime_r(&when.tv_sec, &tm) &&
	       strftime(text, LOCAL_SIZE, "%F %T", &tm) > 0;
}
