// SPDX-License-Identifier: GPL-2.0
/*
 * Promise: whoever writes to the RAM through page tables while it moves, and
 * however, both files are equal after the final sync.
 * Catches: a write that the tracker misses, by skipping clean, protection,
 * the reference check, the notifier, or by their order.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "util.h"

#define RAM	(16 * MIB)
#define PAGES	(RAM / PAGE)
/* How long the writer runs while passes go on */
#define RUN_MS	700

FIXTURE(writer) {
	struct move m;
	char *ram;
	int io;			/* on a block device, for direct I/O */
	volatile bool *stop;	/* shared with processes */
};

enum kind { HOT, RANDOM, SEQUENTIAL, READ_THEN_WRITE, DIRECT_IO, VM_WRITEV, OTHER };

FIXTURE_VARIANT(writer) {
	enum kind kind;
	bool process;		/* writes in a process of its own */
	unsigned int more_streams;
};

#define WRITER(name, ...) \
	FIXTURE_VARIANT_ADD(writer, name) { __VA_ARGS__ }
WRITER(hot_set, .kind = HOT);
WRITER(random, .kind = RANDOM);
WRITER(random_4_streams, .kind = RANDOM, .more_streams = 3);
WRITER(sequential, .kind = SEQUENTIAL);
WRITER(read_faults_first, .kind = READ_THEN_WRITE);
WRITER(second_process, .kind = RANDOM, .process = true);
WRITER(direct_io, .kind = DIRECT_IO);
WRITER(direct_io_process, .kind = DIRECT_IO, .process = true);
WRITER(process_vm_writev, .kind = VM_WRITEV, .process = true);

static void fill_disk(int fd)
{
	static char block[64 * 1024] __attribute__((aligned(4096)));

	for (int i = 0; i < 64; i++) {
		memset(block, i + 1, sizeof(block));
		if (pwrite(fd, block, sizeof(block), i * sizeof(block)) != sizeof(block))
			perror("# pwrite");
	}
}

/*
 * Reads wait in the queue for some milliseconds, with the pages that they will
 * write to pinned already: what a slow disk does, and what a scan must not miss.
 */
#define CGROUP	"/sys/fs/cgroup/vmmig-test"
static void slow_down_io(void)
{
	run("echo +io >/sys/fs/cgroup/cgroup.subtree_control && mkdir -p " CGROUP
	    " && echo '1:0 riops=200' >" CGROUP "/io.max && echo %d >" CGROUP "/cgroup.procs",
	    getpid());
}

FIXTURE_SETUP(writer)
{
	log_mark();
	ASSERT_EQ(0, move_init(&self->m)) TH_LOG("%s", self->m.err.text);
	self->m.streams = 1 + variant->more_streams;
	move_block(&self->m, "ram", RAM);
	ram_fill(self->m.block[0].src, 0, RAM, 3);
	self->ram = ram_map(self->m.block[0].src, RAM);
	self->stop = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	self->io = -1;
	if (variant->kind != DIRECT_IO)
		return;
	run("modprobe -q brd rd_nr=1 rd_size=4096");
	self->io = open("/dev/ram0", O_RDWR | O_DIRECT);
	if (self->io < 0)
		SKIP(return, "no RAM disk");
	fill_disk(self->io);
	slow_down_io();
}

FIXTURE_TEARDOWN(writer)
{
	munmap(self->ram, RAM);
	close(self->io);
	move_free(&self->m);
	EXPECT_EQ(0, log_bad());
}

struct job {
	char *ram;
	enum kind kind;
	int io;
	pid_t pid;
	volatile bool *stop;
};

