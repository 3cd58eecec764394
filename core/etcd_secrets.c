/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/etcd_secrets.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/cleanup.h"

#define NAMES "ca, cert, key, user, password and hosts"

void etcd_secrets_release(struct etcd_secrets *s)
{
	free(s->file);
	free(s->ca);
	free(s->cert);
	free(s->key);
	free(s->user);
	if (s->password)
		explicit_bzero(s->password, strlen(s->password));
	free(s->password);
	free(s->hosts);
	*s = (struct etcd_secrets){};
}

/* ---- a line ---- */

static char *trim(char *text)
{
	size_t len;

	text += strspn(text, " \t");
	len = strlen(text);
	while (len > 0 && isspace((unsigned char)text[len - 1]))
		text[--len] = '\0';
	return text;
}

static char **field_of(struct etcd_secrets *s, const char *name)
{
	const struct {
		const char *name;
		char **value;
	} fields[] = {
		{ "ca", &s->ca },	{ "cert", &s->cert },
		{ "key", &s->key },	{ "user", &s->user },
		{ "hosts", &s->hosts }, { "password", &s->password },
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		if (!strcmp(name, fields[i].name))
			return fields[i].value;
	return NULL;
}

/* The line itself is not shown: it may be a password. */
static int take_line(struct etcd_secrets *s, char *line, unsigned number,
		     struct buffer *why)
{
	char *equals, **field;

	line = trim(line);
	if (!*line || *line == '#')
		return 0;
	equals = strchr(line, '=');
	if (equals)
		*equals = '\0';
	field = equals ? field_of(s, trim(line)) : NULL;
	if (!field || *field) {
		buffer_printf(why,
			      "line %u of '%s' is %s: it must be 'NAME = "
			      "VALUE', NAME one of " NAMES,
			      number, s->file,
			      field ? "the second of its kind" : "wrong");
		return -EINVAL;
	}
	*field = strdup(trim(equals + 1));
	return *field ? 0 : -ENOMEM;
}

static int take_lines(struct etcd_secrets *s, FILE *file, struct buffer *why)
{
	char *line = NULL;
	size_t size = 0;
	unsigned number = 0;
	int r = 0;

	while (r == 0 && getline(&line, &size, file) >= 0)
		r = take_line(s, line, ++number, why);
	if (r == 0 && ferror(file)) {
		r = errno ? -errno : -EIO;
		buffer_printf(why, "cannot read '%s': %s", s->file,
			      strerror(-r));
	}
	if (line)
		explicit_bzero(line, size);
	free(line);
	return r;
}

/* ---- whose the files are ---- */

static int check_mode(const char *name, const struct stat *st, bool secret,
		      struct buffer *why)
{
	if (!S_ISREG(st->st_mode)) {
		buffer_printf(why, "'%s' is no file", name);
		return -EINVAL;
	}
	if (st->st_mode & S_IWOTH) {
		buffer_printf(why, "everybody may write '%s': chmod o-w it",
			      name);
		return -EACCES;
	}
	if (secret && st->st_mode & S_IROTH) {
		buffer_printf(why,
			      "everybody may read '%s', which has a secret in "
			      "it: chmod o-r it, and take another secret",
			      name);
		return -EACCES;
	}
	return 0;
}

/* libcurl says little of a file it can't read, and asks nobody whose it is. */
static int check_file(const struct etcd_secrets *s, const char *what,
		      const char *name, bool secret, struct buffer *why)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r;

	if (!name)
		return 0;
	if (*name != '/') {
		buffer_printf(why,
			      "'%s' in '%s' must be the name of a file, from "
			      "the root on",
			      what, s->file);
		return -EINVAL;
	}
	fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0 && fstat(fd, &st) == 0)
		return check_mode(name, &st, secret, why);
	r = -errno;
	buffer_printf(why, "cannot read '%s', the '%s' of '%s': %s", name, what,
		      s->file, strerror(-r));
	return r;
}

static int check_files(const struct etcd_secrets *s, struct buffer *why)
{
	int r = check_file(s, "ca", s->ca, false, why);

	if (r == 0)
		r = check_file(s, "cert", s->cert, !s->key, why);
	return r == 0 ? check_file(s, "key", s->key, true, why) : r;
}

