// SPDX-License-Identifier: GPL-2.0
/* Descriptors of another process. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmmig.h"

/* System calls of 5.3 and 5.6; glibc wraps them only since 2.36. */
#ifndef SYS_pidfd_open
#define SYS_pidfd_open	434
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd	438
#endif

/* What the kernel names the file of KVM_CREATE_VM. */
#define KVM_VM_LINK	"anon_inode:kvm-vm"

int vmmig_fd_steal(int pid, int fd, struct vmmig_error *err)
{
	int pidfd, dup, rc;

	pidfd = syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0) {
		rc = -errno;
		if (rc == -ESRCH)
			return vmmig_fail(err, rc, "process %d: does not exist",
					  pid);
		return vmmig_fail(err, rc, "process %d: cannot be opened: %s",
				  pid, strerror(-rc));
	}

	dup = syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	rc = dup < 0 ? -errno : dup;
	close(pidfd);
	if (rc >= 0)
		return rc;

	switch (rc) {
	case -EPERM:
		return vmmig_fail(err, rc, "process %d: no permission to copy its descriptors; run this as root",
				  pid);
	case -EBADF:
		return vmmig_fail(err, rc, "process %d: has no descriptor %d",
				  pid, fd);
	default:
		return vmmig_fail(err, rc, "process %d: descriptor %d cannot be copied: %s",
				  pid, fd, strerror(-rc));
	}
}

static bool is_vm(int dir_fd, const char *name)
{
	char link[sizeof(KVM_VM_LINK)];
	ssize_t len = readlinkat(dir_fd, name, link, sizeof(link));

	/* One byte of room more than the link has: a longer one differs. */
	return len == sizeof(KVM_VM_LINK) - 1 &&
	       !memcmp(link, KVM_VM_LINK, len);
}

int vmmig_fd_find_vm(int pid, struct vmmig_error *err)
{
	struct dirent *entry;
	int fd, best = -1;
	char path[32];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir) {
		if (errno == ENOENT)
			return vmmig_fail(err, -ESRCH, "process %d: does not exist",
					  pid);
		return vmmig_fail(err, -errno, "process %d: its descriptors cannot be listed: %s; run this as root",
				  pid, strerror(errno));
	}
	while ((entry = readdir(dir))) {
		if (!isdigit((unsigned char)entry->d_name[0]) ||
		    !is_vm(dirfd(dir), entry->d_name))
			continue;
		fd = atoi(entry->d_name);
		if (best < 0 || fd < best)
			best = fd;
	}
	closedir(dir);
	if (best < 0)
		return vmmig_fail(err, -ENOENT, "process %d: has no KVM virtual machine; is it QEMU with accel=kvm?",
				  pid);
	return best;
}
