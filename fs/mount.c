/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/lease.h"
#include "core/versions.h"
#include "fs/attach.h"
#include "fs/behind.h"
#include "fs/camfs.h"
#include "fs/creds.h"
#include "fs/ctldir.h"
#include "fs/file.h"
#include "fs/gate.h"
#include "fs/hook.h"
#include "fs/locality.h"
#include "fs/log.h"
#include "fs/mapped.h"
#include "fs/metrics.h"
#include "fs/mountpoint.h"
#include "fs/notice.h"
#include "fs/page.h"
#include "fs/ring.h"
#include "fs/samba.h"
#include "fs/undo.h"
#include "fs/watch.h"

/* Each open that waits for the file lock, or for another's checkin, keeps a
 * thread; reads must go on meanwhile. */
#define MAX_THREADS 2000
/* Making a thread for a request and ending it costs ten times a request. */
#define IDLE_THREADS 10
/* What one user may take of these, and of our descriptors. */
#define USER_REQUESTS 300
#define USER_HANDLES(descriptors) ((descriptors) / 4)

static void no_ready(void *unused)
{
}

void mount_options_init(struct mount_options *o)
{
	*o = (struct mount_options){
		.lock_timeout = 5000,
		.host_timeout = LEASE_SILENCE_MS,
		.cache_seconds = 1,
		.passthrough = true,
		.versions = 5,
		.versions_copy_max = 1 << 30,
		.admins = (gid_t)-1,
		.on_ready = no_ready,
	};
}

/* ---- signals that ask us to stop ---- */

static sigset_t stop_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	return set;
}

/* They stay pending in all threads, which are made after this, until somebody
 * looks or waits for them. */
