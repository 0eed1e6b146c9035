// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <string.h>

#include "cmdline.h"
#include "hotplug.h"

/* QEMU keeps devices with an id in the one, those without in the other. */
#define WITH_ID		"/machine/peripheral"
#define WITHOUT_ID	"/machine/peripheral-anon"

static int child_names(struct qmp *q, const char *path, struct strv *names,
		       struct vmmig_error *err)
{
	struct json_object *args = json_object_new_object(), *list = NULL;
	int ret;

	js_add_str(args, "path", path);
	ret = qmp_call(q, "qom-list", args, &list, err);
	for (size_t i = 0; json_object_is_type(list, json_type_array) &&
	     i < json_object_array_length(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);
		const char *name = js_str(o, "name"), *type = js_str(o, "type");

		if (name && type && starts_with(type, "child<"))
			strv_add(names, name);
	}
	json_object_put(list);
	return ret;
}

static bool came_later(struct qmp *q, const char *path, const char *name)
{
	char *child = xasprintf("%s/%s", path, name);
	bool later = vm_qom_bool(q, child, "hotplugged");

	free(child);
	return later;
}

int hotplug_find(struct qmp *q, const struct strv *args, bool doubts,
		 struct hotplug *h, struct vmmig_error *err)
{
	struct strv wanted = { 0 }, have = { 0 }, anon = { 0 };
	int ret = child_names(q, WITH_ID, &have, err);

	memset(h, 0, sizeof(*h));
	if (!ret && doubts)
		ret = child_names(q, WITHOUT_ID, &anon, err);
	if (ret)
		goto out;
	cmdline_ids(args, "device", &wanted);
	for (size_t i = 0; i < have.n; i++) {
		bool known = strv_has(&wanted, have.v[i]);

		if ((doubts || !known) && came_later(q, WITH_ID, have.v[i]))
			strv_add(known ? &h->again : &h->lacks, have.v[i]);
	}
	for (size_t i = 0; i < anon.n; i++)
		if (came_later(q, WITHOUT_ID, anon.v[i]))
			strv_addf(&h->nameless, "%s/%s", WITHOUT_ID, anon.v[i]);
	for (size_t i = 0; i < wanted.n; i++)
		if (!strv_has(&have, wanted.v[i]))
			strv_add(&h->extra, wanted.v[i]);
out:
	strv_free(&wanted);
	strv_free(&have);
	strv_free(&anon);
	return ret;
}

void hotplug_free(struct hotplug *h)
{
	strv_free(&h->lacks);
	strv_free(&h->extra);
	strv_free(&h->again);
	strv_free(&h->nameless);
}

int hotplug_check(struct qmp *q, const struct strv *args,
		  struct vmmig_error *err)
{
	struct hotplug h;
	int ret = hotplug_find(q, args, false, &h, err);

	if (!ret && h.lacks.n)
		ret = vmmig_fail(err, -EREMOTEIO,
				 "device %s was plugged in meanwhile: the destination does not have it; unplug it, or start again with --dest-arg",
				 h.lacks.v[0]);
	else if (!ret && h.extra.n)
		ret = vmmig_fail(err, -EREMOTEIO,
				 "device %s was unplugged meanwhile: the destination still has it; start again with --dest-replace",
				 h.extra.v[0]);
	hotplug_free(&h);
	return ret;
}
