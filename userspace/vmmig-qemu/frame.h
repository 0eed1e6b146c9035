/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The control channel's framing: one JSON object a line; a member "blob" says
 * how many raw bytes follow the newline. Pure, everything is bounded.
 */
#ifndef FRAME_H
#define FRAME_H

#include <json-c/json.h>
#include <stddef.h>

#include "vmmig.h"

#define FRAME_LINE_MAX	(4U << 20)
#define FRAME_BLOB_MAX	(1U << 20)

/**
 * struct frame - one message
 * @msg: the object; frame_put() drops it
 * @type: its member "type", never NULL
 * @blob: points into the parsed data, NULL if the message has none
 * @blob_len: bytes at @blob
 */
struct frame {
	struct json_object *msg;
	const char *type;
	const char *blob;
	size_t blob_len;
};

/*
 * Parse the first message in @data. Returns the bytes that it took, 0 if it
 * is not complete yet, or -EBADMSG / -EMSGSIZE with a sentence.
 */
long frame_parse(const char *data, size_t len, struct frame *f,
		 struct vmmig_error *err);
void frame_put(struct frame *f);

#endif /* FRAME_H */
