/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/signature.h"

struct signature signature_of(const struct stat *st)
{
	return (struct signature){
		.dev = st->st_dev,
		.ino = st->st_ino,
		.size = (uint64_t)st->st_size,
		.mtime = st->st_mtim,
		.ctime = st->st_ctim,
	};
}

bool signature_same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool signature_same(const struct signature *a, const struct signature *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       signature_same_time(&a->mtime, &b->mtime) &&
	       signature_same_time(&a->ctime, &b->ctime);
}
