/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/ownerfile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>

#include "core/cleanup.h"
#include "core/timestamp.h"
#include "fs/caller.h"

#define NODE_PREFIX STATE_NAME "/owner/"

#define OPEN_PREFIX ".~lock."
#define OFFICE_PREFIX "~$"

/* What LibreOffice knows of Microsoft's: svl/source/misc/msodocumentlockfile.cxx
 * there. The user's name in bytes, then in UTF-16, each with its length; Word
 * fills up with zeros, the others with blanks. */
#define OFFICE_NAME_MAX 52
#define WORD_SIZE 162
#define WORD_NAME_AT 54
#define EXCEL_SIZE 165
#define EXCEL_NAME_AT 55

enum kind {
	NONE,
	OPEN,
	WORD,
	EXCEL,
	POWERPOINT,
	DWL,
	DWL2,
};

static const char *extension(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot ? dot : "";
}

static bool is_among(const char *extension, const char *const *list)
{
	while (*list && strcasecmp(extension, *list) != 0)
		list++;
	return *list;
}

static bool is_word(const char *name)
{
	static const char *const list[] = { ".doc", ".docx", ".docm",
					    ".rtf", ".odt",  NULL };

	return is_among(extension(name), list);
}

static enum kind office_kind(const char *name)
{
	static const char *const excel[] = { ".xlsx", ".xlsm", ".xlsb", ".ods",
					     NULL };
	static const char *const powerpoint[] = { ".ppt", ".pptx", ".odp",
						  NULL };

	if (is_word(name))
		return WORD;
	if (is_among(extension(name), excel))
		return EXCEL;
	return is_among(extension(name), powerpoint) ? POWERPOINT : NONE;
}

static enum kind kind_of(const char *name)
{
	size_t len = strlen(name), prefix = strlen(OPEN_PREFIX);

	if (len > prefix + 1 && name[len - 1] == '#' &&
	    !strncmp(name, OPEN_PREFIX, prefix))
		return OPEN;
	if (!strncmp(name, OFFICE_PREFIX, strlen(OFFICE_PREFIX)))
		return office_kind(name);
	if (!strcasecmp(extension(name), ".dwl"))
		return DWL;
	return strcasecmp(extension(name), ".dwl2") ? NONE : DWL2;
}

bool ownerfile_is_name(const struct camfs *fs, const char *name)
{
	return fs->options->owner_files && kind_of(name) != NONE;
}

char *ownerfile_node(const char *path)
{
	char *node;

	return asprintf(&node, NODE_PREFIX "%s", path) < 0 ? NULL : node;
}

const char *ownerfile_of(const char *node)
{
	size_t len = strlen(NODE_PREFIX);

	return strncmp(node, NODE_PREFIX, len) ? NULL : node + len;
}

/* ---- whose document ---- */

/* How many letters Word leaves out. */
static size_t word_leaves_out(const char *document)
{
	size_t base = strlen(document) - strlen(extension(document));

	return base >= 8 ? 2 : base == 7;
}

/* Whether an owner file of that name is that document's. */
static bool is_of(enum kind kind, const char *name, const char *document)
{
	size_t base = strlen(name) - strlen(extension(name));

	switch (kind) {
	case OPEN:
		name += strlen(OPEN_PREFIX);
		return strlen(document) == strlen(name) - 1 &&
		       !strncmp(name, document, strlen(document));
	case WORD:
		return is_word(document) &&
		       !strcmp(name + strlen(OFFICE_PREFIX),
			       document + word_leaves_out(document));
	case EXCEL:
	case POWERPOINT:
		return !strcmp(name + strlen(OFFICE_PREFIX), document);
	default:
		return strlen(document) == base + strlen(".dwg") &&
		       !strncmp(name, document, base) &&
		       !strcasecmp(document + base, ".dwg");
	}
}

