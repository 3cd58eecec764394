/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where an etcd is, and who we are to it.
 *
 *	etcd://HOST:PORT[,HOST:PORT...]/PREFIX	    plain
 *	etcds://HOST:PORT[,HOST:PORT...]/PREFIX	    with TLS
 *
 * The hosts are members of one cluster. All keys begin with PREFIX and a slash.
 *
 * Keys, certificates and passwords don't belong into an address, which anybody
 * may see. They stand in a file only those may read who are to use them, one
 * `name = value` a line, of
 *
 *	ca, cert, key		files in PEM: whom to trust, and who we are
 *	user, password		as of `etcdctl user add`
 */
#ifndef CORE_ETCD_ADDRESS_H
#define CORE_ETCD_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#define ETCD_HOSTS_MAX 9
#define ETCD_SECRETS "/etc/camlock/etcd"     /* unless the environment says */
#define ETCD_SECRETS_VARIABLE "CAMLOCK_ETCD" /* another file */

struct etcd_address {
	char *urls[ETCD_HOSTS_MAX]; /* "http://HOST:PORT" */
	size_t n;
	char *prefix; /* no slash at its end */
	char *ca;     /* these five may be NULL */
	char *cert;
	char *key;
	char *user;
	char *password;
};

/* Whether it is to be an etcd's address, right or wrong. */
bool etcd_address_is(const char *text);

/* Returns 0, -ENOMEM, or -EINVAL if it is none. */
int etcd_address_parse(struct etcd_address *ret_address, const char *text);
void etcd_address_release(struct etcd_address *a);

/* Reads the secrets; without such a file there are none. Returns 0, -EINVAL (a
 * line is wrong), or another -errno. */
int etcd_address_read_secrets(struct etcd_address *a);

#endif
