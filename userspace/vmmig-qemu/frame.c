// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "frame.h"
#include "json.h"

static struct json_object *frame_line(const char *line, size_t len)
{
	struct json_tokener *tok = json_tokener_new();
	struct json_object *msg = NULL;

	if (!tok)
		return NULL;
	msg = json_tokener_parse_ex(tok, line, len);
	if (json_tokener_get_error(tok) != json_tokener_success ||
	    json_tokener_get_parse_end(tok) != len) {
		json_object_put(msg);
		msg = NULL;
	}
	json_tokener_free(tok);
	return msg;
}

long frame_parse(const char *data, size_t len, struct frame *f,
		 struct vmmig_error *err)
{
	const char *end = memchr(data, '\n', len);
	struct json_object *blob;
	int64_t size = 0;
	size_t line;

	memset(f, 0, sizeof(*f));
	if (!end) {
		if (len > FRAME_LINE_MAX)
			return vmmig_fail(err, -EMSGSIZE,
					  "the peer sent a line of more than %u bytes",
					  FRAME_LINE_MAX);
		return 0;
	}
	line = end - data;
	if (line > FRAME_LINE_MAX)
		return vmmig_fail(err, -EMSGSIZE,
				  "the peer sent a line of more than %u bytes",
				  FRAME_LINE_MAX);
	f->msg = frame_line(data, line);
	f->type = js_str(f->msg, "type");
	if (!f->type) {
		frame_put(f);
		return vmmig_fail(err, -EBADMSG,
				  "the peer sent something that is not a message of vmmig-qemu: '%.*s'; is its shell printing text at login?",
				  (int)(line > 80 ? 80 : line), data);
	}
	blob = js_get(f->msg, "blob");
	if (blob) {
		size = js_int(f->msg, "blob", -1);
		if (size < 0 || size > FRAME_BLOB_MAX) {
			frame_put(f);
			return vmmig_fail(err, -EMSGSIZE,
					  "the peer announced a blob of an impossible size");
		}
		if (len - line - 1 < (size_t)size) {
			frame_put(f);
			return 0;
		}
		f->blob = end + 1;
		f->blob_len = size;
	}
	return line + 1 + size;
}

void frame_put(struct frame *f)
{
	json_object_put(f->msg);
	memset(f, 0, sizeof(*f));
}
