/* SPDX-License-Identifier: GPL-2.0 */
/* What the counters mean for a person; pure code. */
#ifndef VMMIGCTL_ESTIMATE_H
#define VMMIGCTL_ESTIMATE_H

#include "vmmig.h"

#define CTL_PAGE_SIZE	4096

/* How much of the current pass is done, 0 to 100; -1: unknown. */
int ctl_percent(const struct vmmig_session *s);
/*
 * Nanoseconds that the VM would stand still if it were stopped now: last scan
 * and the rest of the pages. -1: unknown.
 */
int64_t ctl_downtime(const struct vmmig_session *s);

/* Human readable numbers, returned by value: usable within one printf(). */
struct ctl_text {
	char s[48];
};

struct ctl_text ctl_bytes(uint64_t bytes);
struct ctl_text ctl_rate(uint64_t bytes_per_s);
struct ctl_text ctl_time(uint64_t ns);
/* One line on the state of a session, without a newline. */
void ctl_progress(const struct vmmig_session *s, char *buf, size_t size);

#endif /* VMMIGCTL_ESTIMATE_H */
