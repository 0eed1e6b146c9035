// SPDX-License-Identifier: GPL-2.0
/* Numbers on the command line. */
#include <errno.h>

#include "ctl.h"

int ctl_parse_uint(const char *what, const char *text, unsigned int min,
		   unsigned int max, unsigned int *value,
		   struct vmmig_error *err)
{
	const char *at = text;
	uint64_t v = 0;

	/* strtoul() would take blanks, signs and more. */
	for (; *at >= '0' && *at <= '9' && v <= UINT32_MAX; at++)
		v = v * 10 + (*at - '0');
	if (at == text || *at || v < min || v > max)
		return vmmig_fail(err, -EINVAL, "%s \"%s\": must be a number from %u to %u",
				  what, text, min, max);
	*value = v;
	return 0;
}

int ctl_parse_id(const char *text, uint32_t *id, struct vmmig_error *err)
{
	unsigned int v;
	int rc = ctl_parse_uint("session", text, 1, UINT32_MAX, &v, err);

	if (!rc)
		*id = v;
	return rc;
}
