// SPDX-License-Identifier: GPL-2.0
/* RAM files: open, make, and remove those that were made for nothing. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "ram.h"

/*
 * Files that this run made and that no session has yet. Global since a signal
 * handler needs it: receive waits for its peer, and is interrupted there.
 */
static const char *volatile made[VMMIG_MAX_BLOCKS];

static void remove_made(void)
{
	for (int i = 0; i < VMMIG_MAX_BLOCKS; i++)
		if (made[i])
			unlink(made[i]);
}

static void on_signal(int sig)
{
	remove_made();
	signal(sig, SIG_DFL);
	raise(sig);
}

static void made_add(unsigned int i, const char *path)
{
	made[i] = path;
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	signal(SIGHUP, on_signal);
}

int ram_set_add(struct ram_set *set, const char *text, bool may_create,
		struct vmmig_error *err)
{
	struct ram_spec *spec = &set->specs[set->nr];
	int rc;

	if (set->nr == VMMIG_MAX_BLOCKS)
		return vmmig_fail(err, -EINVAL, "RAM block \"%s\": one too many, %u are allowed",
				  text, VMMIG_MAX_BLOCKS);
	rc = ram_spec_parse(text, may_create, spec, err);
	if (rc)
		return rc;
	for (unsigned int i = 0; i < set->nr; i++) {
		if (strcmp(set->specs[i].id, spec->id))
			continue;
		free(spec->path_copy);
		return vmmig_fail(err, -EINVAL, "RAM block %s: is given twice",
				  set->specs[i].id);
	}
	set->nr++;
	return 0;
}

/* A tmpfs that is too small would say so in the middle of the migration. */
static int check_room(const struct ram_set *set, unsigned int nr, int fd,
		      struct vmmig_error *err)
{
	const struct ram_spec *spec = &set->specs[nr];
	uint64_t need = spec->size, room;
	struct stat here, other;
	struct statvfs fs;

	if (fstat(fd, &here) || fstatvfs(fd, &fs) || !fs.f_blocks)
		return 0;
	for (unsigned int i = 0; i < nr; i++)
		if (!fstat(set->blocks[i].fd, &other) &&
		    other.st_dev == here.st_dev)
			need += set->specs[i].size;
	room = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (room >= need)
		return 0;
	return vmmig_fail(err, -ENOSPC, "RAM block %s: the file system of %s has room for %llu bytes, but the RAM to be made there has %llu; free some, or mount it with a larger size=",
			  spec->id, spec->path, (unsigned long long)room,
			  (unsigned long long)need);
}

static int create(const struct ram_set *set, unsigned int i,
		  struct vmmig_error *err)
{
	const struct ram_spec *spec = &set->specs[i];
	int fd, rc;

	fd = open(spec->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 && errno == EEXIST)
		return vmmig_fail(err, -EEXIST, "RAM block %s: %s exists already; give it without size=, or remove it",
				  spec->id, spec->path);
	if (fd < 0)
		return vmmig_fail(err, -errno, "RAM block %s: %s cannot be made: %s",
				  spec->id, spec->path, strerror(errno));
	made_add(i, spec->path);
	rc = check_room(set, i, fd, err);
	if (rc) {
		close(fd);
		return rc;
	}
	if (ftruncate(fd, spec->size)) {
		rc = -errno;
		close(fd);
		return vmmig_fail(err, rc, "RAM block %s: %s cannot be given its size: %s",
				  spec->id, spec->path, strerror(-rc));
	}
	return fd;
}

static int open_one(const struct ram_set *set, unsigned int i, bool writable,
		    struct vmmig_error *err)
{
	const struct ram_spec *spec = &set->specs[i];
	int fd;

	switch (spec->kind) {
	case RAM_FD:
		fd = fcntl(spec->fd, F_DUPFD_CLOEXEC, 3);
		if (fd >= 0)
			return fd;
		return vmmig_fail(err, -errno, "RAM block %s: descriptor %d was not handed to vmmigctl",
				  spec->id, spec->fd);
	case RAM_PROCESS:
		return vmmig_fd_steal(spec->pid, spec->fd, err);
	default:
		break;
	}

	if (spec->size)
		return create(set, i, err);
	fd = open(spec->path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	if (errno == ENOENT && writable)
		return vmmig_fail(err, -ENOENT, "RAM block %s: %s does not exist; append \",size=SIZE\" to make it",
				  spec->id, spec->path);
	return vmmig_fail(err, -errno, "RAM block %s: %s: %s", spec->id,
			  spec->path, strerror(errno));
}

int ram_set_open(struct ram_set *set, bool writable, struct vmmig_error *err)
{
	int fd;

	for (unsigned int i = 0; i < set->nr; i++) {
		fd = open_one(set, i, writable, err);
		if (fd < 0)
			return fd;
		set->blocks[i].id = set->specs[i].id;
		set->blocks[i].fd = fd;
		set->nr_open++;
	}
	return 0;
}

void ram_set_keep(struct ram_set *set)
{
	for (unsigned int i = 0; i < set->nr; i++)
		made[i] = NULL;
}

void ram_set_close(struct ram_set *set)
{
	remove_made();
	ram_set_keep(set);
	for (unsigned int i = 0; i < set->nr_open; i++)
		close(set->blocks[i].fd);
	for (unsigned int i = 0; i < set->nr; i++)
		free(set->specs[i].path_copy);
	set->nr = 0;
	set->nr_open = 0;
}