static const char *last_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Whether the document is another's now; what he has just closed is not. */
static int check(const struct caller *who, const char *document,
		 struct record *ret_holder)
{
	struct registry_conflict conflict = {};
	struct wait w = caller_wait(who);
	int r = checkouts_check(who->fs->checkouts, document, false, false,
				&who->record, &w, &conflict);
	bool found = r == CHECKOUTS_REFUSED && !strcmp(conflict.path, document);

	if (found) {
		*ret_holder = conflict.holder;
		conflict.holder = (struct record){};
	}
	registry_conflict_release(&conflict);
	return found ? 1 : r < 0 ? r : 0;
}

/* Returns 1 with who has the document of an owner file; 0: nobody but he who
 * asks; or -errno. */
static int find_holder(const struct caller *who, const char *path,
		       struct record *ret_holder)
{
	_cleanup_snapshot_ struct snapshot *s = NULL;
	const char *name = last_name(path);
	size_t folder = (size_t)(name - path);
	enum kind kind = kind_of(name);
	_cleanup_free_ char *prefix = strndup(path, folder);
	int r = prefix ? registry_snapshot(who->fs->registry, &s) : -ENOMEM;

	if (r < 0)
		return r;
	for (size_t i = snapshot_search(s, prefix);
	     r == 0 && i < snapshot_count(s) &&
	     !strncmp(snapshot_path(s, i), prefix, folder);
	     i++) {
		const char *document = snapshot_path(s, i);

		if (!strchr(document + folder, '/') &&
		    is_of(kind, name, document + folder))
			r = check(who, document, ret_holder);
	}
	return r;
}

/* ---- what it says ---- */

/* His name, as far as it is harmless there. */
static int append_field(struct buffer *b, const char *text)
{
	int r = 0;

	for (; r == 0 && text && *text; text++) {
		bool special = strchr(",;\\", *text);

		if ((unsigned char)*text < ' ')
			continue;
		r = special ? buffer_append(b, "\\", 1) : 0;
		if (r == 0)
			r = buffer_append(b, text, 1);
	}
	return r;
}

static int append_xml(struct buffer *b, const char *tag, const char *text,
		      const char *end)
{
	int r = buffer_printf(b, "<%s>", tag);

	for (; r == 0 && text && *text; text++)
		if (strchr("<>&", *text))
			r = buffer_printf(b, "&#%d;", *text);
		else if ((unsigned char)*text >= ' ')
			r = buffer_append(b, text, 1);
	return r == 0 ? buffer_printf(b, "%s</%s>\n", end, tag) : r;
}

static struct tm since(const struct record *holder)
{
	struct timespec when = {};
	struct tm tm;

	if (holder->timestamp)
		timestamp_parse(holder->timestamp, &when);
	localtime_r(&when.tv_sec, &tm);
	return tm;
}

/* Shown name, login, machine, since when, profile. */
static int append_open(struct buffer *b, const struct record *holder)
{
	struct tm tm = since(holder);
	char time[64];
	const char *fields[] = { holder->user, holder->user,
				 record_machine(holder), time, "" };
	int r = 0;

	strftime(time, sizeof(time), "%d.%m.%Y %H:%M", &tm);
	for (size_t i = 0; r == 0 && i < 5; i++) {
		r = append_field(b, fields[i]);
		if (r == 0)
			r = buffer_append(b, i < 4 ? "," : ";", 1);
	}
	return r;
}

/* One character of UTF-8, as far as UTF-16 has it in one word; else '?'. */
static unsigned next_word(const char **name)
{
	const unsigned char *at = (const unsigned char *)*name;
	size_t n = *at < 0xc0 ? 0 : *at < 0xe0 ? 1 : *at < 0xf0 ? 2 : 3;
	unsigned c = *at++ & (n ? 0x3fu >> n : 0xffu);
	bool valid = n > 0 || c < 0x80;

	for (; n > 0 && (*at & 0xc0) == 0x80; n--)
		c = c << 6 | (*at++ & 0x3f);
	*name = (const char *)at;
	return valid && n == 0 && c <= 0xffff ? c : '?';
}

