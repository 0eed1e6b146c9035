// SPDX-License-Identifier: GPL-2.0
/* What must hold at the destination before anything is created. */
#include <errno.h>
#include <linux/magic.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "check.h"
#include "cmdline.h"
#include "proc.h"
#include "target.h"

#define WHERE		"destination"
#define OUTPUT_MAX	(256 << 10)
#define PROGRAM_MS	30000

#define refuse(f, ...)	findings_add(f, FINDING_REFUSED, WHERE, __VA_ARGS__)
#define warn(f, ...)	findings_add(f, FINDING_WARNING, WHERE, __VA_ARGS__)

/* As execvp() would find it; to be freed. */
static char *find_program(const char *name)
{
	const char *path = getenv("PATH");

	if (strchr(name, '/'))
		return access(name, X_OK) ? NULL : xstrdup(name);
	if (!path)
		path = "/usr/sbin:/usr/bin:/sbin:/bin";
	while (*path) {
		size_t len = strcspn(path, ":");
		char *full = xasprintf("%.*s/%s", (int)len, path, name);

		if (!access(full, X_OK))
			return full;
		free(full);
		path += len + !!path[len];
	}
	return NULL;
}

/* As in pc-q35-10.0; microvm has none, so every release has its own. */
static bool has_version(const char *machine)
{
	const char *dash = strrchr(machine, '-');
	int major, minor;

	return dash && sscanf(dash, "-%d.%d", &major, &minor) == 2;
}

static void check_qemu_version(struct target *t, struct findings *f)
{
	char *const argv[] = { t->program, "--version", NULL };
	int theirs[2] = { 0 }, ours[2] = { 0 };
	struct buf out = { 0 };
	char *at;

	program_run(argv, &out, OUTPUT_MAX, PROGRAM_MS);
	buf_append(&out, "", 1);
	at = strstr(out.data, "version ");
	if (!at || sscanf(at, "version %d.%d", &ours[0], &ours[1]) != 2) {
		refuse(f, "%s does not tell its version; is it QEMU? See --dest-qemu",
		       t->program);
	} else {
		sscanf(t->plan->qemu_version, "%d.%d", &theirs[0], &theirs[1]);
		if (!has_version(t->plan->machine) &&
		    (ours[0] != theirs[0] || ours[1] != theirs[1]))
			refuse(f, "machine type %s has no version, so QEMU %d.%d cannot load the state of the source's %s; use the same QEMU on both hosts, or a machine type with a version",
			       t->plan->machine, ours[0], ours[1],
			       t->plan->qemu_version);
		else if (ours[0] < theirs[0] ||
		    (ours[0] == theirs[0] && ours[1] < theirs[1]))
			warn(f, "QEMU %d.%d is older than the source's %s: its device state may be refused",
			     ours[0], ours[1], t->plan->qemu_version);
		else
			findings_add(f, FINDING_OK, WHERE, "%s is QEMU %d.%d",
				     t->program, ours[0], ours[1]);
	}
	buf_free(&out);
}

static void check_machine(struct target *t, struct findings *f)
{
	char *const argv[] = { t->program, "-machine", "help", NULL };
	size_t len = strlen(t->plan->machine);
	struct buf out = { 0 };
	bool known = false;
	char *line;
	int ret;

	ret = program_run(argv, &out, OUTPUT_MAX, PROGRAM_MS);
	buf_append(&out, "", 1);
	for (line = out.data; line && !known; line = strchr(line, '\n')) {
		line += *line == '\n';
		known = !strncmp(line, t->plan->machine, len) &&
			line[len] == ' ';
	}
	if (ret)
		refuse(f, "%s cannot be run (%s)", t->program,
		       ret < 0 ? strerror(-ret) : "see what it prints for -machine help");
	else if (!known)
		refuse(f, "%s does not know the VM's machine type %s; install a QEMU that does, at least %s",
		       t->program, t->plan->machine, t->plan->qemu_version);
	buf_free(&out);
}

static void check_program(struct target *t, struct findings *f)
{
	const char *name = t->plan->argv.v[0];

	t->program = find_program(name);
	if (!t->program && t->plan->exe)
		t->program = find_program(t->plan->exe);
	if (!t->program) {
		refuse(f, "there is no QEMU %s; install it or give --dest-qemu",
		       name);
		return;
	}
	check_qemu_version(t, f);
	check_machine(t, f);
	if (access("/dev/kvm", R_OK | W_OK))
		refuse(f, "/dev/kvm cannot be used (%s): load kvm_intel or kvm_amd, and see that virtualization is on",
		       strerror(errno));
}

