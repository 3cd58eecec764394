/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/bare.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "core/cleanup.h"

const char *bare_host(void)
{
	static char host[256];

	if (!*host && gethostname(host, sizeof(host) - 1) < 0)
		snprintf(host, sizeof(host), "localhost");
	return host;
}

void bare_close(struct bare *b)
{
	registry_close(b->registry);
	if (b->is_elsewhere)
		close(b->locks_dir);
	free(b->shown);
}

/* The folder of --locks, and what is left of it. */
static int find_elsewhere(struct bare *b, const char *locks)
{
	const char *slash = strrchr(locks, '/');
	_cleanup_free_ char *folder =
		slash ? strndup(locks, (size_t)(slash - locks) + 1)
		      : strdup(".");

	b->name = slash ? slash + 1 : locks;
	b->shown = strdup(locks);
	if (!folder || !b->shown)
		return fail(TROUBLE, "out of memory");
	b->locks_dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (b->locks_dir < 0)
		return fail(REFUSED, "cannot open the folder of '%s': %s",
			    locks, reason(errno));
	b->is_elsewhere = true;
	return DONE;
}

static int find_own(struct bare *b, const struct place *place)
{
	b->name = LOCKS_NAME;
	b->locks_dir = place->files;
	if (asprintf(&b->shown, "%s/.camlock/" LOCKS_NAME, place->root) >= 0)
		return DONE;
	b->shown = NULL;
	return fail(TROUBLE, "out of memory");
}

static int open_registry(struct bare *b, const struct place *place)
{
	_cleanup_buffer_ struct buffer why = {};
	struct registry_options options = {
		.state_dir = place->state,
		.locks_dir = b->locks_dir,
		.locks_name = b->name,
		.host = bare_host(),
		.observer = true,
		.why = &why,
	};
	struct wait w = wait_for_ms(LOCK_WAIT_MS);
	int err = registry_open(&b->registry, &options, &w);

	if (err < 0)
		return fail(TROUBLE, "cannot read the records of '%s': %s",
			    place->root, why.data ? why.data : reason(err));
	return DONE;
}

int bare_open(struct bare *ret_bare, const struct place *place,
	      const char *locks)
{
	_cleanup_bare_ struct bare b = {};
	int status = locks ? find_elsewhere(&b, locks) : find_own(&b, place);

	if (status == DONE)
		status = open_registry(&b, place);
	if (status != DONE)
		return status;
	*ret_bare = b;
	b = (struct bare){};
	return DONE;
}
