/* SPDX-License-Identifier: GPL-2.0 */
/* What the checks found, each one sentence. */
#ifndef FINDINGS_H
#define FINDINGS_H

#include <json-c/json.h>

#include "util.h"

/* Where a finding of this side was made; the others have a host's name. */
#define FINDING_HERE	"source"

enum finding_level { FINDING_OK, FINDING_WARNING, FINDING_REFUSED };

struct findings {
	struct {
		enum finding_level level;
		char *where;
		char *text;
	} *v;
	size_t n;
};

__attribute__((format(printf, 4, 5)))
void findings_add(struct findings *f, enum finding_level level,
		  const char *where, const char *fmt, ...);
unsigned int findings_refused(const struct findings *f);
/* Prints those of at least @level to standard error. */
void findings_print(const struct findings *f, enum finding_level level);
struct json_object *findings_to_json(const struct findings *f);
/* Adds what a peer sent; at most 100 of them. */
void findings_from_json(struct findings *f, struct json_object *list,
			const char *where);
void findings_free(struct findings *f);

#endif /* FINDINGS_H */