/* ---- whether it fits ---- */

static int check_pairs(const struct etcd_secrets *s, struct buffer *why)
{
	if (s->key && !s->cert)
		buffer_printf(why, "there is a 'key' in '%s', but no 'cert'",
			      s->file);
	else if (!s->user != !s->password)
		buffer_printf(why, "there is a '%s' in '%s', but no '%s'",
			      s->user ? "user" : "password", s->file,
			      s->user ? "password" : "user");
	else if (s->user && !s->hosts)
		buffer_printf(why,
			      "'%s' doesn't say whom the password is for: add "
			      "'hosts = etcds://HOST:PORT[,HOST:PORT...]'",
			      s->file);
	else
		return 0;
	return -EINVAL;
}

static bool has_url(const struct etcd_address *a, const char *url)
{
	size_t i = 0;

	while (i < a->n && strcmp(a->urls[i], url) != 0)
		i++;
	return i < a->n;
}

/* Who is told the password: all of the address, or it is told nobody. */
static int check_hosts(struct etcd_secrets *s,
		       const struct etcd_address *address, struct buffer *why)
{
	_cleanup_buffer_ struct buffer text = {};
	struct etcd_address told;
	int r;

	if (!s->user)
		return 0;
	if (buffer_printf(&text, "%s/x", s->hosts) < 0)
		return -ENOMEM;
	r = etcd_address_parse(&told, text.data);
	if (r == -EINVAL)
		buffer_printf(why,
			      "'hosts' in '%s' must be etcd://HOST:PORT[,"
			      "HOST:PORT...], or etcds:",
			      s->file);
	if (r < 0)
		return r;
	for (size_t i = 0; i < address->n; i++)
		s->is_untold |= !has_url(&told, address->urls[i]);
	etcd_address_release(&told);
	return 0;
}

static void forget_user(struct etcd_secrets *s)
{
	free(take_ptr(s->user));
	explicit_bzero(s->password, strlen(s->password));
	free(take_ptr(s->password));
}

static int read_file(struct etcd_secrets *s, FILE *file,
		     const struct etcd_address *address, struct buffer *why)
{
	struct stat st;
	int r = fstat(fileno(file), &st) < 0 ? -errno : 0;

	if (r == 0)
		r = check_mode(s->file, &st, false, why);
	if (r == 0)
		r = take_lines(s, file, why);
	if (r == 0)
		r = check_mode(s->file, &st, s->password, why);
	if (r == 0)
		r = check_pairs(s, why);
	if (r == 0)
		r = check_files(s, why);
	if (r == 0)
		r = check_hosts(s, address, why);
	if (r == 0 && s->is_untold)
		forget_user(s);
	return r;
}

/* Without a file there is nothing; and who may not read it goes without, for it
 * may not be meant for him. But one the environment names was meant. */
static int open_file(struct etcd_secrets *s, FILE **ret_file,
		     struct buffer *why)
{
	const char *name = secure_getenv(ETCD_SECRETS_VARIABLE);
	int r;

	s->file = strdup(name ? name : ETCD_SECRETS);
	if (!s->file)
		return -ENOMEM;
	*ret_file = fopen(s->file, "re");
	if (*ret_file)
		return 0;
	r = -errno;
	s->is_hidden = r == -EACCES;
	if (!name && (r == -ENOENT || r == -EACCES || r == -ENOTDIR))
		return 0;
	buffer_printf(why, "cannot read '%s'%s: %s", s->file,
		      name ? ", which " ETCD_SECRETS_VARIABLE " names" : "",
		      strerror(-r));
	return r;
}

int etcd_secrets_read(struct etcd_secrets *ret_secrets,
		      const struct etcd_address *address, struct buffer *why)
{
	struct etcd_secrets s = {};
	FILE *file = NULL;
	int r = open_file(&s, &file, why);

	if (file) {
		r = read_file(&s, file, address, why);
		fclose(file);
	}
	if (r < 0)
		etcd_secrets_release(&s);
	else
		*ret_secrets = s;
	return r;
}
