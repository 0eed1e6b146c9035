// SPDX-License-Identifier: GPL-2.0
/*
 * Disks are not copied. Are they where the destination sees them too, and does
 * the command line still name them? Snapshots, mirrors and changed media put
 * another image in the place of the first, and the destination would open that.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "check.h"
#include "keyval.h"

/* File systems that several hosts can see, statfs(2). */
static const unsigned long shared_fs[] = {
	0x6969,		/* NFS */
	0xff534d42,	/* CIFS */
	0xfe534d42,	/* SMB2 */
	0x00c36400,	/* Ceph */
	0x7461636f,	/* OCFS2 */
	0x01161970,	/* GFS2 */
	0x47504653,	/* GPFS */
	0x0bd00bd0,	/* Lustre */
	0x65735546,	/* FUSE, as GlusterFS */
	0x01021997,	/* 9p */
};

static bool is_local_file(pid_t pid, const char *path)
{
	char *seen = xasprintf("/proc/%d/root%s", pid, path);
	struct statfs fs;
	struct stat st;
	bool local;

	/* A block device may be any cluster's or storage network's. */
	local = !stat(seen, &st) && S_ISREG(st.st_mode) && !statfs(seen, &fs);
	for (size_t i = 0; local && i < ARRAY_SIZE(shared_fs); i++)
		local = (unsigned long)fs.f_type != shared_fs[i];
	free(seen);
	return local;
}

/* Does an option name this file? */
static bool names_file(const struct strv *args, const char *file)
{
	for (size_t i = 1; i < args->n; i++)
		if (keyval_names(args->v[i], file))
			return true;
	return false;
}

static bool has_value(const char *text, const char *key, const char *value)
{
	char *have = keyval_get(text, key);
	bool same = have && !strcmp(have, value);

	free(have);
	return same;
}

/* Is it the node that a device is given? All of a backing chain have names. */
static bool uses_node(const struct strv *args, const char *node)
{
	for (size_t i = 1; i < args->n; i++) {
		const char *text = args->v[i];

		if (has_value(text, "drive", node) ||
		    has_value(text, "pflash0", node) ||
		    has_value(text, "pflash1", node))
			return true;
		if (has_value(text, "node-name", node) &&
		    (!strcmp(args->v[i - 1], "-drive") ||
		     !strcmp(args->v[i - 1], "--drive")))
			return true;
	}
	return false;
}

/*
 * The path of an image, to be freed; NULL: it has none. QEMU says json: where
 * filters, offsets or another backing file are on the way to it.
 */
static char *image_path(const char *file)
{
	struct json_object *o, *node;
	const char *path = file;
	char *found = NULL;

	if (!file || !*file)
		return NULL;
	if (!starts_with(file, "json:"))
		return file[0] == '/' || !strchr(file, ':') ?
			xstrdup(file) : NULL;
	o = json_tokener_parse(file + 5);
	for (node = o; js_get(node, "file"); node = js_get(node, "file"))
		;
	path = js_str(node, "filename");
	if (path)
		found = xstrdup(path);
	json_object_put(o);
	return found;
}

/* Does the -drive of that id name a path? */
static bool drive_has_path(const struct strv *args, const char *id)
{
	bool found = false;

	for (size_t i = 1; i < args->n && !found; i++) {
		char *file, *path;

		if (!has_value(args->v[i], "id", id))
			continue;
		file = keyval_get(args->v[i], "file");
		path = image_path(file);
		found = path != NULL;
		free(path);
		free(file);
	}
	return found;
}

/*
 * Would the destination open another image? Where that cannot be told, as a
 * file of options is not seen, or both names are remote and QEMU has its own
 * words for one: false.
 */
static bool is_new(struct vm *vm, const struct strv *args,
		   struct json_object *disk, const char *path)
{
	const char *node = js_str(js_get(disk, "inserted"), "node-name");
	const char *device = js_str(disk, "device");

	if (strv_has(&vm->args, "-readconfig") ||
	    strv_has(&vm->args, "--readconfig"))
		return false;
	if (node && node[0] && node[0] != '#' &&
	    !uses_node(&vm->args, node) && !uses_node(args, node))
		return true;
	if (!path)
		return device && device[0] && drive_has_path(args, device);
	return !names_file(&vm->args, path) && !names_file(args, path);
}

static const char *image_name(struct json_object *medium, const char *path)
{
	const char *file = js_str(medium, "file");
	const char *node = js_str(medium, "node-name");

	return path ? path : file ? file : node ? node : "?";
}

static void check_disk(struct vm *vm, const struct strv *args,
		       struct json_object *disk, struct findings *f)
{
	struct json_object *medium = js_get(disk, "inserted");
	char *path = image_path(js_str(medium, "file"));
	const char *name = js_str(disk, "device");
	bool local;

	if (medium && is_new(vm, args, disk, path))
		findings_add(f, FINDING_REFUSED, FINDING_HERE,
			     "disk %s is in use but QEMU's command line says another (a snapshot, mirror, commit or change of medium?), which the destination would open; name it with --dest-replace",
			     image_name(medium, path));
	/* Firmware variables go along with the state of the flash. */
	local = path && path[0] == '/' &&
		!(name && starts_with(name, "pflash")) &&
		is_local_file(vm->pid, path);
	if (local && js_bool(medium, "ro"))
		findings_add(f, FINDING_OK, FINDING_HERE,
			     "read-only disk %s is a local file: the destination needs one with the same content",
			     path);
	else if (local)
		findings_add(f, FINDING_WARNING, FINDING_HERE,
			     "disk %s is on a local file system: disks are not copied, the destination opens its own file of that name; use NFS, NBD or the like",
			     path);
	free(path);
}

void check_disks(struct vm *vm, const struct strv *args, struct findings *f)
{
	struct json_object *disks = NULL;
	struct vmmig_error err;

	if (qmp_call(vm->qmp, "query-block", NULL, &disks, &err))
		findings_add(f, FINDING_REFUSED, FINDING_HERE,
			     "the VM's disks cannot be listed: %s", err.text);
	for (size_t i = 0; json_object_is_type(disks, json_type_array) &&
	     i < json_object_array_length(disks); i++)
		check_disk(vm, args, json_object_array_get_idx(disks, i), f);
	json_object_put(disks);
}

int check_disks_again(struct vm *vm, const struct strv *args,
		      struct vmmig_error *err)
{
	struct json_object *disks = NULL;
	int ret;

	ret = qmp_call(vm->qmp, "query-block", NULL, &disks, err);
	for (size_t i = 0; !ret && json_object_is_type(disks, json_type_array) &&
	     i < json_object_array_length(disks); i++) {
		struct json_object *disk = json_object_array_get_idx(disks, i);
		struct json_object *medium = js_get(disk, "inserted");
		char *path = image_path(js_str(medium, "file"));

		if (medium && is_new(vm, args, disk, path))
			ret = vmmig_fail(err, -EREMOTEIO,
					 "disk %s came into use meanwhile, and the destination has another; start again with --dest-replace",
					 image_name(medium, path));
		free(path);
	}
	json_object_put(disks);
	return ret;
}
