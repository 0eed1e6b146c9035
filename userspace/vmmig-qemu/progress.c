// SPDX-License-Identifier: GPL-2.0
/* What the user sees while it runs: one line on a terminal, lines elsewhere. */
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "json.h"
#include "migration.h"

/* Without a terminal a line for every event would be too many. */
#define PLAIN_NS	NSEC_PER_SEC

static bool line_open;

void progress_end(struct migration *m)
{
	(void)m;
	if (line_open)
		fputc('\n', stderr);
	line_open = false;
}

static void progress_say(struct migration *m, const char *fmt, va_list ap)
{
	progress_end(m);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
}

void progress_step(struct migration *m, const char *fmt, ...)
{
	va_list ap;

	if (m->o->quiet)
		return;
	va_start(ap, fmt);
	progress_say(m, fmt, ap);
	va_end(ap);
}

void progress_warn(struct migration *m, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	progress_say(m, fmt, ap);
	va_end(ap);
}

static void progress_line(const struct migration *m, char *line, size_t size)
{
	const struct vmmig_stats *s = &m->s.stats;
	char sent[32], left[32], rate[32], dirty[32] = "?", down[32] = "?";

	if (m->converge.downtime_ns < 3600 * NSEC_PER_SEC)
		snprintf(down, sizeof(down), "%.0f ms",
			 m->converge.downtime_ns / 1e6);
	/* Measured by the passes after the first, at their end. */
	if (s->pass > 2)
		bytes_print((double)s->dirty_pages_rate * PAGE_BYTES, dirty,
			    sizeof(dirty));
	snprintf(line, size,
		 "pass %u: sent %s, left %s, %s/s, written %s/s, downtime about %s",
		 s->pass, bytes_print(s->bytes, sent, sizeof(sent)),
		 bytes_print((double)s->pages_remaining * PAGE_BYTES, left,
			     sizeof(left)),
		 bytes_print(s->bytes_rate, rate, sizeof(rate)), dirty, down);
}

static void progress_json(const struct migration *m)
{
	const struct vmmig_stats *s = &m->s.stats;
	struct json_object *o = json_object_new_object();

	js_add_str(o, "state", vmmig_state_name(m->s.state));
	js_add_int(o, "pass", s->pass);
	js_add_int(o, "bytes", s->bytes);
	js_add_int(o, "pages-remaining", s->pages_remaining);
	js_add_int(o, "bytes-rate", s->bytes_rate);
	js_add_int(o, "dirty-pages-rate", s->dirty_pages_rate);
	js_add_int(o, "downtime-us", m->converge.downtime_ns / NSEC_PER_USEC);
	fprintf(stderr, "%s\n",
		json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	json_object_put(o);
}

void progress_show(struct migration *m)
{
	static int64_t last;
	bool terminal = isatty(STDERR_FILENO);
	char line[256];

	if (m->o->progress_json) {
		progress_json(m);
		return;
	}
	if (m->o->quiet || now_ns() - last < (terminal ? PLAIN_NS / 10 : PLAIN_NS))
		return;
	last = now_ns();
	progress_line(m, line, sizeof(line));
	if (terminal) {
		fprintf(stderr, "\r%s\033[K", line);
		line_open = true;
	} else {
		fprintf(stderr, "%s\n", line);
	}
}
