// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <string.h>

#include "cmdline.h"
#include "hotplug.h"

/* QEMU keeps devices with an id in the one, those without in the other. */
#define WITH_ID		"/machine/peripheral"
#define WITHOUT_ID	"/machine/peripheral-anon"

static void child_names(struct qmp *q, const char *path, struct strv *names)
{
	struct json_object *args = json_object_new_object(), *list = NULL;
	struct vmmig_error unused;

	js_add_str(args, "path", path);
	qmp_call(q, "qom-list", args, &list, &unused);
	for (size_t i = 0; json_object_is_type(list, json_type_array) &&
	     i < json_object_array_length(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);
		const char *name = js_str(o, "name"), *type = js_str(o, "type");

		if (name && type && starts_with(type, "child<"))
			strv_add(names, name);
	}
	json_object_put(list);
}

/* Names below @path that @known has not and that came after the start. */
static void find_added(struct qmp *q, const char *path, const struct strv *names,
		       const struct strv *known, struct strv *lacks)
{
	for (size_t i = 0; i < names->n; i++) {
		char *child;

		if (strv_has(known, names->v[i]))
			continue;
		child = xasprintf("%s/%s", path, names->v[i]);
		if (vm_qom_bool(q, child, "hotplugged"))
			strv_add(lacks, names->v[i]);
		free(child);
	}
}

void hotplug_find(struct qmp *q, const struct strv *args, struct strv *lacks,
		  struct strv *extra)
{
	struct strv wanted = { 0 }, none = { 0 }, have = { 0 }, anon = { 0 };

	cmdline_device_ids(args, &wanted);
	child_names(q, WITH_ID, &have);
	child_names(q, WITHOUT_ID, &anon);
	find_added(q, WITH_ID, &have, &wanted, lacks);
	find_added(q, WITHOUT_ID, &anon, &none, lacks);
	for (size_t i = 0; have.n && i < wanted.n; i++)
		if (!strv_has(&have, wanted.v[i]))
			strv_add(extra, wanted.v[i]);
	strv_free(&wanted);
	strv_free(&have);
	strv_free(&anon);
}

int hotplug_check(struct qmp *q, const struct strv *args,
		  struct vmmig_error *err)
{
	struct strv lacks = { 0 }, extra = { 0 };
	int ret = 0;

	hotplug_find(q, args, &lacks, &extra);
	if (lacks.n)
		ret = vmmig_fail(err, -EREMOTEIO,
				 "device %s was plugged in meanwhile: the destination does not have it; unplug it, or start again with --dest-arg",
				 lacks.v[0]);
	else if (extra.n)
		ret = vmmig_fail(err, -EREMOTEIO,
				 "device %s was unplugged meanwhile: the destination still has it; start again with --dest-replace",
				 extra.v[0]);
	strv_free(&lacks);
	strv_free(&extra);
	return ret;
}
