/* SPDX-License-Identifier: GPL-2.0 */
/* What /proc tells about a QEMU process. */
#ifndef PROC_H
#define PROC_H

#include <sys/stat.h>

#include "util.h"

/* /proc/PID/cmdline as a list. */
int proc_args(pid_t pid, struct strv *args, struct vmmig_error *err);
/* /proc/PID/@what, a symbolic link; to be freed, NULL if unreadable. */
char *proc_link(pid_t pid, const char *what);
/* Owner of the process. */
int proc_owner(pid_t pid, uid_t *uid, gid_t *gid);

/* Stops at the first descriptor that @fn returns true for, and returns it. */
typedef bool (*proc_fd_fn)(pid_t pid, int fd, const char *link, void *arg);
int proc_each_fd(pid_t pid, proc_fd_fn fn, void *arg);

/* Stat a path as the process sees it, or as we do. */
int proc_stat(pid_t pid, const char *path, struct stat *st);
/* Descriptor of the process that has this file open, or -ENOENT. */
int proc_find_file(pid_t pid, const struct stat *st);

/* Bytes of RAM files mapped with huge pages, 0 also if unknown. */
uint64_t proc_shmem_huge(pid_t pid);
/* KVM's dirty ring is mapped: the VM was started with one. */
bool proc_has_dirty_ring(pid_t pid);
/* A line of /proc/meminfo, in bytes. */
uint64_t proc_meminfo(const char *key);

#endif /* PROC_H */