static int append_office(struct buffer *b, const struct record *holder,
			 enum kind kind)
{
	size_t size = kind == WORD ? WORD_SIZE : EXCEL_SIZE;
	size_t at = kind == WORD ? WORD_NAME_AT : EXCEL_NAME_AT;
	const char *name = holder->user;
	unsigned char text[EXCEL_SIZE] = {};
	unsigned char n = 0;

	if (kind != WORD)
		for (size_t i = 1; i < size; i += i < at ? 1 : 2)
			text[i] = ' ';
	for (; *name && n < OFFICE_NAME_MAX; n++) {
		unsigned c = next_word(&name);

		text[1 + n] = (unsigned char)(c < 0x100 ? c : '?');
		text[at + 2 + 2 * n] = c & 0xff;
		text[at + 3 + 2 * n] = (unsigned char)(c >> 8);
	}
	if (kind == POWERPOINT)
		text[1 + n] = 0;
	text[0] = text[at] = n;
	return buffer_append(b, text, size);
}

/* None of them forges a line. */
static int append_line(struct buffer *b, const char *text, const char *end)
{
	int r = 0;

	for (; r == 0 && text && *text; text++)
		if ((unsigned char)*text >= ' ')
			r = buffer_append(b, text, 1);
	return r == 0 ? buffer_append_string(b, end) : r;
}

/* To the byte as AutoCAD writes them, blanks and a wrong declaration included:
 * nobody knows how it reads. */
static int append_dwl(struct buffer *b, const struct record *holder,
		      enum kind kind)
{
	const char *machine = record_machine(holder);
	struct tm tm = since(holder);
	char time[64];
	int r;

	strftime(time, sizeof(time), "%A, %B %-d, %Y  %H:%M:%S %Z", &tm);
	if (kind == DWL) {
		r = append_line(b, holder->user, "\n");
		if (r == 0)
			r = append_line(b, machine, " \n");
		return r == 0 ? append_line(b, time, "") : r;
	}
	r = buffer_append_string(b, "<?xml version=\"1.0\" "
				    "encoding=\"UTF-8\">\n<whprops>\n");
	if (r == 0)
		r = append_xml(b, "username", holder->user, "");
	if (r == 0)
		r = append_xml(b, "machinename", machine, " ");
	if (r == 0)
		r = append_xml(b, "fullname", "", "");
	if (r == 0)
		r = append_xml(b, "datetime", time, "");
	return r == 0 ? buffer_append_string(b, "</whprops>") : r;
}

static int append(struct buffer *b, const struct record *holder, enum kind kind)
{
	if (kind == OPEN)
		return append_open(b, holder);
	return kind < DWL ? append_office(b, holder, kind)
			  : append_dwl(b, holder, kind);
}

/* ---- as files ---- */

static int get(fuse_req_t req, const char *path, struct record *ret_holder,
	       struct buffer *ret_text)
{
	struct record holder = {};
	struct caller who;
	int r;

	caller_get(req, "looked at", &who);
	r = find_holder(&who, path, &holder);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	r = append(ret_text, &holder, kind_of(last_name(path)));
	if (r == 0)
		*ret_holder = holder;
	else
		record_release(&holder);
	return r;
}

int ownerfile_stat(fuse_req_t req, const char *path, struct stat *ret_st)
{
	_cleanup_record_ struct record holder = {};
	_cleanup_buffer_ struct buffer text = {};
	struct timespec when;
	int r = get(req, path, &holder, &text);

	if (r < 0)
		return r;
	*ret_st = (struct stat){
		.st_mode = S_IFREG | 0444,
		.st_nlink = 1,
		.st_uid = users_id(camfs_of(req)->users, holder.user),
		.st_size = (off_t)text.len,
	};
	ret_st->st_gid = ret_st->st_uid;
	if (holder.timestamp && timestamp_parse(holder.timestamp, &when) == 0)
		ret_st->st_mtim = ret_st->st_ctim = ret_st->st_atim = when;
	return 0;
}

int ownerfile_read(fuse_req_t req, const char *path, struct buffer *ret_text)
{
	_cleanup_record_ struct record holder = {};

	return get(req, path, &holder, ret_text);
}
