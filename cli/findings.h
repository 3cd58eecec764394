/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What `camlock doctor` found.
 */
#ifndef CLI_FINDINGS_H
#define CLI_FINDINGS_H

#include <stdbool.h>
#include <stddef.h>

enum level {
	LEVEL_OK,
	LEVEL_NOTE,    /* as it is meant, but good to know */
	LEVEL_WARNING, /* it will do harm, or hides what does */
	LEVEL_PROBLEM, /* it does not work, or protects nobody */
};

struct findings {
	struct finding {
		enum level level;
		const char *check;  /* its name, for programs */
		char *what;	    /* one sentence */
		const char *advice; /* what to do; NULL if nothing */
	} * list;
	size_t n;
	bool incomplete; /* out of memory */
};

void find(struct findings *f, enum level level, const char *check,
	  const char *advice, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/* Whether anything is worse than a note. */
bool findings_are_bad(const struct findings *f);

/* To standard output; out of memory is told as false. */
void findings_print(const struct findings *f);
bool findings_print_json(const struct findings *f);
void findings_release(struct findings *f);

#define _cleanup_findings_ __attribute__((cleanup(findings_release)))

#endif
