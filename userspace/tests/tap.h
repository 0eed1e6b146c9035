/* SPDX-License-Identifier: GPL-2.0 */
/* Test Anything Protocol, version 13, in a few lines. */
#ifndef VMMIG_TAP_H
#define VMMIG_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

static int tap_count, tap_bad;

__attribute__((format(printf, 2, 3)))
static inline bool ok(bool good, const char *fmt, ...)
{
	va_list ap;

	printf("%sok %d - ", good ? "" : "not ", ++tap_count);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	tap_bad += !good;
	return good;
}

__attribute__((unused))
static inline void skip(const char *what, const char *why)
{
	printf("ok %d - %s # SKIP %s\n", ++tap_count, what, why);
}

static inline int tap_end(void)
{
	printf("1..%d\n", tap_count);
	return tap_bad ? 1 : 0;
}

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#endif /* VMMIG_TAP_H */
