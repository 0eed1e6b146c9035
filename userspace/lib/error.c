// SPDX-License-Identifier: GPL-2.0
/* One sentence that explains a failure. */
#include <stdarg.h>
#include <stdio.h>

#include "vmmig.h"

int vmmig_fail(struct vmmig_error *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (err) {
		va_start(ap, fmt);
		vsnprintf(err->text, sizeof(err->text), fmt, ap);
		va_end(ap);
	}
	return code;
}
