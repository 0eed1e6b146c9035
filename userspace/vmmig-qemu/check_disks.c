// SPDX-License-Identifier: GPL-2.0
/* Disks are not copied: are they where the destination sees them too? */
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "check.h"

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

static void check_disk(struct vm *vm, struct json_object *disk,
		       struct findings *f)
{
	struct json_object *medium = js_get(disk, "inserted");
	const char *path = js_str(medium, "file");
	const char *name = js_str(disk, "device");

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

void check_disks(struct vm *vm, struct findings *f)
{
	struct json_object *disks = NULL;
	struct vmmig_error unused;

	qmp_call(vm->qmp, "query-block", NULL, &disks, &unused);
	for (size_t i = 0; json_object_is_type(disks, json_type_array) &&
	     i < json_object_array_length(disks); i++)
		check_disk(vm, json_object_array_get_idx(disks, i), f);
	json_object_put(disks);
}
