// SPDX-License-Identifier: GPL-2.0
/* vmmigctl send: make a session at the source. */
#include <string.h>

#include "move.h"

#define CONNECT_MS	30000

enum { SEND_TRACKING = MOVE_NR, SEND_RATE_LIMIT };

static const struct ctl_opt opts[] = {
	MOVE_OPTS("RAM block; WHERE is PATH, fd:N (inherited) or\n"
		  "pid:PID:FD (copied from that process); repeat\n"
		  "for every block", "30"),
	[SEND_TRACKING] = { "tracking", "HOW",
		"auto, ring or scan (auto)" },
	[SEND_RATE_LIMIT] = { "rate-limit", "RATE",
		"bandwidth, 100M (MiB/s) or 1gbit (none)" },
	{ 0 }
};

static int parse_tracking(const char *text, enum vmmig_tracking *tracking)
{
	for (int i = VMMIG_TRACKING_AUTO; i <= VMMIG_TRACKING_SCAN; i++) {
		if (strcmp(text, vmmig_tracking_name(i)))
			continue;
		*tracking = i;
		return 0;
	}
	return -1;
}

static int option(struct ctl *ctl, int i, const char *arg)
{
	struct move *m = ctl->data;

	switch (i) {
	case SEND_TRACKING:
		if (parse_tracking(arg, &m->start.tracking))
			return ctl_usage(ctl, "tracking \"%s\" does not exist, there are auto, ring and scan",
					 arg);
		return 0;
	case SEND_RATE_LIMIT:
		if (vmmig_rate_parse(arg, &m->start.rate_limit, &ctl->err))
			return ctl_usage(ctl, "%s", ctl->err.text);
		return 0;
	default:
		return move_option(ctl, m, i, arg, true);
	}
}

static int send_ram(struct ctl *ctl, struct move *m)
{
	struct vmmig_nl *nl;
	uint32_t id = 0;
	int rc;

	rc = move_check(ctl, m);
	if (!rc)
		rc = ctl_nl_open(ctl, &nl);
	if (rc)
		return rc;
	rc = move_open(ctl, m, true);
	if (rc)
		goto close_nl;

	rc = vmmig_sock_connect(ctl->args[0], ctl->args[1], m->token,
				m->nr_streams, m->socks,
				m->timeout_ms < 0 ? CONNECT_MS : m->timeout_ms,
				&ctl->err);
	if (!rc && m->wait)
		rc = vmmig_nl_subscribe(nl, &ctl->err);
	if (!rc)
		rc = vmmig_nl_send(nl, &m->start, &id, &ctl->err);
	rc = move_started(ctl, m, nl, id, rc);
close_nl:
	vmmig_nl_close(nl);
	return rc;
}

static int run(struct ctl *ctl, int argc, char **argv)
{
	struct move m;
	int rc;

	move_init(&m);
	ctl->data = &m;
	rc = ctl_opts_parse(ctl, argc, argv);
	if (!rc)
		rc = send_ram(ctl, &m);
	move_cleanup(&m);
	return rc;
}

const struct ctl_cmd ctl_cmd_send = {
	.name = "send",
	.args = "HOST PORT",
	.help = "Connect to a destination and start to send RAM.",
	.opts = opts,
	.min_args = 2,
	.max_args = 2,
	.option = option,
	.run = run,
};
