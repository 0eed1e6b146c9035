// SPDX-License-Identifier: GPL-2.0
/* vmmigctl monitor: print what happens, as it happens. */
#include "ctl.h"

static const struct ctl_opt opts[] = {
	{ "until-end", NULL,
	  "stop at the end of session ID, exit with its\nresult" },
	{ 0 }
};

static int option(struct ctl *ctl, int i, const char *arg)
{
	bool *until_end = ctl->data;

	(void)i;
	(void)arg;
	*until_end = true;
	return 0;
}

static int monitor(struct ctl *ctl, uint32_t id, bool until_end)
{
	struct vmmig_nl *nl;
	int rc;

	rc = ctl_nl_open(ctl, &nl);
	if (rc)
		return rc;
	rc = vmmig_nl_subscribe(nl, &ctl->err);
	if (rc)
		rc = ctl_failed(ctl, rc);
	else
		rc = ctl_follow(ctl, nl, id,
				until_end ? CTL_UNTIL_END : CTL_FOREVER);
	vmmig_nl_close(nl);
	return rc;
}

static int run(struct ctl *ctl, int argc, char **argv)
{
	bool until_end = false;
	uint32_t id = 0;
	int rc;

	ctl->data = &until_end;
	rc = ctl_opts_parse(ctl, argc, argv);
	if (rc)
		return rc;
	if (ctl->nr_args && ctl_parse_id(ctl->args[0], &id, &ctl->err))
		return ctl_usage(ctl, "%s", ctl->err.text);
	if (until_end && !id)
		return ctl_usage(ctl, "--until-end needs the ID of a session");
	return monitor(ctl, id, until_end);
}

const struct ctl_cmd ctl_cmd_monitor = {
	.name = "monitor",
	.args = "[ID]",
	.help = "Print state changes and progress as they happen.",
	.opts = opts,
	.max_args = 1,
	.option = option,
	.run = run,
};
