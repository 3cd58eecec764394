/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/text.h"
#include "core/cleanup.h"
#include "core/escape.h"
#include "core/json.h"

static const char *const level_names[] = {
	[LEVEL_OK] = "ok",
	[LEVEL_NOTE] = "note",
	[LEVEL_WARNING] = "warning",
	[LEVEL_PROBLEM] = "problem",
};

static const char *const colours[] = {
	[LEVEL_OK] = "",
	[LEVEL_NOTE] = "",
	[LEVEL_WARNING] = COLOUR_YELLOW,
	[LEVEL_PROBLEM] = COLOUR_RED,
};

void find(struct findings *f, enum level level, const char *check,
	  const char *advice, const char *format, ...)
{
	struct finding *list = reallocarray(f->list, f->n + 1, sizeof(*list));
	va_list ap;
	char *what;
	int r;

	if (list)
		f->list = list;
	va_start(ap, format);
	r = vasprintf(&what, format, ap);
	va_end(ap);
	if (!list || r < 0) {
		f->incomplete = true;
		return;
	}
	f->list[f->n++] = (struct finding){ level, check, what, advice };
}

bool findings_are_bad(const struct findings *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->list[i].level >= LEVEL_WARNING)
			return true;
	return false;
}

static void print_one(const struct finding *one)
{
	_cleanup_buffer_ struct buffer safe = {};
	bool coloured = text_is_coloured() && *colours[one->level];

	if (escape_append(&safe, one->what) < 0)
		return;
	printf("%s%s%s: %s\n", coloured ? colours[one->level] : "",
	       level_names[one->level], coloured ? COLOUR_END : "", safe.data);
	if (one->advice)
		printf("    %s\n", one->advice);
}

/* The worst first. */
void findings_print(const struct findings *f)
{
	for (int level = LEVEL_PROBLEM; level >= LEVEL_OK; level--)
		for (size_t i = 0; i < f->n; i++)
			if ((int)f->list[i].level == level)
				print_one(&f->list[i]);
}

static int append_one(struct buffer *b, const struct finding *one)
{
	const struct json_field fields[] = {
		{ "level", level_names[one->level] },
		{ "check", one->check },
		{ "what", one->what },
		{ "advice", one->advice },
	};
	int r = buffer_append(b, "{", 1);

	if (r == 0)
		r = json_append_fields(b, fields,
				       sizeof(fields) / sizeof(*fields));
	return r == 0 ? buffer_append_string(b, "}") : r;
}

bool findings_print_json(const struct findings *f)
{
	for (size_t i = 0; i < f->n; i++) {
		_cleanup_buffer_ struct buffer b = {};

		if (append_one(&b, &f->list[i]) < 0)
			return false;
		printf("%s\n  %s", i ? "," : "[", b.data);
	}
	puts(f->n ? "\n]" : "[]");
	return !f->incomplete;
}

void findings_release(struct findings *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->list[i].what);
	free(f->list);
}
