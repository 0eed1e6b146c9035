// SPDX-License-Identifier: GPL-2.0
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proc.h"

/* KVM_DIRTY_LOG_PAGE_OFFSET of x86 in bytes, where the ring is mapped. */
#define DIRTY_RING_OFFSET	(64 * PAGE_BYTES)

static FILE *proc_open(pid_t pid, const char *what)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, what);
	return fopen(path, "re");
}

int proc_args(pid_t pid, struct strv *args, struct vmmig_error *err)
{
	FILE *f = proc_open(pid, "cmdline");
	char *arg = NULL;
	size_t size = 0;

	if (!f)
		return vmmig_fail(err, -errno,
				  "process %d: its command line cannot be read: %s",
				  pid, strerror(errno));
	while (getdelim(&arg, &size, '\0', f) > 0)
		strv_add(args, arg);
	free(arg);
	fclose(f);
	if (!args->n)
		return vmmig_fail(err, -ENOENT,
				  "process %d: has no command line", pid);
	return 0;
}

char *proc_link(pid_t pid, const char *what)
{
	char path[64], target[4096];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, what);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return NULL;
	target[n] = '\0';
	return xstrdup(target);
}

int proc_owner(pid_t pid, uid_t *uid, gid_t *gid)
{
	FILE *f = proc_open(pid, "status");
	unsigned int id;
	int found = 0;
	char line[256];

	if (!f)
		return -errno;
	/* The second number is the effective id. */
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Uid: %*u %u", &id) == 1) {
			*uid = id;
			found |= 1;
		} else if (sscanf(line, "Gid: %*u %u", &id) == 1) {
			*gid = id;
			found |= 2;
		}
	}
	fclose(f);
	return found == 3 ? 0 : -ENOENT;
}

int proc_each_fd(pid_t pid, proc_fd_fn fn, void *arg)
{
	struct dirent *entry;
	int found = -ENOENT;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while (found < 0 && (entry = readdir(dir))) {
		char target[4096];
		ssize_t n;
		int fd;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		n = readlinkat(dirfd(dir), entry->d_name, target,
			       sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = '\0';
		fd = atoi(entry->d_name);
		if (fn(pid, fd, target, arg))
			found = fd;
	}
	closedir(dir);
	return found;
}

int proc_stat(pid_t pid, const char *path, struct stat *st)
{
	char seen[4200];

	snprintf(seen, sizeof(seen), "/proc/%d/root%s", pid, path);
	if (!stat(seen, st) || !stat(path, st))
		return 0;
	return -errno;
}

static bool is_file(pid_t pid, int fd, const char *link, void *arg)
{
	const struct stat *want = arg;
	struct stat st;
	char path[64];

	(void)link;
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
	return !stat(path, &st) && st.st_dev == want->st_dev &&
		st.st_ino == want->st_ino;
}

int proc_find_file(pid_t pid, const struct stat *st)
{
	return proc_each_fd(pid, is_file, (void *)st);
}

static uint64_t read_kib(FILE *f, const char *key)
{
	size_t len = strlen(key);
	uint64_t kib = 0;
	char line[256];

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		if (!strncmp(line, key, len) && line[len] == ':') {
			kib = strtoull(line + len + 1, NULL, 10);
			break;
		}
	}
	fclose(f);
	return kib * 1024;
}

uint64_t proc_shmem_huge(pid_t pid)
{
	return read_kib(proc_open(pid, "smaps_rollup"), "ShmemPmdMapped");
}

uint64_t proc_meminfo(const char *key)
{
	return read_kib(fopen("/proc/meminfo", "re"), key);
}

bool proc_has_dirty_ring(pid_t pid)
{
	FILE *f = proc_open(pid, "maps");
	unsigned long long offset;
	bool found = false;
	char line[512];

	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f))
		found = strstr(line, "kvm-vcpu:") &&
			sscanf(line, "%*s %*s %llx", &offset) == 1 &&
			offset == DIRTY_RING_OFFSET;
	fclose(f);
	return found;
}
