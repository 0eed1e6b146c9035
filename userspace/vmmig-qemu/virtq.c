// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "virtq.h"
#include "vm.h"

/* QEMU itself is behind these. */
static const char * const safe_types[] = {
	"virtio-blk-device", "virtio-scsi-device", "virtio-serial-device",
	"virtio-balloon-device", "virtio-rng-device",
};

static bool may_be_asked(struct qmp *q, const char *path)
{
	char *type = vm_qom_str(q, path, "type");
	bool safe = type && is_one_of(type, safe_types, ARRAY_SIZE(safe_types));

	free(type);
	return safe;
}

/* The member @what of a device's first queue; 0: no such device, or no answer. */
static int64_t first_queue(struct qmp *q, const char *path, const char *name,
			   const char *what)
{
	struct json_object *args = json_object_new_object(), *status = NULL;
	struct vmmig_error unused;
	const char *is;
	int64_t entries = 0;

	js_add_str(args, "path", path);
	js_add_int(args, "queue", 0);
	qmp_call(q, "x-query-virtio-queue-status", args, &status, &unused);
	is = js_str(status, "name");
	if (is && !strcmp(is, name))
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
		const char *path = js_str(d, "path"), *name = js_str(d, "name");
		struct json_object *o;

		if (!path || !name || !may_be_asked(q, path))
			continue;
		o = json_object_new_object();
		js_add_str(o, "path", path);
		js_add_str(o, "name", name);
		js_add_int(o, "entries",
			   first_queue(q, path, name, "vring-num"));
		json_object_array_add(sizes, o);
	}
	json_object_put(devices);
	return sizes;
}

int virtq_check(struct qmp *q, struct json_object *sizes,
		struct vmmig_error *err)
{
	/* Before that the size was loaded as it came. */
	if (!qmp_at_least(q, 11, 1))
		return 0;
	for (size_t i = 0; json_object_is_type(sizes, json_type_array) &&
	     i < json_object_array_length(sizes); i++) {
		struct json_object *o = json_object_array_get_idx(sizes, i);
		const char *path = js_str(o, "path"), *name = js_str(o, "name");
		int64_t theirs = js_int(o, "entries", 0), ours;

		if (!path || !name)
			continue;
		ours = first_queue(q, path, name, "vring-num-default");
		if (ours > 0 && theirs > ours)
			return vmmig_fail(err, -EPERM,
					  "QEMU %d.%d.%d here cannot load the state of %s: its queue has %lld entries at the source, this QEMU takes %lld; use the source's version of QEMU here (--dest-qemu), or start the VM anew with this one",
					  q->version[0], q->version[1],
					  q->version[2], name,
					  (long long)theirs, (long long)ours);
	}
	return 0;
}
