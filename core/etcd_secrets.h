/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Who we are to an etcd, and whom we trust to be one.
 *
 * Keys, certificates and passwords don't belong into an address, which anybody
 * may see. They stand in a file, one `name = value` a line, of
 *
 *	ca		whom to trust, instead of whom this machine does: PEM
 *	cert, key	our certificate and its key: PEM; without `key` both
 *			are in one file
 *	user, password	as of `etcdctl user add`
 *	hosts		whom these two are told: an address without a prefix,
 *			etcds://HOST:PORT[,HOST:PORT...]
 *
 * The address may have been found in a share, where others write, and it is not
 * to choose who hears the password: hence `hosts`.
 *
 * Files are named from the root. One that holds a password or a key must not be
 * for everybody to read, and none of these for everybody to write.
 */
#ifndef CORE_ETCD_SECRETS_H
#define CORE_ETCD_SECRETS_H

#include "core/buffer.h"
#include "core/etcd_address.h"

#define ETCD_SECRETS "/etc/camlock/etcd"     /* unless the environment says */
#define ETCD_SECRETS_VARIABLE "CAMLOCK_ETCD" /* another file */

struct etcd_secrets {
	char *file;	/* where they stand, for messages */
	bool is_hidden; /* it is not for us to read: there are none */
	bool is_untold; /* there is a user, but not for that address */
	char *ca;	/* all of these may be NULL */
	char *cert;
	char *key;
	char *user;
	char *password;
	char *hosts;
};

/* Reads what there is for that address; without a file there is nothing, but
 * one the environment names must be there. Returns 0, or -errno with a sentence
 * about whose fault it is appended to `why`. */
int etcd_secrets_read(struct etcd_secrets *ret_secrets,
		      const struct etcd_address *address, struct buffer *why);
void etcd_secrets_release(struct etcd_secrets *s);

#endif
