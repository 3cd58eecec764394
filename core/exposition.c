/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/exposition.h"

#include "core/cleanup.h"
#include "core/escape.h"

static void put(struct exposition *x, const char *text)
{
	if (x->error == 0)
		x->error = buffer_append_string(x->b, text);
}

/* A label's value. It must be UTF-8, which escape_append() sees to. */
static void put_label(struct exposition *x, const char *name, const char *value)
{
	_cleanup_buffer_ struct buffer safe = {};

	put(x, name);
	put(x, "=\"");
	if (x->error == 0)
		x->error = escape_append(&safe, value);
	for (const char *at = safe.data; x->error == 0 && *at; at++) {
		if (*at == '"' || *at == '\\')
			put(x, "\\");
		if (x->error == 0)
			x->error = buffer_append(x->b, at, 1);
	}
	put(x, "\"");
}

void exposition_family(struct exposition *x, const char *name, const char *type,
		       const char *help)
{
	if (x->error == 0)
		x->error = buffer_printf(x->b, "# HELP %s %s\n# TYPE %s %s\n",
					 name, help, name, type);
}

void exposition_value(struct exposition *x, const char *name, const char *label,
		      const char *label_value, double value)
{
	put(x, name);
	put(x, "{");
	put_label(x, "share", x->share);
	if (label) {
		put(x, ",");
		put_label(x, label, label_value);
	}
	if (x->error == 0)
		x->error = buffer_printf(x->b, "} %.15g\n", value);
}

void exposition_records(struct exposition *x,
			const struct exposition_records *n)
{
	static const char name[] = "camlock_records";

	exposition_family(x, name, "gauge",
			  "What is checked out just now; stale: its mount is "
			  "gone, it holds nothing.");
	exposition_value(x, name, "kind", "open", (double)n->open);
	exposition_value(x, name, "kind", "kept", (double)n->kept);
	exposition_value(x, name, "kind", "stale", (double)n->stale);
}
