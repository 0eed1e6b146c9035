// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "check.h"
#include "cmdline.h"
#include "hotplug.h"
#include "proc.h"

static void ok(struct findings *f, const char *text)
{
	findings_add(f, FINDING_OK, FINDING_HERE, "%s", text);
}

#define refuse(f, ...)	findings_add(f, FINDING_REFUSED, FINDING_HERE, __VA_ARGS__)
#define warn(f, ...)	findings_add(f, FINDING_WARNING, FINDING_HERE, __VA_ARGS__)

void check_host(struct findings *f, const char *where)
{
	char *const modprobe[] = { "modprobe", "-q", "vmmig", NULL };
	struct vmmig_error err = { "" };
	struct vmmig_nl *nl;

	if (geteuid()) {
		findings_add(f, FINDING_REFUSED, where,
			     "you are not root: reading a VM's memory needs it; run this with sudo");
		return;
	}
	if (vmmig_nl_open(&nl, &err)) {
		program_run(modprobe, NULL, 0, 10000);
		if (vmmig_nl_open(&nl, &err)) {
			findings_add(f, FINDING_REFUSED, where,
				     "the kernel module vmmig is not loaded, and modprobe could not load it; install it (make modules_install, depmod -a) or look at dmesg");
			return;
		}
	}
	vmmig_nl_close(nl);
	findings_add(f, FINDING_OK, where, "module vmmig is loaded");
}

static void check_version(struct vm *vm, struct findings *f)
{
	const int *v = vm->qmp->version;

	if (!qmp_at_least(vm->qmp, 7, 2))
		refuse(f, "QEMU %d.%d is older than 7.2, the first version that is supported; start the VM with a newer one",
		       v[0], v[1]);
	else if (qmp_at_least(vm->qmp, 11, 2))
		warn(f, "QEMU %d.%d is newer than 11.1, the last version this was tested with",
		     v[0], v[1]);
	else
		findings_add(f, FINDING_OK, FINDING_HERE, "QEMU %d.%d.%d, machine type %s",
			     v[0], v[1], v[2], vm->machine ? vm->machine : "?");
}

static void check_state(struct vm *vm, struct findings *f)
{
	struct json_object *info = NULL, *reasons, *jobs = NULL;
	struct vmmig_error err;
	const char *dump;
	char *status;

	if (strcmp(vm->status, "running") && strcmp(vm->status, "paused"))
		refuse(f, "the VM is in state '%s': only a running or a paused VM can be moved; use the QMP command 'cont' first",
		       vm->status);
	status = vm_migration_status(vm->qmp, &info);
	if (!status)
		refuse(f, "QEMU does not tell whether it is migrating; is its monitor stuck?");
	else if (!vm_migration_is_idle(status))
		refuse(f, "QEMU has a migration in state '%s': wait for its end or use the QMP command 'migrate_cancel'",
		       status);
	reasons = js_get(info, "blocked-reasons");
	for (size_t i = 0; json_object_is_type(reasons, json_type_array) &&
	     i < json_object_array_length(reasons); i++)
		refuse(f, "QEMU cannot migrate this VM: %s",
		       json_object_get_string(json_object_array_get_idx(reasons, i)));
	free(status);
	json_object_put(info);

	qmp_call(vm->qmp, "query-dump", NULL, &info, &err);
	dump = js_str(info, "status");
	if (dump && !strcmp(dump, "active"))
		refuse(f, "QEMU is writing a memory dump: wait for its end");
	json_object_put(info);

	qmp_call(vm->qmp, "query-block-jobs", NULL, &jobs, &err);
	if (json_object_is_type(jobs, json_type_array) &&
	    json_object_array_length(jobs))
		warn(f, "block jobs are running: the destination does not get them; a mirror must be completed or cancelled by whoever started it");
	json_object_put(jobs);
}

static void check_capability(struct vm *vm, struct findings *f)
{
	struct json_object *list = NULL;
	struct vmmig_error err;
	bool found = false;

	qmp_call(vm->qmp, "query-migrate-capabilities", NULL, &list, &err);
	for (size_t i = 0; json_object_is_type(list, json_type_array) &&
	     i < json_object_array_length(list); i++) {
		const char *name =
			js_str(json_object_array_get_idx(list, i), "capability");

		found |= name && !strcmp(name, "x-ignore-shared");
	}
	json_object_put(list);
	if (!found)
		refuse(f, "this QEMU has no migration capability x-ignore-shared, which leaves RAM out of its stream; use QEMU 7.2 to 11.1");
}

static void check_block_type(struct vm *vm, struct vm_block *b,
			     struct findings *f)
{
	const char *type = b->type ? b->type : "?";

