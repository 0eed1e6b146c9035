// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmdline.h"
#include "proc.h"
#include "vm.h"

static struct json_object *vm_qom_get(struct qmp *q, const char *path,
				      const char *property)
{
	struct json_object *args = json_object_new_object(), *value = NULL;
	struct vmmig_error err;

	js_add_str(args, "path", path);
	js_add_str(args, "property", property);
	qmp_call(q, "qom-get", args, &value, &err);
	return value;
}

char *vm_qom_str(struct qmp *q, const char *path, const char *property)
{
	struct json_object *value = vm_qom_get(q, path, property);
	char *text = NULL;

	if (json_object_is_type(value, json_type_string))
		text = xstrdup(json_object_get_string(value));
	json_object_put(value);
	return text;
}

bool vm_qom_bool(struct qmp *q, const char *path, const char *property)
{
	struct json_object *value = vm_qom_get(q, path, property);
	bool on = json_object_is_type(value, json_type_boolean) &&
		json_object_get_boolean(value);

	json_object_put(value);
	return on;
}

char *vm_status(struct qmp *q)
{
	struct json_object *info = NULL;
	struct vmmig_error err;
	char *status = NULL;

	if (!qmp_call(q, "query-status", NULL, &info, &err) &&
	    js_str(info, "status"))
		status = xstrdup(js_str(info, "status"));
	json_object_put(info);
	return status;
}

char *vm_migration_status(struct qmp *q, struct json_object **info)
{
	struct json_object *o = NULL;
	struct vmmig_error err;
	const char *status;
	char *copy;

	if (info)
		*info = NULL;
	if (qmp_call(q, "query-migrate", NULL, &o, &err))
		return NULL;
	status = js_str(o, "status");
	copy = xstrdup(status ? status : "none");
	if (info)
		*info = o;
	else
		json_object_put(o);
	return copy;
}

bool vm_migration_is_idle(const char *status)
{
	static const char * const idle[] = {
		"none", "completed", "failed", "cancelled",
	};

	return is_one_of(status, idle, ARRAY_SIZE(idle));
}

bool vm_is_kvm(struct qmp *q)
{
	struct json_object *info = NULL;
	struct vmmig_error err;
	bool kvm;

	qmp_call(q, "query-kvm", NULL, &info, &err);
	kvm = js_bool(info, "enabled");
	json_object_put(info);
	return kvm;
}

/* "pc-q35-10.0-machine" is the QOM type of machine type pc-q35-10.0. */
static char *vm_machine(struct qmp *q)
{
	char *type = vm_qom_str(q, "/machine", "type");

	if (type && ends_with(type, "-machine"))
		type[strlen(type) - strlen("-machine")] = '\0';
	return type;
}

static bool is_named(pid_t pid, int fd, const char *link, void *arg)
{
	const struct vm_block *b = arg;

	(void)pid;
	(void)fd;
	/* " (deleted)" may follow. */
	return starts_with(link, b->path) &&
		(!link[strlen(b->path)] || link[strlen(b->path)] == ' ');
}

/* The path may mean something else by now, the descriptor may not. */
static void vm_find_file(struct vm *vm, struct vm_block *b)
{
	char path[64];

	if (!b->path || b->path[0] != '/')
		return;
	if (!proc_stat(vm->pid, b->path, &b->st))
		b->qemu_fd = proc_find_file(vm->pid, &b->st);
	if (b->qemu_fd < 0)
		b->qemu_fd = proc_each_fd(vm->pid, is_named, b);
	if (b->qemu_fd < 0)
		return;
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", vm->pid, b->qemu_fd);
	b->found = !stat(path, &b->st);
}

static void vm_collect_block(struct vm *vm, struct json_object *info)
{
	const char *id = js_str(info, "id");
	struct json_object *offset;
	struct vm_block *b;
	char *path;

	vm->all_blocks++;
	if (vm->nr_blocks == VMMIG_MAX_BLOCKS)
		return;
	b = &vm->block[vm->nr_blocks++];
	b->id = xstrdup(id ? id : "");
	b->size = js_int(info, "size", 0);
	b->qemu_fd = -ENOENT;
	b->fd = -1;
	if (!id)
		return;
	path = xasprintf("/objects/%s", id);
	b->type = vm_qom_str(vm->qmp, path, "type");
	b->share = vm_qom_bool(vm->qmp, path, "share");
	if (b->type && !strcmp(b->type, "memory-backend-file")) {
		b->path = vm_qom_str(vm->qmp, path, "mem-path");
		b->readonly = vm_qom_bool(vm->qmp, path, "readonly");
		/* Since 8.1; before it is always zero. */
		offset = vm_qom_get(vm->qmp, path, "offset");
		b->offset = offset ? json_object_get_uint64(offset) : 0;
		json_object_put(offset);
		vm_find_file(vm, b);
	}
	free(path);
}

