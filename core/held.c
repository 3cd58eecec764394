/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/held.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/events.h"
#include "core/requests.h"

#define AT_ONCE 200 /* with an engine that has a limit */

static struct held *held_find(struct registry *r, const char *path)
{
	for (struct hash_node *n = hash_first(&r->held, hash_string(path)); n;
	     n = hash_next(n)) {
		struct held *h = container_of(n, struct held, node);

		if (!strcmp(h->path, path))
			return h;
	}
	return NULL;
}

static void held_free(struct hash_node *n)
{
	struct held *h = container_of(n, struct held, node);

	free(h->text);
	free(h);
}

void held_release_all(struct registry *r)
{
	hash_clear(&r->held, held_free);
}

const char *held_text(struct registry *r, const char *path)
{
	struct held *h = held_find(r, path);

	return h ? h->text : NULL;
}

void held_remove(struct registry *r, const char *path)
{
	struct held *h = held_find(r, path);

	if (!h)
		return;
	hash_remove(&r->held, &h->node);
	held_free(&h->node);
}

/* What the request will hold if all goes well. */
int held_gain(struct request *q, const char *path, const char *text, size_t len)
{
	size_t size = strlen(path) + 1;
	struct held *h = calloc(1, sizeof(*h) + size);

	if (!h || !(h->text = strndup(text, len))) {
		free(h);
		return -ENOMEM;
	}
	memcpy(h->path, path, size);
	h->next = q->gained;
	q->gained = h;
	return 0;
}

/* All went well. */
void held_keep_gains(struct registry *r, struct request *q)
{
	while (q->gained) {
		struct held *h = q->gained;

		q->gained = h->next;
		held_remove(r, h->path);
		if (hash_insert(&r->held, &h->node, hash_string(h->path)) < 0)
			held_free(&h->node); /* it is not watched over */
	}
}

void held_drop_gains(struct request *q)
{
	while (q->gained) {
		struct held *h = q->gained;

		q->gained = h->next;
		held_free(&h->node);
	}
}

/* Broken through another mount, which has put a copy of the file there. */
static bool was_replaced(const struct registry *r, const char *path)
{
	const struct registry_options *o = &r->options;

	return o->was_replaced && o->was_replaced(o->on_event_arg, path);
}

/* A record of ours that another program's rewrite lost, with the file still
 * open, goes back in. If another's stands there now, two people hold the file,
 * and all we can do is say so. */
static bool reassert(struct registry *r, struct held *h)
{
	_cleanup_record_ struct record ours = {}, now = {};
	int found = requests_find(r, h->path, &now);

	if (found < 0 || (found > 0 && requests_is_ours(r, &now)))
		return false;
	if (record_parse(&ours, h->text, strlen(h->text)) < 0)
		return false;
	if (was_replaced(r, h->path)) {
		events_note(r, REGISTRY_REPLACED, h->path, &ours);
		hash_remove(&r->held, &h->node);
		held_free(&h->node);
		return false;
	}
	if (found > 0) {
		if (!h->lost && strcmp(now.user, ours.user) != 0)
			events_note(r, REGISTRY_LOST, h->path, &now);
		h->lost = true;
		return false;
	}
	h->lost = false;
	if (engine_put(r->engine, h->path, h->text, strlen(h->text)) < 0)
		return false;
	events_note(r, REGISTRY_REASSERTED, h->path, &ours);
	return true;
}

bool held_reassert(struct registry *r, bool *ret_left)
{
	size_t n_edited = 0;

	*ret_left = false;
	for (size_t i = 0; i < r->held.n_slots; i++) {
		struct hash_node *next;

		for (struct hash_node *n = r->held.slots[i]; n; n = next) {
			next = n->next; /* it may be let go */
			n_edited +=
				reassert(r, container_of(n, struct held, node));
			*ret_left = r->engine->confirms && n_edited == AT_ONCE;
			if (*ret_left)
				return true;
		}
	}
	return n_edited > 0;
}
