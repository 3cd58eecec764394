/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * camlock mount: a share under checkout. Also what mount(8) runs for fstab, as
 * /sbin/mount.fuse.camlock, and mount.fuse(8) as `camlock SHARE MOUNTPOINT`.
 */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <string.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/daemon.h"
#include "cli/mount_args.h"
#include "cli/mounts.h"
#include "core/cleanup.h"
#include "core/deadmount.h"

static const char help[] =
	"usage: camlock mount [OPTION...] SHARE MOUNTPOINT\n"
	"\n"
	"Mounts the folder SHARE on MOUNTPOINT, an empty folder or SHARE "
	"itself. Opening\n"
	"a file for writing there is a checkout. Returns when the mount "
	"answers; the\n"
	"daemon goes on, and writes to the system's log.\n"
	"\n"
	"  -f, --foreground        stay, and write to standard error\n"
	"  -d, --debug             the same, and print every request\n"
	"  --locks FILE            the records are here, not in\n"
	"                          SHARE/.camlock/locks.json\n"
	"  --registry ADDRESS      the records are in an etcd, at\n"
	"                          etcd://HOST:PORT[,HOST:PORT...]/PREFIX\n"
	"  --lock-timeout SECONDS  how long an open waits for the records' "
	"file lock (5)\n"
	"  --cache-seconds SECONDS how long names and attributes are believed\n"
	"  --host-timeout SECONDS  on a network share, and with --registry: a "
	"host\n"
	"                          is given up when silent for so long (30)\n"
	"  --single-host           no other host mounts the share\n"
	"  --linger SECONDS        a checkout stays for so long after the last "
	"close (0)\n"
	"  --scratch GLOB          more names that are never checked out; "
	"may be repeated\n"
	"  --documents GLOB        only these names are checked out; may be "
	"repeated\n"
	"  --admin-group GROUP     its members may break others' checkouts, as "
	"root may\n"
	"  --busy-errno ERROR      errno when a file is in use (EBUSY; ETXTBSY "
	"to "
	"Samba)\n"
	"  --on-event COMMAND      is run for each event, with its JSON as "
	"input\n"
	"  --metrics FILE          how the mount is doing, for node_exporter's "
	"textfile\n"
	"                          collector; see 'camlock metrics'\n"
	"  --stale-save=WHAT       a program saves what another has changed "
	"since it read\n"
	"                          it: refuse (the default), warn, or allow\n"
	"  --read-only-hint        what its owner has, others see without w "
	"bits\n"
	"  --owner-files           LibreOffice, Microsoft Office and AutoCAD "
	"see in their\n"
	"                          own ways who has a file\n"
	"  --machine-reader NAME   what a program NAME or /PATH/NAME has open "
	"can be\n"
	"                          replaced, but not written in place "
	"(milltask); "
	"may be\n"
	"                          repeated\n"
	"  --keep-versions N       how many of each file, as before a save, "
	"are kept for\n"
	"                          'camlock revert' (5; 0: none)\n"
	"  --versions-space SIZE   room for all of them, 500M, 20G (a "
	"tenth of the disk)\n"
	"  --versions-copy SIZE    a larger file is kept only where that is no "
	"work (1G)\n"
	"  --no-passthrough        the kernel doesn't read and write the files "
	"itself\n"
	"  --io-uring WHEN         get requests over io_uring, which is "
	"faster: "
	"auto, on,\n"
	"                          or off (the default: it is experimental)\n"
	"  --json                  how it went, for programs; not with -f\n"
	"  -o OPTION,...           as in fstab: the long options without "
	"dashes,\n"
	"                          lock-timeout=2,locks=/x; and what mount(8) "
	"knows,\n"
	"                          such as ro, nosuid, noatime, nofail, "
	"_netdev\n"
	"\n"
	"Fields of --json, an object: share; mountpoint; and result, \"done\", "
	"\"refused\" or\n"
	"\"trouble\".\n"
	"\n"
	"fstab: SHARE MOUNTPOINT fuse.camlock lock-timeout=2,nofail 0 0\n";

/* For getopt_long(): how our options are told from those of one letter. */
#define BY_NAME 256