static void write_one(struct job *j, uint32_t *state, uint32_t n)
{
	uint32_t page = rnd(state) % PAGES, value[2] = { n, *state };
	char *at = j->ram + page * PAGE + *state / PAGES % (PAGE - 8);
	struct iovec local = { value, sizeof(value) }, remote = { at, sizeof(value) };
	volatile char sink;

	switch (j->kind) {
	case HOT:
		at = j->ram + page % 64 * PAGE * 3;
		break;
	case SEQUENTIAL:
		at = j->ram + n % PAGES * PAGE;
		break;
	case READ_THEN_WRITE:
		/* A read fault installs what a later write goes through */
		for (int i = 0; i < 16; i++)
			sink = j->ram[(page + i) % PAGES * PAGE];
		(void)sink;
		break;
	case DIRECT_IO:
		/* The device writes through a reference, no page table knows */
		at = j->ram + page * PAGE;
		if (pread(j->io, at, PAGE, rnd(state) % 1024 * PAGE) != PAGE)
			perror("# pread");
		return;
	case VM_WRITEV:
		if (process_vm_writev(j->pid, &local, 1, &remote, 1, 0) < 0)
			perror("# process_vm_writev");
		return;
	default:
		break;
	}
	memcpy(at, value, sizeof(value));
}

static void *writes(void *arg)
{
	struct job *j = arg;
	uint32_t state = 88172645;

	for (uint32_t n = 1; !*j->stop; n++) {
		write_one(j, &state, n);
		/* Room for others on two emulated CPUs */
		if (!(n % 256))
			nap(1);
	}
	return NULL;
}

TEST_F(writer, nothing_is_missed)
{
	struct job j = { self->ram, variant->kind, self->io, getpid(), self->stop };
	struct vmmig_session s;
	pthread_t thread;
	pid_t pid = 0;

	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
	if (variant->process) {
		pid = fork();
		if (!pid) {
			writes(&j);
			_exit(0);
		}
	} else {
		ASSERT_EQ(0, pthread_create(&thread, NULL, writes, &j));
	}

	ASSERT_EQ(0, move_begin(&self->m)) TH_LOG("%s", self->m.err.text);
	EXPECT_EQ(VMMIG_STATE_ITERATING, move_wait(&self->m, self->m.src, IN(ITERATING)))
		TH_LOG("%s", self->m.err.text);
	nap(RUN_MS);
	*self->stop = true;
	if (pid)
		waitpid(pid, NULL, 0);
	else
		pthread_join(thread, NULL);
	ASSERT_EQ(0, move_end(&self->m)) TH_LOG("%s", self->m.err.text);
	EXPECT_EQ(0, move_differs(&self->m));
	/* Something was written meanwhile, else this proves nothing */
	ASSERT_EQ(0, move_get(&self->m, self->m.src, &s));
	EXPECT_LT(0, s.stats.host_pages + s.stats.pinned_pages + s.stats.final_pages);
	EXPECT_LE(3, s.stats.pass);
	/* Found by its dirty bit, not because whole chunks were sent again */
	if (variant->kind != DIRECT_IO)
		EXPECT_LT(0, s.stats.host_pages);
	if (variant->kind == HOT)
		EXPECT_GT(s.stats.pass / 2 + 1, s.stats.fallback_chunks);
}

/* Between the final sync and the confirming scan */
TEST_F(writer, confirming_scan_finds_late_writes)
{
	struct move *m = &self->m;
	struct vmmig_session s;

	if (variant->kind != HOT)
		return;
	ASSERT_EQ(0, move_begin(m)) TH_LOG("%s", m->err.text);
	ASSERT_EQ(VMMIG_STATE_ITERATING, move_wait(m, m->src, IN(ITERATING)));
	ASSERT_EQ(0, vmmig_nl_finalize(m->nl, m->src, true, &m->err));
	ASSERT_EQ(VMMIG_STATE_SYNCED, move_wait(m, m->src, IN(SYNCED)));
	self->ram[0] ^= 1;
	self->ram[RAM - 1] ^= 1;
	self->ram[5 * MIB] ^= 1;
	ASSERT_EQ(0, move_end(m)) TH_LOG("%s", m->err.text);
	EXPECT_EQ(0, move_differs(m));
	ASSERT_EQ(0, move_get(m, m->src, &s));
	EXPECT_EQ(3, s.stats.confirm_pages);
}

TEST_HARNESS_MAIN
