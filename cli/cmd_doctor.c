/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * camlock doctor: is all as it should be?
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/doctor.h"
#include "core/cleanup.h"

static const char help[] =
	"usage: camlock doctor [--json] [--locks FILE] [--smb-conf FILE]\n"
	"                      [MOUNTPOINT|SHARE]\n"
	"\n"
	"Looks at a setup and says what is wrong with it, and what to do: the "
	"mount and\n"
	"its options, ways around it, the records and what is left over of "
	"mounts that\n"
	"are gone, rights, clocks, free space, versions, how it is installed "
	"and mounted\n"
	"at boot, and Samba's configuration. Changes nothing. As root it sees "
	"most.\n"
	"Without an argument it is about the current folder.\n"
	"\n"
	"  --json           an array of objects, for programs\n"
	"  --locks FILE     where the records are, if the mount was told so\n"
	"  --smb-conf FILE  Samba's configuration (/etc/samba/smb.conf)\n"
	"\n"
	"Fields of --json, all of them strings:\n"
	"  level   \"ok\", \"note\", \"warning\" or \"problem\"\n"
	"  check   what was looked at: mount, permissions, allow-other, "
	"passthrough,\n"
	"          way-around, mounted-twice, covered, state-owner, "
	"state-rights,\n"
	"          lock-file, records, stale-records, stale-leases, damaged, "
	"spare,\n"
	"          recovered, versions, clock, share-kind, space, inodes, "
	"install,\n"
	"          start, unit, fstab, metrics, fuse-conf or samba\n"
	"  what    what was found\n"
	"  advice  what to do; or null\n"
	"\n"
	"exit status: 0 nothing is wrong, 1 warnings or problems, 2 usage, "
	"3 trouble\n";

struct doctor_options {
	bool json;
	const char *locks;
	const char *smb_conf;
};

static void examine(struct doctor *d)
{
	if (d->mount) {
		if (strcmp(d->mount->source, d->mount->point) != 0)
			d->share = d->mount->source;
		doctor_check_mount(d);
	} else {
		d->share = d->place.root;
		find(&d->found, LEVEL_NOTE, "mount",
		     "mount it, so that opening a file checks it out",
		     "the share '%s' is not looked at through a mount",
		     d->share);
		doctor_check_fuse_conf(d);
	}
	doctor_check_install(d);
	doctor_check_state(d);
	doctor_check_share(d);
	doctor_check_start(d);
	doctor_check_samba(d);
}

/* A mount that does not answer must not be asked by place_find(). */
static int look(struct doctor *d, const char *path)
{
	_cleanup_free_ char *real = NULL;
	const struct mount_info *m;
	int r = mounts_load(&d->mounts);
	int status;

	if (r < 0)
		return fail(TROUBLE, "cannot read '/proc/self/mountinfo': %s",
			    reason(r));
	real = path_resolve(path);
	if (!real)
		return fail(REFUSED, "cannot find '%s': %s", path,
			    reason(errno));
	m = mounts_find(&d->mounts, real);
	if (m && m->is_camlock) {
		m = mounts_find_whole(&d->mounts, m);
		d->mount = m;
		if (m && !doctor_mount_answers(d))
			return DONE;
	}
	status = place_find(&d->place, path);
	if (status == DONE)
		examine(d);
	return status;
}

static void release(struct doctor *d)
{
	place_release(&d->place);
	mounts_release(&d->mounts);
	findings_release(&d->found);
}

static int say(const struct findings *f, bool json)
{
	if (json && !findings_print_json(f))
		return fail(TROUBLE, "out of memory");
	if (!json)
		findings_print(f);
	if (f->incomplete)
		return fail(TROUBLE, "out of memory");
	return findings_are_bad(f) ? fail(REFUSED, "not all is as it should be")
				   : DONE;
}

static int doctor(const char *path, const struct doctor_options *o)
{
	struct doctor d = { .place = { .files = -1, .state = -1 },
			    .locks = o->locks,
			    .smb_conf = o->smb_conf };
	int status = look(&d, path);

	if (status == DONE)
		status = say(&d.found, o->json);
	release(&d);
	return status;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "locks", required_argument, NULL, 'l' },
		{ "smb-conf", required_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	struct doctor_options o = {};
	int c;

	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (c == 'j')
			o.json = true;
		else if (c == 'l')
			o.locks = optarg;
		else if (c == 's')
			o.smb_conf = optarg;
		else if (c == 'h')
			return print_help(&cmd_doctor);
		else
			return bad_option(&cmd_doctor, c, argv);
	}
	if (argc - optind > 1)
		return bad_arguments(&cmd_doctor, "at most one MOUNTPOINT or "
						  "SHARE");
	return doctor(optind < argc ? argv[optind] : ".", &o);
}

const struct command cmd_doctor = {
	.name = "doctor",
	.summary = "is all as it should be?",
	.help = help,
	.run = run,
};