static const struct option long_options[] = {
	{ "locks", required_argument, NULL, BY_NAME },
	{ "registry", required_argument, NULL, BY_NAME },
	{ "lock-timeout", required_argument, NULL, BY_NAME },
	{ "cache-seconds", required_argument, NULL, BY_NAME },
	{ "host-timeout", required_argument, NULL, BY_NAME },
	{ "single-host", no_argument, NULL, BY_NAME },
	{ "linger", required_argument, NULL, BY_NAME },
	{ "scratch", required_argument, NULL, BY_NAME },
	{ "documents", required_argument, NULL, BY_NAME },
	{ "admin-group", required_argument, NULL, BY_NAME },
	{ "busy-errno", required_argument, NULL, BY_NAME },
	{ "on-event", required_argument, NULL, BY_NAME },
	{ "metrics", required_argument, NULL, BY_NAME },
	{ "stale-save", required_argument, NULL, BY_NAME },
	{ "read-only-hint", no_argument, NULL, BY_NAME },
	{ "owner-files", no_argument, NULL, BY_NAME },
	{ "machine-reader", required_argument, NULL, BY_NAME },
	{ "keep-versions", required_argument, NULL, BY_NAME },
	{ "versions-space", required_argument, NULL, BY_NAME },
	{ "versions-copy", required_argument, NULL, BY_NAME },
	{ "no-passthrough", no_argument, NULL, BY_NAME },
	{ "io-uring", required_argument, NULL, BY_NAME },
	{ "json", no_argument, NULL, 'j' },
	{ "foreground", no_argument, NULL, 'f' },
	{ "debug", no_argument, NULL, 'd' },
	{ "help", no_argument, NULL, 'h' },
	{},
};

static int take_option(struct mount_args *a, int c, int index, char **argv)
{
	switch (c) {
	case BY_NAME:
		return mount_args_set(a, long_options[index].name, optarg);
	case 'o':
		return mount_args_add(a, optarg);
	case 'j':
		a->json = true;
		return DONE;
	case 'd':
		a->options.debug = true;
		a->foreground = true;
		return DONE;
	case 'f':
		a->foreground = true;
		return DONE;
	default:
		return bad_option(&cmd_mount, c, argv);
	}
}

/* The options of mount(8)'s helpers, see there under "EXTERNAL HELPERS". */
static int take_helper_option(struct mount_args *a, int c, char **argv)
{
	switch (c) {
	case 'o':
		return mount_args_add(a, optarg);
	case 'f':
		a->fake = true;
		return DONE;
	case 's':
		a->sloppy = true;
		return DONE;
	case 'n': /* there is no mtab */
	case 'v':
	case 't':
		return DONE;
	default:
		return bad_option(&cmd_mount, c, argv);
	}
}

static int parse(struct mount_args *a, int argc, char **argv, bool *ret_help)
{
	bool as_helper = is_mount_helper(argv[0]);
	const char *letters = as_helper ? ":o:fsnvt:h" : ":o:dfh";
	int status = DONE;
	int c, index = 0;

	while (status == DONE &&
	       (c = getopt_long(argc, argv, letters, long_options, &index)) !=
		       -1) {
		*ret_help = c == 'h';
		if (*ret_help)
			return DONE;
		status = as_helper && c != BY_NAME
				 ? take_helper_option(a, c, argv)
				 : take_option(a, c, index, argv);
	}
	if (status == DONE && argc - optind != 2)
		return bad_arguments(&cmd_mount, "SHARE MOUNTPOINT");
	if (status == DONE && a->json && a->foreground)
		return bad_arguments(&cmd_mount, "--json without -f");
	return status;
}

/* The daemon returns from it as well, when it ends. */
static int mount_and_reply(struct mount_args *a)
{
	pid_t pid = getpid();
	int status = mount_args_resolve(a);

	if (status == DONE)
		status = daemon_mount(&a->options);
	return getpid() == pid ? mounts_reply(a->options.share,
					      a->options.mountpoint, status)
			       : status;
}

/* `mount -a` mounts what it does not find with "/" as its root; ours may have
 * another (fs/attach.h). A dead mount is no mount. */
static bool is_there_already(const struct mount_args *a)
{
	const char *point = a->options.mountpoint;
	_cleanup_mounts_ struct mounts mounts = {};
	const struct mount_info *top;
	struct statfs fs;

	if (mounts_load(&mounts) < 0)
		return false;
	top = mounts_find(&mounts, point);
	return top && top->is_camlock && !strcmp(top->point, point) &&
	       !strcmp(top->root, "/") &&
	       !strcmp(top->source, a->options.share) &&
	       (statfs(point, &fs) == 0 || !deadmount_says(errno));
}

static int run(int argc, char **argv)
{
	_cleanup_(mount_args_release) struct mount_args a;
	bool help_wanted = false;
	int status;

	mount_args_init(&a);
	status = parse(&a, argc, argv, &help_wanted);
	if (status != DONE)
		return status;
	if (help_wanted)
		return print_help(&cmd_mount);
	a.options.share = argv[optind];
	a.options.mountpoint = argv[optind + 1];
	if (a.json)
		return mount_and_reply(&a);
	status = mount_args_resolve(&a);
	if (status != DONE || a.fake ||
	    (is_mount_helper(argv[0]) && is_there_already(&a)))
		return status;
	return a.foreground ? foreground_mount(&a.options)
			    : daemon_mount(&a.options);
}

const struct command cmd_mount = {
	.name = "mount",
	.summary = "mount a share",
	.help = help,
	.run = run,
};