static int vm_collect_blocks(struct vm *vm, struct vmmig_error *err)
{
	struct json_object *list = NULL;
	int ret = qmp_call(vm->qmp, "query-memdev", NULL, &list, err);

	if (ret)
		return ret;
	if (json_object_is_type(list, json_type_array)) {
		size_t n = json_object_array_length(list);

		for (size_t i = 0; i < n; i++)
			vm_collect_block(vm, json_object_array_get_idx(list, i));
	}
	json_object_put(list);
	ret = qmp_call(vm->qmp, "query-memory-size-summary", NULL, &list, err);
	if (ret)
		return ret;
	vm->memory = js_int(list, "base-memory", 0) +
		js_int(list, "plugged-memory", 0);
	json_object_put(list);
	return 0;
}

static char *vm_user(pid_t pid)
{
	struct passwd *pw;
	uid_t uid;
	gid_t gid;

	if (proc_owner(pid, &uid, &gid) || !uid)
		return NULL;
	pw = getpwuid(uid);
	return pw ? xstrdup(pw->pw_name) : xasprintf("%u", uid);
}

static int vm_collect_name(struct vm *vm, struct vmmig_error *err)
{
	struct json_object *info = NULL;
	int ret = qmp_call(vm->qmp, "query-name", NULL, &info, err);

	if (ret)
		return ret;
	if (js_str(info, "name"))
		vm->name = xstrdup(js_str(info, "name"));
	json_object_put(info);
	return 0;
}

int vm_collect(struct vm *vm, struct qmp *q, pid_t pid, struct vmmig_error *err)
{
	struct json_object *cpus = NULL;
	int ret;

	memset(vm, 0, sizeof(*vm));
	vm->vm_fd = -1;
	vm->qmp = q;
	vm->pid = pid ? pid : q->pid;
	if (vm->pid <= 0)
		return vmmig_fail(err, -ESRCH,
				  "%s: its process is not known, it may be in another PID namespace; give --pid",
				  q->name);
	ret = proc_args(vm->pid, &vm->args, err);
	if (ret)
		return ret;
	vm->exe = proc_link(vm->pid, "exe");
	vm->cwd = proc_link(vm->pid, "cwd");
	vm->user = vm_user(vm->pid);
	vm->status = vm_status(q);
	if (!vm->status)
		return vmmig_fail(err, -EREMOTEIO,
				  "%s does not tell its status", q->name);
	vm->running = !strcmp(vm->status, "running");
	vm->kvm = vm_is_kvm(q);
	vm->machine = vm_machine(q);
	ret = vm_collect_name(vm, err);
	if (ret)
		return ret;
	ret = qmp_call(q, "query-cpus-fast", NULL, &cpus, err);
	if (ret)
		return ret;
	vm->vcpus = json_object_array_length(cpus);
	json_object_put(cpus);
	vm->ring = proc_has_dirty_ring(vm->pid) ||
		cmdline_dirty_ring(&vm->args);
	return vm_collect_blocks(vm, err);
}

int vm_open_fds(struct vm *vm, struct vmmig_error *err)
{
	int fd = vmmig_fd_find_vm(vm->pid, err);

	if (fd < 0)
		return fd;
	vm->vm_fd = vmmig_fd_steal(vm->pid, fd, err);
	if (vm->vm_fd < 0)
		return vm->vm_fd;
	for (unsigned int i = 0; i < vm->nr_blocks; i++) {
		struct vm_block *b = &vm->block[i];

		b->fd = vmmig_fd_steal(vm->pid, b->qemu_fd, err);
		if (b->fd < 0)
			return b->fd;
	}
	return 0;
}

uint64_t vm_ram_size(const struct vm *vm)
{
	uint64_t size = 0;

	for (unsigned int i = 0; i < vm->nr_blocks; i++)
		size += vm->block[i].size;
	return size;
}

uint64_t vm_ram_used(const struct vm *vm)
{
	uint64_t used = 0;

	for (unsigned int i = 0; i < vm->nr_blocks; i++)
		used += vm->block[i].st.st_blocks * 512ULL;
	return used;
}

void vm_free(struct vm *vm)
{
	for (unsigned int i = 0; i < vm->nr_blocks; i++) {
		struct vm_block *b = &vm->block[i];

		if (b->fd >= 0)
			close(b->fd);
		free(b->id);
		free(b->type);
		free(b->path);
	}
	if (vm->vm_fd >= 0 && vm->qmp)
		close(vm->vm_fd);
	free(vm->name);
	free(vm->status);
	free(vm->machine);
	free(vm->exe);
	free(vm->cwd);
	free(vm->user);
	strv_free(&vm->args);
	memset(vm, 0, sizeof(*vm));
	vm->vm_fd = -1;
}
