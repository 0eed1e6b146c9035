// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "step.h"
#include "util.h"

static const char * const steps[] = {
	STEP_CHECKS, STEP_DESTINATION, STEP_PRECOPY, STEP_MIGRATE, STEP_STOP,
	STEP_FINAL, STEP_DEVSTATE, STEP_CONFIRM, STEP_LOAD, STEP_READY,
	STEP_TAKE, STEP_COMMIT,
};

static const char *step_name(const char *fail_at)
{
	return starts_with(fail_at, "kill:") ? fail_at + strlen("kill:") :
		fail_at;
}

bool step_is_known(const char *fail_at)
{
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		if (!strcmp(steps[i], step_name(fail_at)))
			return true;
	return false;
}

int step_done(const char *fail_at, const char *step, struct vmmig_error *err)
{
	if (!fail_at || strcmp(step_name(fail_at), step))
		return 0;
	if (step_name(fail_at) != fail_at)
		raise(SIGKILL);
	return vmmig_fail(err, -EIO, "failed as asked for, after step '%s'",
			  step);
}
