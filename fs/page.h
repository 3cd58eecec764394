/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `.locks.html`: what `.locks` shows, for a browser.
 *
 * A table of who has what, since when, why, at which machine and whether they
 * are still there, and the latest refusals. It is one file that needs no other:
 * no script, no font, nothing from elsewhere, and its Content-Security-Policy
 * has the browser refuse all that might have got in by a name or a message,
 * which are escaped besides.
 *
 * It is made at each look, as `.locks` is; who looks again at once, while
 * nothing has changed, sees the same page. It is padded, so that it seldom
 * grows between the moment a program asks for its size and reads it.
 */
#ifndef FS_PAGE_H
#define FS_PAGE_H

#include "core/buffer.h"
#include "fs/camfs.h"

#define PAGE_NAME ".locks.html"

struct page;

int page_open(struct page **ret_page, struct camfs *fs);
void page_free(struct page *p); /* NULL-safe */

/* Appends the page as of now. Returns 0 or -errno, as does the next. */
int page_read(struct page *p, struct buffer *b);

/* How long it is. */
int page_size(struct page *p, size_t *ret_size);

#endif
