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

static bool is_named(const struct strv *args, const char *value)
{
	for (size_t i = 1; i < args->n; i++)
		if (keyval_names(args->v[i], value))
			return true;
	return false;
}

/* QEMU writes the names of remote images in its own way. */
static bool is_path(const char *file)
{
	return file[0] == '/' || !strchr(file, ':');
}

/*
 * An image that neither the VM's command line nor the destination's names. Of
 * one without a path only its node is known. NULL: all is well.
 */
static const char *image_that_came(struct vm *vm, const struct strv *args,
				   struct json_object *medium)
{
	const char *file = js_str(medium, "file");
	const char *node = js_str(medium, "node-name");

	/* What a file of options says is not seen. */
	if (!file || !*file || is_named(&vm->args, file) || is_named(args, file) ||
	    strv_has(&vm->args, "-readconfig") ||
	    strv_has(&vm->args, "--readconfig"))
		return NULL;
	if (!is_path(file) && (!node || node[0] == '#' ||
			       is_named(&vm->args, node) ||
			       is_named(args, node)))
		return NULL;
	return file;
}

static void check_disk(struct vm *vm, const struct strv *args,
		       struct json_object *disk, struct findings *f)
{
	struct json_object *medium = js_get(disk, "inserted");
	const char *path = js_str(medium, "file");
	const char *name = js_str(disk, "device");
	const char *came = image_that_came(vm, args, medium);

	if (came)
		findings_add(f, FINDING_REFUSED, FINDING_HERE,
			     "disk %s is in use but not on QEMU's command line (a snapshot, mirror or change of medium?), so the destination would open another; name it with --dest-replace 'OLD=%s'",
			     came, came);
	/* Firmware variables go along with the state of the flash. */
	if (!path || path[0] != '/' || (name && starts_with(name, "pflash")) ||
	    !is_local_file(vm->pid, path))
		return;
	if (js_bool(medium, "ro"))
		findings_add(f, FINDING_OK, FINDING_HERE,
			     "read-only disk %s is a local file: the destination needs one with the same content",
			     path);
	else
		findings_add(f, FINDING_WARNING, FINDING_HERE,
			     "disk %s is on a local file system: disks are not copied, the destination opens its own file of that name; use NFS, NBD or the like",
			     path);
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
	int ret = qmp_call(vm->qmp, "query-block", NULL, &disks, err);

	for (size_t i = 0; !ret && json_object_is_type(disks, json_type_array) &&
	     i < json_object_array_length(disks); i++) {
		struct json_object *disk = json_object_array_get_idx(disks, i);
		const char *came = image_that_came(vm, args,
						   js_get(disk, "inserted"));

		if (came)
			ret = vmmig_fail(err, -EREMOTEIO,
					 "disk %s came into use meanwhile, and the destination has the one before; start again with --dest-replace",
					 came);
	}
	json_object_put(disks);
	return ret;
}
