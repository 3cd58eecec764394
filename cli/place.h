/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From a PATH somebody names to the share it is about: which mount or bare
 * share it lies in, and what it is called there.
 *
 * PATH may be a mountpoint, a share (a folder with `.camlock` in it), or
 * anything below one, there or not. What is below MOUNTPOINT/.locks stands for
 * the file it tells of.
 */
#ifndef CLI_PLACE_H
#define CLI_PLACE_H

#include <stdbool.h>

#define LOCKS_NAME "locks.json"

struct place {
	bool is_mount;
	char *root;  /* the mountpoint or the share, absolute */
	char *below; /* PATH as seen from root; "" if it is root itself */
	int files;   /* the folder that shows locks.json and history.jsonl */
	int state;   /* the share's `.camlock`; -1 if it is out of reach */
};

/* Returns DONE, or says what is wrong and returns an exit status. */
int place_find(struct place *ret_place, const char *path);
void place_release(struct place *p);

/* The same for a list of PATHs; the current folder if it is empty. Of several
 * with one root only the first has descriptors. */
struct places {
	struct place *list;
	int n;
};

int places_find(struct places *ret_places, int n, char **paths);
void places_release(struct places *p);

/* Whether a path of the registry is to be shown: it is at or below one of
 * those places that share a root with `place`. */
bool places_cover(const struct places *p, const struct place *place,
		  const char *path);

/* Whether all places have the root of the first. */
bool places_are_one(const struct places *p);

/* An absolute path without symlinks. What does not exist, or is below what
 * doesn't answer, is taken as it is spelt. NULL and errno on failure. */
char *path_resolve(const char *path);

#define _cleanup_places_ __attribute__((cleanup(places_release)))

#endif
