/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/mounts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "core/buffer.h"
#include "core/cleanup.h"
#include "core/json.h"
#include "fs/mount.h"

#define FS_TYPE "fuse.camlock"
#define MOUNTED_ROOT "/" MOUNT_ROOT_NAME

static void mount_info_release(struct mount_info *m)
{
	free(m->device);
	free(m->root);
	free(m->point);
	free(m->source);
	free(m->type);
	free(m->options);
}

void mounts_release(struct mounts *m)
{
	for (size_t i = 0; i < m->n; i++)
		mount_info_release(&m->list[i]);
	free(m->list);
	*m = (struct mounts){};
}

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

/* Blank, tab, newline and backslash are written as \ooo there. */
static char *unescape(const char *text)
{
	char *plain = strdup(text);
	char *to = plain;

	for (const char *p = text; plain && *p; p++) {
		if (*p == '\\' && is_octal(p[1]) && is_octal(p[2]) &&
		    is_octal(p[3])) {
			*to++ = (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 |
				       (p[3] - '0'));
			p += 3;
		} else {
			*to++ = *p;
		}
	}
	if (plain)
		*to = '\0';
	return plain;
}

/* What is mounted of a camlock mount, of which the whole may be called "/" or
 * MOUNTED_ROOT. */
static char *part_of_share(const char *field)
{
	const char *rest = field + strlen(MOUNTED_ROOT);

	if (!path_is_below(field, MOUNTED_ROOT))
		return unescape(field);
	return unescape(*rest ? rest : "/");
}

/* "36 35 98:0 /root /point rw,noatime shared:1 - type source options": any
 * number of fields before the dash. Returns 0, -EINVAL or -ENOMEM. */
static int parse(char *line, struct mount_info *ret_mount)
{
	char *fields[5] = {};
	char *type, *source, *word;
	bool is_camlock;

	for (size_t i = 0; i < 5; i++)
		if (!(fields[i] = strsep(&line, " ")))
			return -EINVAL;
	do
		word = strsep(&line, " ");
	while (word && strcmp(word, "-") != 0);
	type = strsep(&line, " ");
	source = strsep(&line, " ");
	if (!type || !source || !line)
		return -EINVAL;
	is_camlock = !strcmp(type, FS_TYPE);
	*ret_mount = (struct mount_info){
		.is_camlock = is_camlock,
		.device = strdup(fields[2]),
		.root = is_camlock ? part_of_share(fields[3])
				   : unescape(fields[3]),
		.point = unescape(fields[4]),
		.source = unescape(source),
		.type = strdup(type),
		.options = unescape(strsep(&line, "\n")),
	};
	return ret_mount->device && ret_mount->root && ret_mount->point &&
			       ret_mount->source && ret_mount->type &&
			       ret_mount->options
		       ? 0
		       : -ENOMEM;
}

/* A line that can't be understood is left out. */
static int add(struct mounts *m, char *line)
{
	struct mount_info *list =
		reallocarray(m->list, m->n + 1, sizeof(*list));
	struct mount_info info = {};
	int r;

	if (!list)
		return -ENOMEM;
	m->list = list;
	r = parse(line, &info);
	if (r == 0)
		m->list[m->n++] = info;
	else
		mount_info_release(&info);
	return r == -ENOMEM ? r : 0;
}

int mounts_load(struct mounts *ret_mounts)
{
	_cleanup_mounts_ struct mounts m = {};
	_cleanup_free_ char *line = NULL;
	FILE *file = fopen("/proc/self/mountinfo", "re");
	size_t size = 0;
	int r = 0;

	if (!file)
		return -errno;
	while (r == 0 && getline(&line, &size, file) > 0)
		r = add(&m, line);
	fclose(file);
	if (r < 0)
		return r;
	*ret_mounts = m;
	m = (struct mounts){};
	return 0;
}

bool path_is_below(const char *path, const char *folder)
{
	size_t len = strlen(folder);

	if (len > 0 && folder[len - 1] == '/')
		len--;
	return !strncmp(path, folder, len) &&
	       (len == 0 || path[len] == '\0' || path[len] == '/');
}

const struct mount_info *mounts_find(const struct mounts *m, const char *path)
{
	const struct mount_info *best = NULL;

	for (size_t i = 0; i < m->n; i++) {
		const struct mount_info *info = &m->list[i];

		if (path_is_below(path, info->point) &&
		    (!best || strlen(info->point) >= strlen(best->point)))
			best = info;
	}
	return best;
}

const struct mount_info *mounts_find_whole(const struct mounts *m,
					   const struct mount_info *part)
{
	if (!strcmp(part->root, "/"))
		return part;
	for (size_t i = 0; i < m->n; i++)
		if (!strcmp(m->list[i].device, part->device) &&
		    !strcmp(m->list[i].root, "/"))
			return &m->list[i];
	return NULL;
}

size_t mounts_count(const struct mounts *m, const char *source)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n; i++)
		n += m->list[i].is_camlock && !strcmp(m->list[i].root, "/") &&
		     !strcmp(m->list[i].source, source);
	return n;
}

int mounts_reply(const char *share, const char *point, int status)
{
	static const char *const results[] = {
		[DONE] = "done",
		[REFUSED] = "refused",
		[USAGE] = "usage",
		[TROUBLE] = "trouble",
	};
	_cleanup_buffer_ struct buffer b = {};
	const struct json_field fields[] = {
		{ "share", share },
		{ "mountpoint", point },
		{ "result", results[status] },
	};
	int r = buffer_append(&b, "{", 1);

	if (r == 0)
		r = json_append_fields(&b, fields,
				       sizeof(fields) / sizeof(*fields));
	if (r < 0)
		return fail(TROUBLE, "out of memory");
	printf("%s}\n", b.data);
	return status;
}