	if (!strcmp(type, "memory-backend-memfd") &&
	    qmp_at_least(vm->qmp, 8, 1))
		refuse(f, "RAM block %s is a memory-backend-memfd: QEMU from 8.1 on would send it again itself while the VM is stopped; start the VM with memory-backend-file,share=on on tmpfs",
		       b->id);
	else if (!strcmp(type, "memory-backend-memfd"))
		refuse(f, "RAM block %s is a memory-backend-memfd: it has no path that the destination could prepare; start the VM with memory-backend-file,share=on on tmpfs",
		       b->id);
	else if (!strcmp(type, "memory-backend-ram"))
		refuse(f, "RAM block %s is private memory of QEMU (memory-backend-ram): the kernel module needs a file; start the VM with memory-backend-file,share=on on tmpfs",
		       b->id);
	else
		refuse(f, "RAM block %s is a %s: only memory-backend-file,share=on on tmpfs can be moved",
		       b->id, type);
}

static void check_block_file(struct vm *vm, struct vm_block *b,
			     struct findings *f)
{
	struct statfs fs;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", vm->pid, b->qemu_fd);
	if (statfs(path, &fs)) {
		refuse(f, "RAM block %s: its file system is not known: %s",
		       b->id, strerror(errno));
	} else if (fs.f_type == HUGETLBFS_MAGIC) {
		refuse(f, "RAM block %s is on hugetlbfs (%s): huge pages are not supported; put its mem-path on tmpfs, for example /dev/shm",
		       b->id, b->path);
	} else if (fs.f_type != TMPFS_MAGIC) {
		refuse(f, "RAM block %s: %s is not on tmpfs; put its mem-path on tmpfs, for example /dev/shm",
		       b->id, b->path);
	} else if ((uint64_t)b->st.st_size != b->size) {
		refuse(f, "RAM block %s has %llu bytes but its file %s has %llu: they must be equal",
		       b->id, (unsigned long long)b->size, b->path,
		       (unsigned long long)b->st.st_size);
	} else {
		char size[32];

		findings_add(f, FINDING_OK, FINDING_HERE, "RAM block %s: %s in %s",
			     b->id, bytes_print(b->size, size, sizeof(size)),
			     b->path);
	}
}

static void check_block(struct vm *vm, struct vm_block *b,
			const struct strv *objects, struct findings *f)
{
	if (!b->id[0])
		refuse(f, "a memory backend has no id: give every memory backend one");
	else if (!b->type || strcmp(b->type, "memory-backend-file"))
		check_block_type(vm, b, f);
	else if (!b->share)
		refuse(f, "RAM block %s is mapped private: start the VM with share=on for it",
		       b->id);
	else if (b->readonly)
		refuse(f, "RAM block %s is read-only: such a block cannot be filled at the destination",
		       b->id);
	else if (b->offset)
		refuse(f, "RAM block %s begins inside its file (offset=%llu): give it a file of its own",
		       b->id, (unsigned long long)b->offset);
	else if (!b->size || b->size % PAGE_BYTES)
		refuse(f, "RAM block %s: its size is not a multiple of 4 KiB",
		       b->id);
	else if (!b->path || b->path[0] != '/')
		refuse(f, "RAM block %s: its mem-path %s is not absolute",
		       b->id, b->path ? b->path : "?");
	else if (!b->found)
		refuse(f, "RAM block %s: its file was not found among the descriptors of process %d; mem-path %s must be a file, not a directory",
		       b->id, vm->pid, b->path);
	else if (!strv_has(objects, b->id))
		refuse(f, "RAM block %s was added after QEMU was started, so the destination would not have it; give what it needs with --dest-arg",
		       b->id);
	else
		check_block_file(vm, b, f);
}

static void check_ram(struct vm *vm, const struct strv *args,
		      struct findings *f)
{
	uint64_t huge = proc_shmem_huge(vm->pid);
	struct strv objects = { 0 };

	if (vm->all_blocks > VMMIG_MAX_BLOCKS)
		refuse(f, "the VM has %u RAM blocks, more than %u",
		       vm->all_blocks, VMMIG_MAX_BLOCKS);
	cmdline_ids(args, "object", &objects);
	for (unsigned int i = 0; i < vm->nr_blocks; i++)
		check_block(vm, &vm->block[i], &objects, f);
	strv_free(&objects);
	if (vm_ram_size(vm) < vm->memory)
		refuse(f, "the VM has %llu bytes of memory but its memory backends only %llu: all RAM must be in memory-backend-file,share=on",
		       (unsigned long long)vm->memory,
		       (unsigned long long)vm_ram_size(vm));
	if (huge)
		refuse(f, "%llu KiB of guest RAM are mapped with huge pages, which the module does not support yet; mount the tmpfs with huge=never and start the VM again",
		       (unsigned long long)huge / 1024);
}

struct bad_fd {
	const char *start;
	const char *what;
};

