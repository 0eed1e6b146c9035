// SPDX-License-Identifier: GPL-2.0
/* One sentence that explains a failure. */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#include "vmmig.h"

char *vmmig_tame(char *text)
{
	for (unsigned char *c = (unsigned char *)text; *c; c++) {
		/* U+0080 to U+009F are control characters as well. */
		bool c1 = *c == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0;

		if (c1)
			*c++ = '?';
		if (c1 || *c < ' ' || *c == 0x7f)
			*c = '?';
	}
	return text;
}

int vmmig_fail(struct vmmig_error *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (err) {
		va_start(ap, fmt);
		vsnprintf(err->text, sizeof(err->text), fmt, ap);
		vmmig_tame(err->text);
		va_end(ap);
	}
	return code;
}
