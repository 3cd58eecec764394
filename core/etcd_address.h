/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where an etcd is. Who we are to it: core/etcd_secrets.h.
 *
 *	etcd://HOST:PORT[,HOST:PORT...]/PREFIX	    plain
 *	etcds://HOST:PORT[,HOST:PORT...]/PREFIX	    with TLS
 *
 * The hosts are members of one cluster. All keys begin with PREFIX and a slash.
 */
#ifndef CORE_ETCD_ADDRESS_H
#define CORE_ETCD_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#define ETCD_HOSTS_MAX 9

struct etcd_address {
	char *urls[ETCD_HOSTS_MAX]; /* "http://HOST:PORT" */
	size_t n;
	char *prefix; /* no slash at its end */
};

/* Whether it is to be an etcd's address, right or wrong. */
bool etcd_address_is(const char *text);

/* Returns 0, -ENOMEM, or -EINVAL if it is none. */
int etcd_address_parse(struct etcd_address *ret_address, const char *text);
void etcd_address_release(struct etcd_address *a);

#endif
