/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Names of the steps, and the test hook that fails at one. "STEP" fails in an
 * orderly way, "kill:STEP" dies as with SIGKILL.
 */
#ifndef STEP_H
#define STEP_H

#include <stdbool.h>

#include "vmmig.h"

#define STEP_CHECKS		"checks"
#define STEP_DESTINATION	"destination"
#define STEP_PRECOPY		"precopy"
#define STEP_MIGRATE		"migrate"
#define STEP_STOP		"stop"
#define STEP_FINAL		"final"
#define STEP_DEVSTATE		"devstate"
#define STEP_CONFIRM		"confirm"
#define STEP_LOAD		"load"
#define STEP_READY		"ready"
#define STEP_TAKE		"take"	/* at the destination: it has the commit */
#define STEP_COMMIT		"commit"

bool step_is_known(const char *fail_at);
/* -EIO if @fail_at (may be NULL) names @step. Called when it was done. */
int step_done(const char *fail_at, const char *step, struct vmmig_error *err);

#endif /* STEP_H */
