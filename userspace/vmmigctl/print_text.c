// SPDX-License-Identifier: GPL-2.0
/* Output for people. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "estimate.h"
#include "print.h"

static void text_listening(const char *address, unsigned int port,
			   unsigned int streams)
{
	printf("listening on %s port %u for %u stream%s\n", address, port,
	       streams, streams == 1 ? "" : "s");
	fflush(stdout);
}

static void text_started(uint32_t id)
{
	printf("session %u\n", id);
	fflush(stdout);
}

static const char *percent_text(const struct vmmig_session *s,
				struct ctl_text *t)
{
	int percent = ctl_percent(s);

	if (percent < 0)
		return "-";
	snprintf(t->s, sizeof(t->s), "%d%%", percent);
	return t->s;
}

static void text_list(const struct vmmig_session *s, size_t nr)
{
	struct ctl_text percent, remaining;
	int name_len = 4, len;

	for (size_t i = 0; i < nr; i++) {
		len = strlen(s[i].name);
		if (len > name_len)
			name_len = len;
	}
	if (!nr)
		printf("no sessions\n");
	else
		printf("%4s  %-11s  %-10s  %-*s  %4s  %4s  %12s  %10s\n", "ID",
		       "ROLE", "STATE", name_len, "NAME", "PASS", "DONE",
		       "RATE", "REMAINING");
	for (; nr; nr--, s++) {
		remaining = ctl_bytes(s->stats.pages_remaining *
				      CTL_PAGE_SIZE);
		printf("%4u  %-11s  %-10s  %-*s  %4u  %4s  %12s  %10s\n",
		       s->id, vmmig_role_name(s->role),
		       vmmig_state_name(s->state), name_len,
		       s->name[0] ? s->name : "-", s->stats.pass,
		       percent_text(s, &percent),
		       ctl_rate(s->stats.bytes_rate).s,
		       s->role == VMMIG_ROLE_SOURCE ? remaining.s : "-");
	}
	fflush(stdout);
}

static void field(const char *name, const char *value)
{
	printf("  %-18s %s\n", name, value);
}

static void stats_field(const struct vmmig_stats_field *f, uint64_t v)
{
	char name[32];

	switch (f->unit) {
	case VMMIG_UNIT_NS:
		/* The value has its own unit here. */
		snprintf(name, sizeof(name), "%.*s",
			 (int)(strlen(f->name) - strlen("-ns")), f->name);
		field(name, ctl_time(v).s);
		break;
	case VMMIG_UNIT_BYTES:
		field(f->name, ctl_bytes(v).s);
		break;
	case VMMIG_UNIT_BYTES_RATE:
		field(f->name, ctl_rate(v).s);
		break;
	case VMMIG_UNIT_PAGES:
		printf("  %-18s %" PRIu64 " (%s)\n", f->name, v,
		       ctl_bytes(v * CTL_PAGE_SIZE).s);
		break;
	case VMMIG_UNIT_PAGES_RATE:
		printf("  %-18s %" PRIu64 " (%s)\n", f->name, v,
		       ctl_rate(v * CTL_PAGE_SIZE).s);
		break;
	case VMMIG_UNIT_COUNT:
		printf("  %-18s %" PRIu64 "\n", f->name, v);
		break;
	}
}

static void text_one(const struct vmmig_session *s)
{
	bool source = s->role == VMMIG_ROLE_SOURCE;
	const struct vmmig_stats_field *f;
	int percent = ctl_percent(s);
	int64_t downtime = ctl_downtime(s);

	printf("session %u\n", s->id);
	if (s->name[0])
		field("name", s->name);
	field("role", vmmig_role_name(s->role));
	field("state", vmmig_state_name(s->state));
	if (s->reason[0])
		field("reason", s->reason);
	if (s->error)
		field("error", strerror(s->error < 0 ? -s->error : s->error));
	printf("  %-18s %u\n", "streams", s->streams);
	if (source) {
		field("tracking", vmmig_tracking_name(s->tracking));
		field("rate-limit",
		      s->rate_limit ? ctl_rate(s->rate_limit).s : "none");
	}
	field("hello", ctl_time(s->hello_ns).s);
	if (percent >= 0)
		printf("  %-18s %d%%\n", "pass done", percent);
	if (downtime >= 0)
		field("downtime estimate", ctl_time(downtime).s);

	for (size_t i = 0; i < vmmig_nr_stats_fields; i++) {
		f = &vmmig_stats_fields[i];
		if (source || !f->source_only)
			stats_field(f, vmmig_stats_value(&s->stats, f));
	}
	fflush(stdout);
}

static void text_event(const struct vmmig_session *s)
{
	char line[512];

	ctl_progress(s, line, sizeof(line));
	printf("%s\n", line);
	fflush(stdout);
}

static void text_events_end(void)
{
}

static void live_event(const struct vmmig_session *s)
{
	char line[512];
	struct winsize w;
	size_t width = 80;

	ctl_progress(s, line, sizeof(line));
	if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) && w.ws_col)
		width = w.ws_col;
	/* A line that wraps cannot be overwritten; the end is worth a wrap. */
	if (!vmmig_state_ended(s->state) && width < sizeof(line))
		line[width - 1] = 0;
	printf("\r%s\033[K", line);
	fflush(stdout);
}

static void live_events_end(void)
{
	printf("\n");
	fflush(stdout);
}

const struct ctl_print ctl_print_text = {
	.listening	= text_listening,
	.started	= text_started,
	.list		= text_list,
	.one		= text_one,
	.event		= text_event,
	.events_end	= text_events_end,
};

const struct ctl_print ctl_print_live = {
	.listening	= text_listening,
	.started	= text_started,
	.list		= text_list,
	.one		= text_one,
	.event		= live_event,
	.events_end	= live_events_end,
};
