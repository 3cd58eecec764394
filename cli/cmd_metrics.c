/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * camlock metrics: how a mount is doing, for Prometheus.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>

#include "cli/cli.h"
#include "cli/place.h"
#include "cli/records.h"
#include "core/cleanup.h"
#include "core/exposition.h"

static const char help[] =
	"usage: camlock metrics [--locks FILE] [MOUNTPOINT|SHARE]\n"
	"\n"
	"How a mount is doing, in Prometheus's text format: checkouts, "
	"refusals by\n"
	"reason, how long files are held and the file lock was waited for, "
	"records by\n"
	"kind, and what came into the history. Of a share that is not mounted "
	"here, only\n"
	"its records.\n"
	"\n"
	"  --locks FILE  where a bare share's locks.json is, if the mount was "
	"told so\n"
	"\n"
	"'camlock mount --metrics FILE' keeps a file of the same for "
	"node_exporter:\n"
	"FILE is /var/lib/prometheus/node-exporter/camlock.prom, for "
	"Debian's.\n";

static int out(const struct buffer *text)
{
	fwrite(text->data, 1, text->len, stdout);
	return DONE;
}

static int of_mount(const struct place *place)
{
	_cleanup_close_ int fd =
		openat(place->files, "metrics", O_RDONLY | O_CLOEXEC);
	_cleanup_buffer_ struct buffer text = {};
	int r = fd < 0 ? -errno : buffer_read_file(&text, fd);

	if (r < 0)
		return fail(TROUBLE, "cannot read the metrics of '%s': %s",
			    place->root, reason(r));
	return out(&text);
}

static int of_share(const struct place *place, const char *locks)
{
	_cleanup_records_ struct records records = {};
	_cleanup_buffer_ struct buffer text = {};
	struct exposition x = { .b = &text, .share = place->root };
	struct exposition_records n = {};
	int status = records_load(&records, place, locks);

	if (status != DONE)
		return status;
	for (size_t i = 0; i < records.n; i++) {
		if (!record_is_open(&records.list[i].record))
			n.kept++;
		else if (records.list[i].is_stale)
			n.stale++;
		else
			n.open++;
	}
	exposition_records(&x, &n);
	if (x.error < 0)
		return fail(TROUBLE, "out of memory");
	return out(&text);
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "locks", required_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	_cleanup_places_ struct places places = {};
	const char *locks = NULL;
	int c, status;

	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (c == 'l')
			locks = optarg;
		else if (c == 'h')
			return print_help(&cmd_metrics);
		else
			return bad_option(&cmd_metrics, c, argv);
	}
	if (argc - optind > 1)
		return bad_arguments(&cmd_metrics, "at most one MOUNTPOINT or "
						   "SHARE");
	status = places_find(&places, argc - optind, argv + optind);
	if (status != DONE)
		return status;
	return places.list[0].is_mount ? of_mount(&places.list[0])
				       : of_share(&places.list[0], locks);
}

const struct command cmd_metrics = {
	.name = "metrics",
	.summary = "how a mount is doing, for Prometheus",
	.help = help,
	.run = run,
};
