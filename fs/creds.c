/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/creds.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/process.h"

#define CAPS_WORDS _LINUX_CAPABILITY_U32S_3

static bool is_root;
static struct __user_cap_data_struct all_caps[CAPS_WORDS];
static struct __user_cap_data_struct few_caps[CAPS_WORDS];

static __thread bool thread_ready;
static __thread bool acting; /* as somebody: to be undone */
static __thread bool with_groups;
static __thread bool with_umask;

static void set_caps(const struct __user_cap_data_struct *caps)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};

	syscall(SYS_capset, &header, caps);
}

/* What the daemon needs: to act as anybody (the file system's capabilities,
 * SETUID, SETGID), to open by handle (DAC_READ_SEARCH), to mount, unmount and
 * use kernel passthrough (SYS_ADMIN), to take leases, and to see which program
 * another's process runs (SYS_PTRACE: fs/machine.h). */
static const int needed[] = {
	CAP_CHOWN,	CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER,
	CAP_FSETID,	CAP_SETGID,	  CAP_SETUID,	       CAP_SYS_ADMIN,
	CAP_MKNOD,	CAP_LEASE,	  CAP_SETFCAP,	       CAP_SYS_RESOURCE,
	CAP_SYS_PTRACE,
};

static void keep_needed(struct __user_cap_data_struct *caps)
{
	struct __user_cap_data_struct kept[CAPS_WORDS] = {};

	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++) {
		int word = CAP_TO_INDEX(needed[i]);
		unsigned bit = CAP_TO_MASK(needed[i]);

		kept[word].permitted |= caps[word].permitted & bit;
		kept[word].effective |= caps[word].effective & bit;
	}
	memcpy(caps, kept, sizeof(kept));
}

static void remove_cap(struct __user_cap_data_struct *caps, int cap)
{
	caps[CAP_TO_INDEX(cap)].effective &= ~CAP_TO_MASK(cap);
}

void creds_init(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};

	is_root = geteuid() == 0;
	if (!is_root || syscall(SYS_capget, &header, all_caps) < 0) {
		is_root = false;
		return;
	}
	keep_needed(all_caps);
	for (int i = 0; i < CAPS_WORDS; i++)
		few_caps[i] = all_caps[i];
	remove_cap(few_caps, CAP_FSETID);
	remove_cap(few_caps, CAP_SYS_RESOURCE);
	set_caps(few_caps); /* threads made from now on inherit it */
}

/* A process can't enter a share through a user it is not: what it may not
 * become is left as it is, and the share then judges root. */
static void become(uid_t uid, gid_t gid, int n, const gid_t *groups)
{
	syscall(SYS_setgroups, n, groups);
	syscall(SYS_setfsgid, gid);
	syscall(SYS_setfsuid, uid);
}

/* Not fuse_req_getgroups(), which takes what it finds under the caller's id: he
 * may be gone, and another have it. */
static void set_caller(const struct fuse_ctx *ctx)
{
	_cleanup_free_ gid_t *groups = NULL;
	int n = process_groups(ctx->pid, ctx->uid, &groups);

	/* gone, or outside our pid namespace: without */
	become(ctx->uid, ctx->gid, n < 0 ? 0 : n, groups);
}

/* A new thread shares the umask with the one that made it, which may just be
 * acting with a caller's. */
void creds_prepare_thread(void)
{
	if (thread_ready || !is_root)
		return;
	unshare(CLONE_FS);
	umask(0);
	thread_ready = true;
}

void creds_enter(fuse_req_t req)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);

	if (!is_root)
		return;
	creds_prepare_thread();
	with_umask = ctx->umask;
	if (with_umask)
		umask(ctx->umask);
	if (ctx->uid == 0) {
		set_caps(all_caps);
		if (ctx->gid != 0) {
			syscall(SYS_setfsgid, ctx->gid);
			acting = true;
		}
		return;
	}
	set_caller(ctx);
	acting = true;
	with_groups = true;
}

void creds_enter_user(uid_t uid)
{
	if (!is_root || uid == 0)
		return;
	syscall(SYS_setfsuid, uid);
	acting = true;
}

void creds_enter_writer(uid_t uid, bool as_root)
{
	creds_enter_user(uid);
	if (is_root && uid == 0 && as_root)
		set_caps(all_caps);
}

void creds_enter_groups(uid_t uid, gid_t gid, int n, const gid_t *groups)
{
	if (!is_root || uid == 0)
		return;
	become(uid, gid, n, groups);
	acting = true;
	with_groups = true;
}

void creds_leave(void)
{
	if (!is_root)
		return;
	if (with_umask)
		umask(0);
	if (acting) {
		syscall(SYS_setfsuid, 0);
		syscall(SYS_setfsgid, 0);
		if (with_groups)
			syscall(SYS_setgroups, 0, NULL);
	}
	/* returning to user 0 gave CAP_FSETID back as well */
	set_caps(few_caps);
	acting = with_groups = with_umask = false;
}