static const struct bad_fd bad_fds[] = {
	{ "/dev/vfio/", "a VFIO device" },
	{ "/dev/iommu", "a VFIO device (iommufd)" },
	{ "anon_inode:[vfio-device]", "a VFIO device" },
	{ "anon_inode:kvm-vfio", "a VFIO device" },
	{ "/dev/vhost-vdpa-", "a vDPA device" },
	{ "/dev/infiniband/", "an RDMA device" },
	{ "anon_inode:[kvm-gmem]", "guest_memfd (confidential or private memory)" },
	{ "anon_inode:kvm-gmem", "guest_memfd (confidential or private memory)" },
	{ "/[kvm-gmem]", "guest_memfd (confidential or private memory)" },
	{ "/dev/sev", "AMD SEV" },
	{ "/dev/sgx_vepc", "SGX memory" },
};

struct bad_seen {
	struct findings *f;
	bool seen[ARRAY_SIZE(bad_fds)];
};

static bool check_fd(pid_t pid, int fd, const char *link, void *arg)
{
	struct bad_seen *s = arg;

	(void)pid;
	for (size_t i = 0; i < ARRAY_SIZE(bad_fds); i++) {
		if (!starts_with(link, bad_fds[i].start) || s->seen[i])
			continue;
		s->seen[i] = true;
		refuse(s->f, "the VM uses %s (descriptor %d, %s): its writes to guest RAM cannot be tracked; unplug it first",
		       bad_fds[i].what, fd, link);
	}
	return false;
}

static void check_devices(struct vm *vm, const struct strv *args,
			  struct findings *f)
{
	struct bad_seen seen = { .f = f };
	struct json_object *info = NULL;
	struct vmmig_error err = { "" };
	int fd;

	if (!vm->kvm)
		refuse(f, "QEMU does not use KVM: start the VM with -accel kvm");
	else if (vmmig_fd_find_vm(vm->pid, &err) < 0)
		refuse(f, "%s", err.text);
	proc_each_fd(vm->pid, check_fd, &seen);

	qmp_call(vm->qmp, "query-sev", NULL, &info, &err);
	if (js_bool(info, "enabled") ||
	    cmdline_has_word(&vm->args, "machine", "confidential-guest-support=") ||
	    cmdline_has_word(&vm->args, "machine", "memory-encryption=") ||
	    cmdline_has_word(&vm->args, "object", "tdx-guest"))
		refuse(f, "the VM is a confidential guest (SEV, TDX): the host cannot read its memory");
	json_object_put(info);
	if (cmdline_has_word(&vm->args, "accel", "xen-version") ||
	    (vm->machine && starts_with(vm->machine, "xen")))
		refuse(f, "the VM emulates Xen: writes to its shared info pages cannot be tracked");

	fd = cmdline_find_fd(args);
	if (fd >= 0)
		refuse(f, "QEMU's option '%s %s' hands over a file descriptor that the destination does not have; replace it with --dest-replace 'OLD=>NEW'",
		       args->v[fd],
		       (size_t)fd + 1 < args->n ? args->v[fd + 1] : "");
	if (vm->ring)
		ok(f, "KVM's dirty ring is in use");
	else
		warn(f, "the VM has no dirty ring, every pass scans all RAM; '-accel kvm,dirty-ring-size=4096' makes passes shorter");
}

/* The destination is made from the command line, so it must still be true. */
static void check_hotplug(struct vm *vm, const struct strv *args,
			  struct findings *f)
{
	struct vmmig_error err;
	struct hotplug h;

	if (hotplug_find(vm->qmp, args, true, &h, &err))
		refuse(f, "the VM's devices cannot be listed: %s", err.text);
	for (size_t i = 0; i < h.lacks.n; i++)
		refuse(f, "device %s was added after QEMU was started, so the destination would not have it; give what it needs with --dest-arg, or unplug it",
		       h.lacks.v[i]);
	for (size_t i = 0; i < h.extra.n; i++)
		refuse(f, "device %s is on QEMU's command line but was unplugged, so only the destination would have it; take its option off with --dest-replace 'WHOLE VALUE=>'",
		       h.extra.v[i]);
	for (size_t i = 0; i < h.again.n; i++)
		warn(f, "device %s was plugged in after QEMU was started: its option at the destination must say the same, with its address on the bus",
		     h.again.v[i]);
	for (size_t i = 0; i < h.nameless.n; i++)
		warn(f, "%s was plugged in without an id: the destination needs it too, give it with --dest-arg",
		     h.nameless.v[i]);
	hotplug_free(&h);
}

void check_vm(struct vm *vm, const struct strv *args, struct findings *f)
{
	check_version(vm, f);
	check_state(vm, f);
	check_capability(vm, f);
	check_devices(vm, args, f);
	check_hotplug(vm, args, f);
	check_disks(vm, args, f);
	check_ram(vm, args, f);
}
