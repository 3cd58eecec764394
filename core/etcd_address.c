/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/etcd_address.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"

#define PLAIN "etcd://"
#define TLS "etcds://"

static bool begins(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

bool etcd_address_is(const char *text)
{
	return begins(text, PLAIN) || begins(text, TLS);
}

void etcd_address_release(struct etcd_address *a)
{
	for (size_t i = 0; i < a->n; i++)
		free(a->urls[i]);
	free(a->prefix);
	*a = (struct etcd_address){};
}

/* HOST:PORT, the host a name, an IPv4 address, or an IPv6 one in brackets. */
static bool is_host(const char *text, size_t len)
{
	const char *colon = memrchr(text, ':', len);
	size_t host = colon ? (size_t)(colon - text) : 0;
	unsigned long port = 0;

	if (host == 0 || host > 255)
		return false;
	for (size_t i = 0; i < host; i++)
		if (!isalnum((unsigned char)text[i]) &&
		    !strchr(text[0] == '[' ? "[]:." : "-._", text[i]))
			return false;
	for (size_t i = host + 1; i < len; i++) {
		if (!isdigit((unsigned char)text[i]) || port > 65535)
			return false;
		port = 10 * port + (unsigned long)(text[i] - '0');
	}
	return port > 0 && port <= 65535;
}

static int add_host(struct etcd_address *a, const char *scheme,
		    const char *text, size_t len)
{
	if (a->n == ETCD_HOSTS_MAX || !is_host(text, len))
		return -EINVAL;
	if (asprintf(&a->urls[a->n], "%s://%.*s", scheme, (int)len, text) < 0)
		return -ENOMEM;
	a->n++;
	return 0;
}

static int add_hosts(struct etcd_address *a, const char *scheme,
		     const char *text, const char *end)
{
	int r = 0;

	while (r == 0 && text <= end) {
		const char *comma = memchr(text, ',', (size_t)(end - text));
		const char *stop = comma ? comma : end;

		r = add_host(a, scheme, text, (size_t)(stop - text));
		text = stop + 1;
	}
	return r;
}

/* Whatever is no control character, so that it can be shown and typed. */
static bool is_prefix(const char *text)
{
	size_t len = strlen(text);

	if (len == 0 || len > 200 || text[len - 1] == '/')
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] <= ' ' || text[i] == 127)
			return false;
	return true;
}

int etcd_address_parse(struct etcd_address *ret_address, const char *text)
{
	struct etcd_address a = {};
	bool tls = begins(text, TLS);
	const char *hosts = text + strlen(tls ? TLS : PLAIN);
	const char *slash = etcd_address_is(text) ? strchr(hosts, '/') : NULL;
	int r = slash && is_prefix(slash + 1) ? 0 : -EINVAL;

	if (r == 0)
		r = add_hosts(&a, tls ? "https" : "http", hosts, slash);
	if (r == 0 && !(a.prefix = strdup(slash + 1)))
		r = -ENOMEM;
	if (r < 0)
		etcd_address_release(&a);
	else
		*ret_address = a;
	return r;
}
