// SPDX-License-Identifier: GPL-2.0
#include <errno.h>

#include "virtq.h"

/* The member @what of a device's first queue, 0 if it cannot be asked. */
static int64_t first_queue(struct qmp *q, const char *path, const char *what)
{
	struct json_object *args = json_object_new_object(), *status = NULL;
	struct vmmig_error unused;
	int64_t entries = 0;

	js_add_str(args, "path", path);
	js_add_int(args, "queue", 0);
	if (!qmp_call(q, "x-query-virtio-queue-status", args, &status, &unused))
		entries = js_int(status, what, 0);
	json_object_put(status);
	return entries;
}

struct json_object *virtq_sizes(struct qmp *q)
{
	struct json_object *sizes = json_object_new_array(), *devices = NULL;
	struct vmmig_error unused;

	qmp_call(q, "x-query-virtio", NULL, &devices, &unused);
	for (size_t i = 0; json_object_is_type(devices, json_type_array) &&
	     i < json_object_array_length(devices); i++) {
		struct json_object *d = json_object_array_get_idx(devices, i);
		struct json_object *o = json_object_new_object();
		const char *path = js_str(d, "path");

		js_add_str(o, "path", path);
		js_add_str(o, "name", js_str(d, "name"));
		if (path)
			js_add_int(o, "entries",
				   first_queue(q, path, "vring-num"));
		json_object_array_add(sizes, o);
	}
	json_object_put(devices);
	return sizes;
}

int virtq_check(struct qmp *q, struct json_object *sizes,
		struct vmmig_error *err)
{
	for (size_t i = 0; json_object_is_type(sizes, json_type_array) &&
	     i < json_object_array_length(sizes); i++) {
		struct json_object *o = json_object_array_get_idx(sizes, i);
		const char *path = js_str(o, "path"), *name = js_str(o, "name");
		int64_t theirs = js_int(o, "entries", 0), ours;

		if (!path || theirs <= 0)
			continue;
		ours = first_queue(q, path, "vring-num-default");
		if (ours > 0 && theirs > ours)
			return vmmig_fail(err, -EPERM,
					  "QEMU %d.%d.%d here could not load %s: the source's has a queue of %lld entries, this one takes %lld; use the source's version of QEMU here (--dest-qemu), or start the VM with the newer one",
					  q->version[0], q->version[1],
					  q->version[2], name ? name : path,
					  (long long)theirs, (long long)ours);
	}
	return 0;
}
