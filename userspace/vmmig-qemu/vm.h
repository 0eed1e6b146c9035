/* SPDX-License-Identifier: GPL-2.0 */
/* The VM at the source: what it is made of. Asking changes nothing. */
#ifndef VM_H
#define VM_H

#include <sys/stat.h>

#include "qmp.h"

/**
 * struct vm_block - one memory backend
 * @id: QEMU's name for it, and ours on both sides
 * @type: QOM type, "memory-backend-file" if it can be migrated
 * @path: mem-path or NULL
 * @size: bytes
 * @share: mapped shared
 * @readonly: mapped read-only
 * @offset: first byte of the file that is used
 * @found: the file was found among QEMU's descriptors
 * @st: the file
 * @qemu_fd: number of the descriptor in QEMU
 * @fd: our duplicate, -1 until vm_open_blocks()
 */
struct vm_block {
	char *id;
	char *type;
	char *path;
	uint64_t size;
	bool share;
	bool readonly;
	uint64_t offset;
	bool found;
	struct stat st;
	int qemu_fd;
	int fd;
};

/**
 * struct vm - a running QEMU
 * @running: it ran when asked first, so it will run after the migration
 * @status: QEMU's word for that
 * @machine: machine type with its version, aliases resolved
 * @user: owner of the process, NULL for root
 * @ring: KVM's dirty ring is in use
 * @vcpus: number of virtual CPUs
 */
struct vm {
	struct qmp *qmp;
	pid_t pid;
	char *name;
	char *status;
	bool running;
	bool kvm;
	char *machine;
	char *exe;
	char *cwd;
	char *user;
	struct strv args;
	struct vm_block block[VMMIG_MAX_BLOCKS];
	unsigned int nr_blocks;
	unsigned int all_blocks;
	uint64_t memory;
	bool ring;
	unsigned int vcpus;
	int vm_fd;
};

/* @pid: 0 takes the process at the other end of the monitor. */
int vm_collect(struct vm *vm, struct qmp *q, pid_t pid, struct vmmig_error *err);
void vm_free(struct vm *vm);

/* A property of an object; to be freed, NULL also if it cannot be asked. */
char *vm_qom_str(struct qmp *q, const char *path, const char *property);
/* The same; false also if it cannot be asked. */
bool vm_qom_bool(struct qmp *q, const char *path, const char *property);
/* Does QEMU say that this is a KVM VM? */
bool vm_is_kvm(struct qmp *q);
/* "running", "paused" ...; to be freed, NULL if QEMU does not answer. */
char *vm_status(struct qmp *q);
/* Status of QEMU's own migration, "none" if there was none; to be freed. */
char *vm_migration_status(struct qmp *q, struct json_object **info);
/* Is none going on in that status? */
bool vm_migration_is_idle(const char *status);

/* Duplicate the descriptors of the VM and of its RAM files. */
int vm_open_fds(struct vm *vm, struct vmmig_error *err);
uint64_t vm_ram_size(const struct vm *vm);
/* Bytes of RAM that the files really hold. */
uint64_t vm_ram_used(const struct vm *vm);

#endif /* VM_H */
