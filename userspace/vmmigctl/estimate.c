// SPDX-License-Identifier: GPL-2.0
/* What the counters mean for a person; pure code. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "estimate.h"

#define NSEC_PER_SEC	1000000000ULL

/* Only here do the counters of the pass say something. */
static bool in_pass(const struct vmmig_session *s)
{
	return s->role == VMMIG_ROLE_SOURCE &&
	       (s->state == VMMIG_STATE_BULK ||
		s->state == VMMIG_STATE_ITERATING);
}

int ctl_percent(const struct vmmig_session *s)
{
	const struct vmmig_stats *st = &s->stats;

	if (!in_pass(s) || !st->pass_planned)
		return -1;
	/* The plan is an estimate, and may turn out too low. */
	if (st->pass_pages >= st->pass_planned)
		return 100;
	return (unsigned __int128)st->pass_pages * 100 / st->pass_planned;
}

int64_t ctl_downtime(const struct vmmig_session *s)
{
	const struct vmmig_stats *st = &s->stats;
	unsigned __int128 ns = st->scan_ns;

	if (!in_pass(s))
		return -1;
	/* In the bulk pass nothing was scanned yet. */
	if (!st->scan_ns && st->pass <= 1)
		return -1;
	if (st->pages_remaining) {
		if (!st->bytes_rate)
			return -1;
		ns += (unsigned __int128)st->pages_remaining * CTL_PAGE_SIZE *
		      NSEC_PER_SEC / st->bytes_rate;
	}
	return ns > INT64_MAX ? -1 : (int64_t)ns;
}

struct ctl_text ctl_bytes(uint64_t bytes)
{
	static const char units[] = "KMGTPE";
	struct ctl_text t;
	double v = bytes;
	int i = -1;

	if (bytes < 1024) {
		snprintf(t.s, sizeof(t.s), "%" PRIu64 " B", bytes);
		return t;
	}
	while (v >= 1023.95 && units[i + 1]) {
		v /= 1024;
		i++;
	}
	snprintf(t.s, sizeof(t.s), "%.*f %ciB", v < 99.95 ? 1 : 0, v,
		 units[i < 0 ? 0 : i]);
	return t;
}

struct ctl_text ctl_rate(uint64_t bytes_per_s)
{
	struct ctl_text b = ctl_bytes(bytes_per_s), t;

	snprintf(t.s, sizeof(t.s), "%.40s/s", b.s);
	return t;
}

struct ctl_text ctl_time(uint64_t ns)
{
	struct ctl_text t;
	double v = ns;

	if (v < 999.5e3)
		snprintf(t.s, sizeof(t.s), "%.0f us", v / 1e3);
	else if (v < 9.995e6)
		snprintf(t.s, sizeof(t.s), "%.2f ms", v / 1e6);
	else if (v < 999.5e6)
		snprintf(t.s, sizeof(t.s), "%.0f ms", v / 1e6);
	else if (v < 99.95e9)
		snprintf(t.s, sizeof(t.s), "%.2f s", v / 1e9);
	else
		snprintf(t.s, sizeof(t.s), "%.0f s", v / 1e9);
	return t;
}

struct line {
	char *at;
	size_t left;
};

__attribute__((format(printf, 2, 3)))
static void add(struct line *l, const char *fmt, ...)
{
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(l->at, l->left, fmt, ap);
	va_end(ap);
	if (len < 0)
		return;
	if ((size_t)len >= l->left)
		len = l->left ? (int)l->left - 1 : 0;
	l->at += len;
	l->left -= len;
}

static void add_source(struct line *l, const struct vmmig_session *s)
{
	const struct vmmig_stats *st = &s->stats;
	int percent = ctl_percent(s);
	int64_t downtime = ctl_downtime(s);

	add(l, ", pass %u", st->pass);
	if (percent >= 0)
		add(l, ", %d%%", percent);
	add(l, ", %s", ctl_rate(st->bytes_rate).s);
	add(l, ", %s left",
	    ctl_bytes(st->pages_remaining * CTL_PAGE_SIZE).s);
	if (downtime >= 0)
		add(l, ", downtime ~%s", ctl_time(downtime).s);
}

static void add_totals(struct line *l, const struct vmmig_session *s)
{
	const struct vmmig_stats *st = &s->stats;

	add(l, ", %s in %s", ctl_bytes(st->bytes).s,
	    ctl_time(st->elapsed_ns).s);
	if (s->role == VMMIG_ROLE_SOURCE)
		add(l, ", %u pass%s", st->pass, st->pass == 1 ? "" : "es");
	if (st->final_ns)
		add(l, ", final sync %s (scan %s)", ctl_time(st->final_ns).s,
		    ctl_time(st->final_scan_ns).s);
}

void ctl_progress(const struct vmmig_session *s, char *buf, size_t size)
{
	struct line l = { buf, size };

	add(&l, "session %u", s->id);
	if (s->name[0])
		add(&l, " %s", s->name);
	add(&l, ": %s", vmmig_state_name(s->state));

	switch (s->state) {
	case VMMIG_STATE_BULK:
	case VMMIG_STATE_ITERATING:
		add_source(&l, s);
		break;
	case VMMIG_STATE_RECEIVING:
		add(&l, ", pass %u, %s, %s received", s->stats.pass,
		    ctl_rate(s->stats.bytes_rate).s,
		    ctl_bytes(s->stats.bytes).s);
		break;
	case VMMIG_STATE_STOPPED:
	case VMMIG_STATE_SYNCED:
	case VMMIG_STATE_DONE:
	case VMMIG_STATE_COMPLETE:
		add_totals(&l, s);
		break;
	case VMMIG_STATE_FAILED:
	case VMMIG_STATE_CANCELLED:
		if (s->reason[0])
			add(&l, ", %s", s->reason);
		break;
	default:
		break;
	}
}