static void block_signals(void)
{
	sigset_t set = stop_signals();

	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static bool is_told_to_stop(void *unused)
{
	sigset_t pending;

	sigpending(&pending);
	return sigismember(&pending, SIGTERM) ||
	       sigismember(&pending, SIGINT) || sigismember(&pending, SIGHUP);
}

/* ---- what stands behind the operations ---- */

static int open_registry(struct camfs *fs)
{
	_cleanup_buffer_ struct buffer why = {};
	struct registry_options options = {
		.share_dir = fs->share.root_fd,
		.state_dir = fs->share.state_fd,
		.locks_dir = fs->share.locks_dir,
		.locks_name = fs->share.locks_name,
		.address = fs->options->registry,
		.host = fs->host,
		.silence_ms = fs->share.is_network && !fs->options->single_host
				      ? fs->options->host_timeout
				      : 0,
		.lease_ms = fs->options->host_timeout,
		.on_event = notice_event,
		.on_event_arg = fs,
		.was_replaced = notice_was_replaced,
		.measures = metrics_measures(fs->metrics),
		.why = &why,
	};
	struct wait w = wait_for_ms(fs->options->lock_timeout);
	int r;

	w.interrupted = is_told_to_stop;
	r = registry_open(&fs->registry, &options, &w);
	if (r == -ETIMEDOUT)
		log_error("cannot read the records of '%s' within %u ms: %s",
			  fs->options->share, fs->options->lock_timeout,
			  why.data ? why.data : "");
	else if (r < 0 && r != -EINTR)
		log_error("cannot read the records of '%s': %s",
			  fs->options->share, why.data ? why.data : "");
	return r;
}

static void warn_of_shadowed(struct camfs *fs)
{
	static const char *const names[] = { CTL_NAME, PAGE_NAME };
	struct stat st;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (fstatat(fs->share.root_fd, names[i], &st,
			    AT_SYMLINK_NOFOLLOW) == 0)
			log_warning("the share '%s' has an entry '%s' of its "
				    "own: the mount shows the checkouts in its "
				    "place",
				    fs->options->share, names[i]);
}

/* An ordinary user's mount is all his own. */
static void init_quota(struct quota *q)
{
	struct rlimit limit = { .rlim_cur = RLIM_INFINITY };

	getrlimit(RLIMIT_NOFILE, &limit);
	if (geteuid() == 0)
		quota_init(q, USER_REQUESTS, USER_HANDLES(limit.rlim_cur));
	else
		quota_init(q, SIZE_MAX, SIZE_MAX);
}

static int open_hook(struct camfs *fs)
{
	int r = fs->options->on_event
			? hook_open(&fs->hook, fs->options->on_event)
			: 0;

	if (fs->hook) {
		fs->history.on_line = hook_tell;
		fs->history.on_line_arg = fs->hook;
	}
	return r;
}

static int camfs_open(struct camfs *fs, const struct mount_options *o)
{
	int r = share_open(&fs->share, o->share, o->locks);

	if (r < 0)
		return r;
	if (fs->share.is_network && !o->single_host)
		r = locality_check(fs->share.root_fd, o->share);
	if (r < 0) {
		share_close(&fs->share);
		return r;
	}
	fs->options = o;
	fs->admins = o->admins;
	if (gethostname(fs->host, sizeof(fs->host) - 1) < 0)
		strcpy(fs->host, "localhost");
	init_quota(&fs->quota);
	history_init(&fs->history, fs->share.state_fd);
	r = open_hook(fs);
	if (r == 0)
		r = metrics_open(&fs->metrics, fs);
	if (r == 0)
		r = inodes_init(&fs->inodes, &fs->share);
	if (r == 0)
		r = users_open(&fs->users);
	if (r == 0 && o->stale_save != STALE_SAVES_ALLOWED)
		r = families_open(&fs->families);
	if (r == 0 && fs->families)
		r = seen_open(&fs->seen, process_exists);
	if (r == 0)
		r = undo_open(fs);
	if (r == 0)
		r = samba_open(&fs->samba);
	if (r == 0)
		r = ctldir_open(&fs->ctldir, fs);
	if (r == 0)
		r = page_open(&fs->page, fs);
	if (r == 0)
		r = open_registry(fs);
	if (r == 0)
		r = checkouts_open(&fs->checkouts, fs->registry, o->linger);
	if (r == 0)
		r = mapped_open(&fs->mapped, fs);
	if (r == 0)
		r = watcher_open(&fs->watcher, fs);
	if (r == 0)
		r = metrics_start(fs->metrics);
	if (r == 0)
		warn_of_shadowed(fs);
	return r;
}

static void camfs_close(struct camfs *fs)
{
	if (!fs->options)
		return; /* never opened */
	metrics_stop(fs->metrics);
	if (fs->watcher)
		watcher_stop(fs->watcher); /* who looks at the registry */
	mapped_free(fs->mapped);
	checkouts_free(fs->checkouts); /* what is left the registry ends */
	registry_close(fs->registry);
	ctldir_free(fs->ctldir);
	page_free(fs->page);
	watcher_free(fs->watcher);
	samba_free(fs->samba);
	users_free(fs->users);
	versions_free(fs->versions);
	seen_free(fs->seen);
	families_free(fs->families);
	inodes_release(&fs->inodes);
	quota_release(&fs->quota);
	hook_free(fs->hook);
	metrics_free(fs->metrics);
	history_release(&fs->history);
	share_close(&fs->share);
}

/* ---- the session ---- */

/* The share's path may hold a comma, which separates options. */
static int add_options(struct fuse_args *args, const struct mount_options *o)
{
	_cleanup_free_ char *fsname = NULL;
	char *list = NULL;
	int r;

	if (asprintf(&fsname, "fsname=%s", o->share) < 0) {
		fsname = NULL;
		return -ENOMEM;
	}
	r = fuse_opt_add_opt_escaped(&list, fsname);
	if (r == 0)
		r = fuse_opt_add_opt(&list, "subtype=camlock,default_"
					    "permissions");
	if (r == 0 && geteuid() == 0)
		r = fuse_opt_add_opt(&list, "allow_other");
	if (r == 0 && o->mount_flags && *o->mount_flags)
		r = fuse_opt_add_opt(&list, o->mount_flags);
	if (r == 0)
		r = fuse_opt_add_arg(args, "camlock");
	if (r == 0)
		r = fuse_opt_add_arg(args, "-o");
	if (r == 0)
		r = fuse_opt_add_arg(args, list);
	if (r == 0 && o->debug)
		r = fuse_opt_add_arg(args, "-d");
	free(list);
	return r < 0 ? -ENOMEM : 0;
}

static int open_session(struct camfs *fs, struct attach *ret_attach)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	int r = add_options(&args, fs->options);

	if (r == 0) {
		fs->session = fuse_session_new(&args, &camfs_ops,
					       sizeof(camfs_ops), fs);
		r = fs->session ? 0 : -EINVAL; /* libfuse has said why */
	}
	fuse_opt_free_args(&args);
	if (r < 0)
		return r;
	r = attach_mount(ret_attach, fs);
	if (r < 0) {
		log_error("cannot mount at '%s': FUSE refused; is the kernel "
			  "module 'fuse' there, the package fuse3 installed, "
			  "and may you mount there",
			  fs->options->mountpoint);
		fuse_session_destroy(fs->session);
		fs->session = NULL;
	}
	return r;
}

/* ---- showing it, and stopping ---- */

struct stopper {
	struct camfs *fs;
	struct attach attach;
	int error; /* why it is not at its place */
	dev_t dev; /* of the mount, once it is */
	pthread_t thread;
	atomic_bool over;  /* the mount is gone: nothing to stop */
	atomic_bool early; /* it ends while files are open */
};

