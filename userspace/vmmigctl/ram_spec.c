// SPDX-License-Identifier: GPL-2.0
/* ID=PATH[,size=SIZE] | ID=fd:N | ID=pid:PID:FD */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "ram.h"

#define PAGE_SIZE	4096

static int parse_int(const char *id, const char *what, const char *text,
		     int min, int *value, struct vmmig_error *err)
{
	unsigned int v;

	if (ctl_parse_uint(what, text, min, INT_MAX, &v, NULL))
		return vmmig_fail(err, -EINVAL, "RAM block %s: %s \"%s\" is not a number",
				  id, what, text);
	*value = v;
	return 0;
}

static int parse_process(char *text, struct ram_spec *spec,
			 struct vmmig_error *err)
{
	char *colon = strchr(text, ':');
	int rc;

	if (!colon)
		return vmmig_fail(err, -EINVAL, "RAM block %s: \"pid:%s\" lacks the descriptor; give pid:PID:FD",
				  spec->id, text);
	*colon = 0;
	rc = parse_int(spec->id, "process", text, 1, &spec->pid, err);
	if (rc)
		return rc;
	return parse_int(spec->id, "descriptor", colon + 1, 0, &spec->fd, err);
}

static int parse_path(char *text, bool may_create, struct ram_spec *spec,
		      struct vmmig_error *err)
{
	char *comma = strrchr(text, ',');
	int rc;

	spec->path = text;
	if (comma && !strncmp(comma, ",size=", 6)) {
		if (!may_create)
			return vmmig_fail(err, -EINVAL, "RAM block %s: the source's RAM exists, give it without \"%s\"",
					  spec->id, comma);
		rc = vmmig_size_parse(comma + 6, &spec->size, err);
		if (rc)
			return rc;
		if (!spec->size || spec->size % PAGE_SIZE)
			return vmmig_fail(err, -EINVAL, "RAM block %s: size %s is not a multiple of 4 KiB",
					  spec->id, comma + 6);
		*comma = 0;
	}
	if (!*text)
		return vmmig_fail(err, -EINVAL, "RAM block %s: the path is empty",
				  spec->id);
	return 0;
}

int ram_spec_parse(const char *text, bool may_create, struct ram_spec *spec,
		   struct vmmig_error *err)
{
	const char *equals = strchr(text, '=');
	size_t len = equals ? equals - text : 0;
	char *where;
	int rc;

	memset(spec, 0, sizeof(*spec));
	if (!len || !equals[1])
		return vmmig_fail(err, -EINVAL, "RAM block \"%s\": not understood; give ID=PATH, ID=fd:N or ID=pid:PID:FD",
				  text);
	if (len > VMMIG_BLOCK_ID_LEN)
		return vmmig_fail(err, -EINVAL, "RAM block: its id has %zu bytes, %u are allowed",
				  len, VMMIG_BLOCK_ID_LEN);
	memcpy(spec->id, text, len);

	where = strdup(equals + 1);
	if (!where)
		return vmmig_fail(err, -ENOMEM, "out of memory");
	spec->path_copy = where;
	if (!strncmp(where, "fd:", 3)) {
		spec->kind = RAM_FD;
		rc = parse_int(spec->id, "descriptor", where + 3, 0, &spec->fd,
			       err);
	} else if (!strncmp(where, "pid:", 4)) {
		spec->kind = RAM_PROCESS;
		rc = parse_process(where + 4, spec, err);
	} else {
		spec->kind = RAM_PATH;
		rc = parse_path(where, may_create, spec, err);
	}
	if (rc) {
		free(where);
		spec->path_copy = NULL;
		spec->path = NULL;
	}
	return rc;
}
