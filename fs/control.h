/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the command line asks of a mount: `.locks/.camlock/control`.
 *
 * Open it for reading and writing, write a request, read the answer, by as
 * many reads as it takes. The first read has it done, as the user who opened
 * the file.
 *
 * A request is strings, each with a NUL behind it:
 *
 *	VERB MODE MESSAGE PATH...
 *
 *	checkout  ""	  keeps the PATHs, all or none
 *		  steal	  ... whoever has them (admins)
 *		  here	  ... from one's own other host or mount
 *	checkin	  ""	  ends one's own kept checkouts, all or none
 *	break	  ""	  frees them, whoever has them (admins)
 *	revert	  ""	  puts the version that MESSAGE names at one PATH
 *
 * MESSAGE is the record's, or the reason, of at most KEPT_MESSAGE_MAX bytes; ""
 * leaves that of one's own record.
 *
 * The answer is one JSON object in a line:
 *
 *	{"result": "done", "recovered": {PATH: NAME, ...}}
 *	{"result": "refused", "path": PATH, "why": WHY, "holder": {...}}
 *	{"result": "trouble", "path": PATH, "error": TEXT, "errno": N}
 *	{"result": "usage", "error": TEXT}
 *
 * `recovered`, if anything was set aside, names it (core/recovered.h). WHY is
 * held, open, not-yours, not-checked-out, no-such-file, no-permission,
 * not-a-document, not-admin, no-such-version or several-names; `holder` is the
 * record in the way, if one is.
 */
#ifndef FS_CONTROL_H
#define FS_CONTROL_H

#include "core/buffer.h"
#include "fs/fuse.h"

#define CONTROL_SIZE_MAX (16UL << 20) /* bytes of a request */

/* Does what the text asks for, and puts the answer in its place. Returns 0 or
 * -ENOMEM. */
int control_run(fuse_req_t req, struct buffer *text);

#endif
