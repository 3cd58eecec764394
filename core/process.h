/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The process behind a caller, read from /proc (proc(5)).
 *
 * FUSE reports the id of the calling *thread*; a person means the process.
 * A process is only told from a later one with the same id by its start time.
 */
#ifndef CORE_PROCESS_H
#define CORE_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define PROCESS_NAME_SIZE 64 /* the kernel allows 15 bytes, workers 63 */

struct process {
	pid_t pid;		      /* of the whole process: Tgid */
	char name[PROCESS_NAME_SIZE]; /* the process may choose it: hostile */
};

/* Returns 0; or -ESRCH, with pid = tid and an empty name, if the thread is
 * gone or outside our pid namespace (FUSE then says 0). */
int process_of_thread(pid_t tid, struct process *ret_process);

/* The same for a process whose id is known. */
void process_of(pid_t pid, struct process *ret_process);

/* The supplementary groups of a thread that acts as this user (its fsuid), on
 * the heap. Returns how many; or -ESRCH if it is gone, or is another's by now:
 * ids are used again. */
int process_groups(pid_t tid, uid_t uid, gid_t **ret_groups);

/* Only the id of the whole process, or 0. */
pid_t process_id(pid_t tid);

/* When a process was started, in clock ticks after boot; 0 if it is gone. */
uint64_t process_start_time(pid_t pid);

/* Where a whole process stands among the others. */
struct process_place {
	uint64_t start; /* see process_start_time() */
	pid_t parent;
	pid_t group; /* its process group: mostly, one job of a shell */
};

/* Returns 0; or -ESRCH if it is gone, or a thread of the kernel. */
int process_place(pid_t pid, struct process_place *ret_place);

/* The user who started it (its real user id); (uid_t)-1 if it is gone. */
uid_t process_user(pid_t pid);

/* The user it can be again (its saved user id): a server that acts for a user
 * was started by that one. (uid_t)-1 if it is gone. */
uid_t process_saved_user(pid_t pid);

/* Whether a process of that id is there, this one or a later. */
bool process_exists(pid_t pid);

/* Whether a signal waits for that thread, which it does not block. */
bool process_is_signalled(pid_t tid);

#endif
