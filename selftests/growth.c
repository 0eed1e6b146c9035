// SPDX-License-Identifier: GPL-2.0
/*
 * Promise: sessions leave nothing behind, however they end.
 * Catches: leaked pages, slab objects, per-CPU and vmalloc memory, files,
 * sockets, references on address spaces.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "util.h"

#define RAM	(2 * MIB)
#define ROUNDS	100

struct memory {
	long slab, percpu, vmalloc, shmem;	/* KiB */
	long files, sockets, fds, processes;
};

static long count_dir(const char *path)
{
	DIR *d = opendir(path);
	long n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

static void field(const char *path, const char *name, long *value)
{
	char line[256];
	FILE *f = fopen(path, "r");

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)))
			*value = strtol(line + strlen(name), NULL, 10);
	if (f)
		fclose(f);
}

static void look(struct memory *m)
{
	memset(m, 0, sizeof(*m));
	/* What RCU and work queues still hold would look like a leak */
	run("echo 2 >/proc/sys/vm/drop_caches");
	nap(300);
	field("/proc/meminfo", "SUnreclaim:", &m->slab);
	field("/proc/meminfo", "Percpu:", &m->percpu);
	field("/proc/meminfo", "VmallocUsed:", &m->vmalloc);
	field("/proc/meminfo", "Shmem:", &m->shmem);
	field("/proc/sys/fs/file-nr", "", &m->files);
	field("/proc/net/sockstat", "sockets: used", &m->sockets);
	m->fds = count_dir("/proc/self/fd");
}

FIXTURE(growth) {
	struct move m;
};

FIXTURE_SETUP(growth)
{
	log_mark();
	ASSERT_EQ(0, move_init(&self->m)) TH_LOG("%s", self->m.err.text);
	self->m.streams = 2;
	move_block(&self->m, "ram", RAM);
	ram_fill(self->m.block[0].src, 0, RAM, 1);
}

FIXTURE_TEARDOWN(growth)
{
	move_free(&self->m);
	EXPECT_EQ(0, log_bad());
}

/* One of the ways to end; each session is refused, cancelled or done */
static int one(struct move *m, int how)
{
	int rc = 0;

	switch (how % 4) {
	case 0:
		return move_begin(m) || move_end(m) || move_differs(m);
	case 1:
		rc = move_begin(m) || vmmig_nl_cancel(m->nl, m->src, &m->err);
		break;
	case 2:
		rc = move_begin(m) || vmmig_nl_cancel(m->nl, m->dst, &m->err);
		break;
	default:
		/* Refused after everything else was checked */
		m->tracking = VMMIG_TRACKING_RING;
		rc = !move_send(m);
		m->tracking = VMMIG_TRACKING_AUTO;
		return rc;
	}
	return rc || move_over(m);
}

TEST_F_TIMEOUT(growth, of_memory_and_files, 240)
{
	struct memory before, after;

	/* Caches fill, and the list of 128 ended sessions: 7 in 4 rounds */
	for (int i = 0; i < 76; i++) {
		ASSERT_EQ(0, one(&self->m, i)) TH_LOG("%s", self->m.err.text);
	}
	look(&before);
	for (int i = 0; i < ROUNDS; i++) {
		ASSERT_EQ(0, one(&self->m, i)) TH_LOG("%s", self->m.err.text);
	}
	look(&after);
	TH_LOG("KiB grown: slab %ld, percpu %ld, vmalloc %ld, shmem %ld; files %ld, sockets %ld",
	       after.slab - before.slab, after.percpu - before.percpu,
	       after.vmalloc - before.vmalloc, after.shmem - before.shmem,
	       after.files - before.files, after.sockets - before.sockets);
	/*
	 * A leak of one page per session would be 400 KiB. KASAN keeps for a
	 * while what was freed; leaks.sh asks kmemleak there.
	 */
	if (access("/sys/kernel/debug/kmemleak", F_OK))
		EXPECT_GT(ROUNDS * 3, after.slab - before.slab);
	EXPECT_GT(ROUNDS, after.percpu - before.percpu);
	EXPECT_GT(ROUNDS, after.vmalloc - before.vmalloc);
	EXPECT_GE((long)(RAM / 1024), after.shmem - before.shmem);
	/* A counter of the kernel that is exact to 32 for each CPU */
	EXPECT_GT(80, after.files - before.files);
	EXPECT_GE(4, after.sockets - before.sockets);
	EXPECT_EQ(before.fds, after.fds);
}

TEST_HARNESS_MAIN
