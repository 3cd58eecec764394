/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Release at the end of a scope, by the compiler's cleanup attribute, so that
 * every early return is already right:
 *
 *	_cleanup_free_ char *name = strdup("x");
 *	_cleanup_close_ int fd = openat(...);
 *
 * An owner that hands the thing on takes it out of the variable first, with
 * take_ptr() or take_fd().
 */
#ifndef CORE_CLEANUP_H
#define CORE_CLEANUP_H

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline pthread_mutex_t *cleanup_lock(pthread_mutex_t *m)
{
	pthread_mutex_lock(m);
	return m;
}

static inline void cleanup_unlock(pthread_mutex_t **m)
{
	pthread_mutex_unlock(*m);
}

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _cleanup_free_ _cleanup_(cleanup_free)
#define _cleanup_close_ _cleanup_(cleanup_close)

/* Holds the mutex until the end of the scope. */
#define LOCK_SCOPE(m)                                     \
	__attribute__((unused)) _cleanup_(cleanup_unlock) \
		pthread_mutex_t *scope_mutex_ = cleanup_lock(m)

#define take_ptr(p)                         \
	({                                  \
		__typeof__(p) taken_ = (p); \
		(p) = NULL;                 \
		taken_;                     \
	})

#define take_fd(fd)                \
	({                         \
		int taken_ = (fd); \
		(fd) = -1;         \
		taken_;            \
	})

#endif