static void check_user(struct target *t, struct findings *f)
{
	const char *user = t->plan->user;
	struct passwd *pw;

	if (!user || !strcmp(user, "root"))
		return;
	pw = getpwnam(user);
	if (!pw) {
		refuse(f, "the user %s, whom QEMU runs as at the source, does not exist here; make it or give --dest-user",
		       user);
		return;
	}
	t->uid = pw->pw_uid;
	t->gid = pw->pw_gid;
}

static char *directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return xasprintf("%.*s", slash == path ? 1 : (int)(slash - path), path);
}

/* RAM that is to be on the same file system as the one at @dir */
static uint64_t ram_beside(const struct plan *p, const char *dir)
{
	struct stat here, there;
	uint64_t sum = 0;

	for (unsigned int i = 0; i < p->nr_blocks; i++) {
		char *other = directory_of(p->block[i].path);

		if (!stat(dir, &here) && !stat(other, &there) &&
		    here.st_dev == there.st_dev)
			sum += p->block[i].size;
		free(other);
	}
	return sum;
}

static void check_file(const struct plan *p, const struct plan_block *b,
		       struct findings *f)
{
	char *dir = directory_of(b->path);
	uint64_t all = ram_beside(p, dir);
	struct statvfs room;
	struct statfs fs;
	struct stat st;

	if (!lstat(b->path, &st)) {
		refuse(f, "RAM file %s exists already: is it in use by another VM? Remove it or give --dest-ram %s=PATH",
		       b->path, b->id);
	} else if (statfs(dir, &fs) || statvfs(dir, &room)) {
		refuse(f, "the directory of RAM file %s: %s; make it or give --dest-ram %s=PATH",
		       b->path, strerror(errno), b->id);
	} else if (fs.f_type != TMPFS_MAGIC) {
		refuse(f, "%s is not on tmpfs; mount one there or give --dest-ram %s=PATH",
		       b->path, b->id);
	} else if (room.f_blocks &&
		   (uint64_t)room.f_bavail * room.f_frsize < all) {
		char have[32], want[32];

		refuse(f, "the tmpfs at %s has room for %s but the VM's RAM there has %s; free some or mount it with a larger size=",
		       dir, bytes_print((double)room.f_bavail * room.f_frsize,
					have, sizeof(have)),
		       bytes_print(all, want, sizeof(want)));
	} else {
		findings_add(f, FINDING_OK, WHERE, "RAM file %s can be made",
			     b->path);
	}
	free(dir);
}

static void check_memory(const struct plan *p, struct findings *f)
{
	uint64_t there = proc_meminfo("MemAvailable");
	char have[32], want[32];

	if (there && there < p->used)
		refuse(f, "the host has %s of memory available but the VM uses %s; free some first",
		       bytes_print(there, have, sizeof(have)),
		       bytes_print(p->used, want, sizeof(want)));
}

/* QEMU would take the path away from whoever listens there. */
static bool is_listened_at(const char *path)
{
	FILE *file = fopen("/proc/net/unix", "re");
	char line[512], name[256];	/* a path has 107 bytes at most */
	bool found = false;
	unsigned int flags;

	if (!file)
		return false;
	while (!found && fgets(line, sizeof(line), file))
		found = sscanf(line, "%*s %*s %*s %x %*s %*s %*s %255[^\n]",
			       &flags, name) == 2 &&
			(flags & 0x10000) && !strcmp(name, path);
	fclose(file);
	return found;
}

static void check_sockets(const struct plan *p, struct findings *f)
{
	struct strv paths = { 0 };

	cmdline_listen_paths(&p->argv, &paths);
	for (size_t i = 0; i < paths.n; i++)
		if (is_listened_at(paths.v[i]))
			refuse(f, "somebody listens at %s already; stop it, or give --dest-qmp or --dest-replace",
			       paths.v[i]);
	strv_free(&paths);
}

void target_check(struct target *t, struct findings *f)
{
	check_host(f, WHERE);
	check_program(t, f);
	check_user(t, f);
	for (unsigned int i = 0; i < t->plan->nr_blocks; i++)
		check_file(t->plan, &t->plan->block[i], f);
	check_memory(t->plan, f);
	check_sockets(t->plan, f);
	if (t->plan->cwd && access(t->plan->cwd, X_OK))
		warn(f, "QEMU's working directory %s is not there, / is taken; relative paths of the VM will not be found",
		     t->plan->cwd);
}
