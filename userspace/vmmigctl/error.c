// SPDX-License-Identifier: GPL-2.0
/* From a negative errno to a sentence and an exit code. */
#include <errno.h>
#include <stdio.h>

#include "ctl.h"

int ctl_failed(const struct ctl *ctl, int rc)
{
	fprintf(stderr, "vmmigctl: %s\n", ctl->err.text);
	return rc == -EPERM || rc == -EACCES ? CTL_NO_ACCESS : CTL_FAILED;
}

int ctl_nl_open(struct ctl *ctl, struct vmmig_nl **nl)
{
	int rc = vmmig_nl_open(nl, &ctl->err);

	if (!rc)
		return CTL_OK;
	ctl_failed(ctl, rc);
	/* Here it is the family that does not exist. */
	return rc == -ENOENT || rc == -EPERM ? CTL_NO_ACCESS : CTL_FAILED;
}
