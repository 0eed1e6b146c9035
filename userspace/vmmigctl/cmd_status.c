// SPDX-License-Identifier: GPL-2.0
/* vmmigctl status: all sessions in a table, or everything about one. */
#include <errno.h>
#include <stdlib.h>

#include "ctl.h"
#include "print.h"

struct list {
	struct vmmig_session *all;
	size_t nr;
	bool no_memory;
};

static void collect(const struct vmmig_session *s, void *arg)
{
	struct list *l = arg;
	struct vmmig_session *bigger;

	bigger = realloc(l->all, (l->nr + 1) * sizeof(*bigger));
	if (!bigger) {
		l->no_memory = true;
		return;
	}
	l->all = bigger;
	l->all[l->nr++] = *s;
}

static int show_all(struct ctl *ctl, struct vmmig_nl *nl)
{
	struct list l = { 0 };
	int rc;

	rc = vmmig_nl_dump(nl, collect, &l, &ctl->err);
	if (!rc && l.no_memory)
		rc = vmmig_fail(&ctl->err, -ENOMEM, "sessions: out of memory");
	if (!rc)
		ctl->print->list(l.all, l.nr);
	free(l.all);
	return rc ? ctl_failed(ctl, rc) : CTL_OK;
}

static int show_one(struct ctl *ctl, struct vmmig_nl *nl, uint32_t id)
{
	struct vmmig_session s;
	int rc;

	rc = vmmig_nl_get(nl, id, &s, &ctl->err);
	if (rc)
		return ctl_failed(ctl, rc);
	ctl->print->one(&s);
	return CTL_OK;
}

static int run(struct ctl *ctl, int argc, char **argv)
{
	struct vmmig_nl *nl;
	uint32_t id = 0;
	int rc;

	rc = ctl_opts_parse(ctl, argc, argv);
	if (rc)
		return rc;
	if (ctl->nr_args && ctl_parse_id(ctl->args[0], &id, &ctl->err))
		return ctl_usage(ctl, "%s", ctl->err.text);
	rc = ctl_nl_open(ctl, &nl);
	if (rc)
		return rc;
	rc = id ? show_one(ctl, nl, id) : show_all(ctl, nl);
	vmmig_nl_close(nl);
	return rc;
}

const struct ctl_cmd ctl_cmd_status = {
	.name = "status",
	.args = "[ID]",
	.help = "Show all sessions, or everything about one.",
	.max_args = 1,
	.run = run,
};
