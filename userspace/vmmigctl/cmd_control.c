// SPDX-License-Identifier: GPL-2.0
/* vmmigctl throttle, finalize, cancel: steer a running session. */
#include "ctl.h"
#include "print.h"

struct finalize {
	bool hold;
	bool wait;
};

enum { FINALIZE_HOLD, FINALIZE_WAIT };

static const struct ctl_opt finalize_opts[] = {
	[FINALIZE_HOLD] = { "hold", NULL,
		"keep the session for a confirming scan, which\n"
		"a second finalize without --hold does" },
	[FINALIZE_WAIT] = { "wait", NULL,
		"stay until it is done, exit with the result" },
	{ 0 }
};

static int finalize_option(struct ctl *ctl, int i, const char *arg)
{
	struct finalize *f = ctl->data;

	(void)arg;
	if (i == FINALIZE_HOLD)
		f->hold = true;
	else
		f->wait = true;
	return 0;
}

/* Options, the session's id, and the connection to the module. */
static int begin(struct ctl *ctl, int argc, char **argv, uint32_t *id,
		 struct vmmig_nl **nl)
{
	int rc = ctl_opts_parse(ctl, argc, argv);

	if (rc)
		return rc;
	if (ctl_parse_id(ctl->args[0], id, &ctl->err))
		return ctl_usage(ctl, "%s", ctl->err.text);
	return nl ? ctl_nl_open(ctl, nl) : 0;
}

static int end(struct ctl *ctl, struct vmmig_nl *nl, int rc)
{
	vmmig_nl_close(nl);
	return rc ? ctl_failed(ctl, rc) : CTL_OK;
}

static int run_throttle(struct ctl *ctl, int argc, char **argv)
{
	struct vmmig_nl *nl;
	uint64_t rate;
	uint32_t id;
	int rc;

	rc = begin(ctl, argc, argv, &id, NULL);
	if (rc)
		return rc;
	if (vmmig_rate_parse(ctl->args[1], &rate, &ctl->err))
		return ctl_usage(ctl, "%s", ctl->err.text);
	rc = ctl_nl_open(ctl, &nl);
	if (rc)
		return rc;
	return end(ctl, nl, vmmig_nl_set_rate(nl, id, rate, &ctl->err));
}

static int run_finalize(struct ctl *ctl, int argc, char **argv)
{
	struct finalize f = { 0 };
	struct vmmig_nl *nl;
	uint32_t id;
	int rc;

	ctl->data = &f;
	rc = begin(ctl, argc, argv, &id, &nl);
	if (rc)
		return rc;
	if (f.wait)
		rc = vmmig_nl_subscribe(nl, &ctl->err);
	if (!rc)
		rc = vmmig_nl_finalize(nl, id, f.hold, &ctl->err);
	if (rc || !f.wait)
		return end(ctl, nl, rc);

	rc = ctl_follow(ctl, nl, id,
			f.hold ? CTL_UNTIL_SYNCED : CTL_UNTIL_END);
	vmmig_nl_close(nl);
	return rc;
}

static int run_cancel(struct ctl *ctl, int argc, char **argv)
{
	struct vmmig_nl *nl;
	uint32_t id;
	int rc;

	rc = begin(ctl, argc, argv, &id, &nl);
	if (rc)
		return rc;
	return end(ctl, nl, vmmig_nl_cancel(nl, id, &ctl->err));
}

const struct ctl_cmd ctl_cmd_throttle = {
	.name = "throttle",
	.args = "ID RATE",
	.help = "Limit the bandwidth of a source: 100M (MiB/s), 1gbit, none.",
	.min_args = 2,
	.max_args = 2,
	.run = run_throttle,
};

const struct ctl_cmd ctl_cmd_finalize = {
	.name = "finalize",
	.args = "ID",
	.help = "The VM is stopped: send the last pages and end the session.",
	.opts = finalize_opts,
	.min_args = 1,
	.max_args = 1,
	.option = finalize_option,
	.run = run_finalize,
};

const struct ctl_cmd ctl_cmd_cancel = {
	.name = "cancel",
	.args = "ID",
	.help = "End a session. The VM itself is not touched.",
	.min_args = 1,
	.max_args = 1,
	.run = run_cancel,
};
