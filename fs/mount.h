/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Mounting a share, and serving it until it is unmounted.
 */
#ifndef FS_MOUNT_H
#define FS_MOUNT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/documents.h"

struct mount_options {
	const char *share;	/* the shop's folder */
	const char *mountpoint; /* an empty folder, or the share itself */
	const char *locks;     /* locks.json; NULL: SHARE/.camlock/locks.json */
	const char *registry;  /* another place for the records
				  (core/etcd_address.h); NULL: `locks` */
	unsigned lock_timeout; /* ms to wait for the file lock */
	unsigned host_timeout; /* ms after which a silent host is given up */
	bool single_host;      /* no other host mounts the share */
	unsigned linger;       /* ms a checkout stays after its last close */
	struct documents documents; /* which names are checked out */
	gid_t admins; /* the group that may break checkouts; -1: only root */
	double cache_seconds; /* how long names and attributes are believed */
	int busy_errno; /* the answer when a file is in use; 0: as fits the
			   caller */
	const char *on_event; /* a command to run for each event; NULL: none */
	const char *metrics;  /* a file to write them to; NULL: none */
	enum {
		STALE_SAVES_REFUSED,
		STALE_SAVES_WARNED, /* told, and let through */
		STALE_SAVES_ALLOWED,
	} stale_save;
	unsigned versions; /* how many are kept of each document; 0: none */
	uint64_t versions_space;    /* bytes for all; 0: a tenth of the disk */
	uint64_t versions_copy_max; /* bytes; see core/versions.h */
	bool read_only_hint;	    /* fs/hint.h */
	bool owner_files;	    /* fs/ownerfile.h */
	char **machines; /* fs/machine.h; if there are none: LinuxCNC */
	size_t n_machines;
	bool passthrough; /* let the kernel read and write the files itself,
			     where it can */
	enum {
		IO_URING_OFF,
		IO_URING_AUTO,	 /* if it can be had */
		IO_URING_ON,	 /* or no mount */
	} io_uring;		 /* fs/ring.h */
	bool debug;		 /* print every request */
	const char *mount_flags; /* comma-separated options of mount(8) that
				    the kernel takes, "ro,noatime"; or NULL */

	/* Called once, when the mount is at its place and answers. */
	void (*on_ready)(void *arg);
	void *on_ready_arg;
};

/* What the mount's root may be called in proc(5)'s mountinfo, after a slash:
 * fs/attach.h. */
#define MOUNT_ROOT_NAME ".camlock"

/* The values used when nothing is said. */
void mount_options_init(struct mount_options *o);

/* Mounts and serves in the calling process until the mount is gone or SIGTERM,
 * SIGINT or SIGHUP asks for it. What goes wrong is told by fs/log.h. Returns
 * 0, or -errno if it never was mounted (-EINTR: it was asked to end before) or
 * ended in error. */
int mount_run(const struct mount_options *o);

#endif
