// SPDX-License-Identifier: GPL-2.0
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "findings.h"
#include "json.h"

/* What was refused matters more than what is well. */
#define FINDINGS_MAX	100
#define REFUSALS_MAX	1000

static const char * const level_names[] = {
	[FINDING_OK] = "ok",
	[FINDING_WARNING] = "warning",
	[FINDING_REFUSED] = "refused",
};

void findings_add(struct findings *f, enum finding_level level,
		  const char *where, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;
	void *v;

	if (f->n >= (level == FINDING_REFUSED ? REFUSALS_MAX : FINDINGS_MAX))
		return;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	v = realloc(f->v, (f->n + 1) * sizeof(*f->v));
	if (!v || !text)
		abort();
	f->v = v;
	f->v[f->n].level = level;
	f->v[f->n].where = xstrdup(where);
	f->v[f->n].text = vmmig_tame(text);
	f->n++;
}

unsigned int findings_refused(const struct findings *f)
{
	unsigned int nr = 0;

	for (size_t i = 0; i < f->n; i++)
		nr += f->v[i].level == FINDING_REFUSED;
	return nr;
}

void findings_print(const struct findings *f, enum finding_level level)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->v[i].level >= level)
			fprintf(stderr, "%-8s %s: %s\n",
				level_names[f->v[i].level], f->v[i].where,
				f->v[i].text);
}

struct json_object *findings_to_json(const struct findings *f)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < f->n; i++) {
		struct json_object *o = json_object_new_object();

		js_add_str(o, "level", level_names[f->v[i].level]);
		js_add_str(o, "where", f->v[i].where);
		js_add_str(o, "text", f->v[i].text);
		json_object_array_add(list, o);
	}
	return list;
}

void findings_from_json(struct findings *f, struct json_object *list,
			const char *where)
{
	size_t n = json_object_is_type(list, json_type_array) ?
		json_object_array_length(list) : 0;

	for (size_t i = 0; i < n; i++) {
		struct json_object *o = json_object_array_get_idx(list, i);
		const char *level = js_str(o, "level");
		const char *text = js_str(o, "text");
		unsigned int k;

		/* What is not understood counts as refused. */
		for (k = FINDING_OK; k < FINDING_REFUSED; k++)
			if (level && !strcmp(level, level_names[k]))
				break;
		findings_add(f, k, where, "%.500s", text ? text : "?");
	}
}

void findings_free(struct findings *f)
{
	for (size_t i = 0; i < f->n; i++) {
		free(f->v[i].where);
		free(f->v[i].text);
	}
	free(f->v);
	memset(f, 0, sizeof(*f));
}