/* Returns the signal, or 0 when the mount is gone. */
static int await_signal(struct stopper *s)
{
	sigset_t set = stop_signals();
	int sig;

	sigwait(&set, &sig);
	return s->over ? 0 : sig;
}

/* Somebody may have detached it, and put another mount in its place. */
static bool is_mounted(const struct stopper *s)
{
	return mountpoint_dev(s->fs->options->mountpoint) == s->dev;
}

/* Told to stop, we let the mount go at once, but serve what is open until it
 * is closed: the loop ends when the kernel gives up the last of it. */
static void stop(struct stopper *s)
{
	const char *mountpoint = s->fs->options->mountpoint;
	int sig = await_signal(s);

	if (!sig)
		return;
	log_info("signal %d: unmounting '%s'; files that are open stay usable "
		 "until they are closed",
		 sig, mountpoint);
	if (is_mounted(s))
		mountpoint_detach(mountpoint);
	sig = await_signal(s);
	if (!sig)
		return;
	log_warning("signal %d again: ending at once", sig);
	s->early = true;
	fuse_session_exit(s->fs->session);
}

static void *attend(void *arg)
{
	struct stopper *s = arg;
	const struct mount_options *o = s->fs->options;

	s->error = attach_finish(&s->attach);
	if (s->error < 0)
		return NULL;
	s->dev = mountpoint_dev(o->mountpoint);
	o->on_ready(o->on_ready_arg);
	stop(s);
	return NULL;
}

static int start_stopper(struct stopper *s)
{
	return -pthread_create(&s->thread, NULL, attend, s);
}

static void end_stopper(struct stopper *s)
{
	s->over = true;
	pthread_kill(s->thread, SIGTERM);
	pthread_join(s->thread, NULL);
}

/* Said before anything is mounted. */
static int check_io_uring(const struct mount_options *o)
{
	const char *why = o->io_uring == IO_URING_ON ? ring_why_not() : NULL;

	if (!why)
		return 0;
	log_error("no requests over io_uring: %s", why);
	return -ENOTSUP;
}

static int open_ring(struct camfs *fs)
{
	const struct mount_options *o = fs->options;
	const char *why;
	int r;

	if (o->io_uring == IO_URING_OFF)
		return 0;
	why = ring_why_not();
	if (why) {
		if (o->debug)
			log_info("no requests over io_uring: %s", why);
		return 0;
	}
	r = ring_open(&fs->ring, fs->session, MAX_THREADS);
	if (r == 0)
		return 0;
	if (o->io_uring == IO_URING_ON) {
		log_error("cannot get requests over io_uring: %s; is "
			  "/proc/sys/kernel/io_uring_disabled 0",
			  strerror(-r));
		return r;
	}
	if (o->debug)
		log_info("no requests over io_uring: %s", strerror(-r));
	return 0;
}

static int serve(struct camfs *fs)
{
	struct fuse_loop_config *config = fuse_loop_cfg_create();
	int r;

	if (!config)
		return -ENOMEM;
	fuse_loop_cfg_set_max_threads(config, MAX_THREADS);
	fuse_loop_cfg_set_idle_threads(config, IDLE_THREADS);
	r = fuse_session_loop_mt(fs->session, config);
	fuse_loop_cfg_destroy(config);
	return r < 0 ? r : 0;
}

static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int mount_and_serve(struct camfs *fs)
{
	struct stopper stopper = { .fs = fs };
	int r = open_session(fs, &stopper.attach);

	if (r < 0)
		return r;
	r = start_stopper(&stopper);
	if (r == 0) {
		struct behind *behind = behind_open(fs);

		r = open_ring(fs);
		if (r == 0)
			r = serve(fs);
		ring_close(fs->ring);
		behind_close(behind);
		end_stopper(&stopper);
		if (r == 0)
			r = stopper.error;
	}
	file_close_all(fs, stopper.early);
	mapped_stop(fs->mapped);
	watcher_stop(fs->watcher);
	if (is_mounted(&stopper))
		fuse_session_unmount(fs->session);
	fuse_session_destroy(fs->session);
	return r;
}

int mount_run(const struct mount_options *o)
{
	struct camfs fs = {};
	int r = mountpoint_prepare(o);

	if (r == 0)
		r = check_io_uring(o);
	if (r < 0)
		return r;
	umask(0);
	raise_descriptor_limit();
	creds_init();
	block_signals();
	r = camfs_open(&fs, o);
	if (r == 0 && is_told_to_stop(NULL))
		r = -EINTR;
	if (r == 0)
		r = mount_and_serve(&fs);
	else if (r == -EINTR)
		log_warning("told to stop before '%s' was mounted",
			    o->mountpoint);
	camfs_close(&fs);
	return r;
}
