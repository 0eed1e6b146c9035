// SPDX-License-Identifier: GPL-2.0
/*
 * Promise: whatever the host does with guest pages, none is missed or taken for
 * a hole, and a stopped VM can be moved off a host that has to reclaim memory.
 * Catches: pages in the middle of a migration sent as zero, dirty bits gone to
 * swap, final syncs that take reclaim for writers, mappings that were writable
 * for a moment.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mm.h"

/* udev looks at the device for a moment whenever it changes */
#define RESET	"for i in 1 2 3 4 5 6 7 8 9; do (echo 1 >/sys/block/zram0/reset) 2>/dev/null && break; sleep 0.3; done"

static int swap_begin(void)
{
	return run("modprobe -q zram && " RESET " && echo 256M >/sys/block/zram0/disksize && mkswap -q /dev/zram0 >/dev/null 2>&1") ||
	       swapon("/dev/zram0", 0);
}

/* Nothing of ours may be left in it */
static int swap_end(FIXTURE_DATA(mm) *self)
{
	int rc;

	munmap(self->ram, RAM);
	self->ram = NULL;
	move_free(&self->m);
	rc = swapoff("/dev/zram0");
	run(RESET);
	return rc | move_init(&self->m);
}

static pid_t in_background(const char *cmd)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	execl("/bin/sh", "sh", "-c", cmd, NULL);
	_exit(1);
}

static void end_background(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

#define COMPACT	"while :; do echo 1 >/proc/sys/vm/compact_memory; done"

TEST_F(mm, compacts)
{
	for (int i = 0; i < 6; i++) {
		scribble(self, self->ram, 300);
		run("echo 1 >/proc/sys/vm/compact_memory");
		scribble(self, self->ram, 300);
	}
	EQUAL_AT_THE_END();
}

/* Nobody maps them, so no notifier tells that they are on their way */
TEST_F(mm, compacts_what_nobody_maps)
{
	pid_t pid;

	ASSERT_EQ(0, move_end(&self->m)) TH_LOG("%s", self->m.err.text);
	munmap(self->ram, RAM);
	self->ram = NULL;
	for (int i = 0; i < 4; i++) {
		move_free(&self->m);
		ASSERT_EQ(0, move_init(&self->m));
		/* Pages lie far apart, so that there is something to do */
		run("echo 3 >/proc/sys/vm/drop_caches");
		move_block(&self->m, "ram", 4 * RAM);
		ram_fill(self->m.block[0].src, 0, 4 * RAM, i + 1);
		pid = in_background(COMPACT);
		self->m.rate = 64 * MIB;
		ASSERT_EQ(0, move_begin(&self->m)) TH_LOG("%s", self->m.err.text);
		ASSERT_EQ(VMMIG_STATE_ITERATING, move_wait(&self->m, self->m.src, IN(ITERATING)));
		EXPECT_EQ(0, move_end(&self->m)) TH_LOG("%s", self->m.err.text);
		end_background(pid);
		ASSERT_EQ(0, move_differs(&self->m));
	}
}

/* Entries go from page tables, pages go to swap and come back elsewhere */
TEST_F(mm, swaps)
{
	char *pages = self->ram;

	if (swap_begin())
		SKIP(return, "no swap");
	for (int i = 0; i < 6; i++) {
		scribble(self, pages, 300);
		if (madvise(pages, RAM, MADV_PAGEOUT))
			TH_LOG("madvise failed");
		scribble(self, pages, 300);
		if (i % 2)
			let_pass(self, 1);
	}
	madvise(pages, RAM, MADV_PAGEOUT);
	EXPECT_EQ(0, move_end(&self->m)) TH_LOG("%s", self->m.err.text);
	EXPECT_EQ(0, move_differs(&self->m));
	ASSERT_EQ(0, swap_end(self));
}

/* The fixture's move is ended; RAM is all holes, and the next move not begun */
static void with_empty_ram(struct __test_metadata *_metadata, FIXTURE_DATA(mm) *self)
{
	ASSERT_EQ(0, move_end(&self->m)) TH_LOG("%s", self->m.err.text);
	munmap(self->ram, RAM);
	move_free(&self->m);
	ASSERT_EQ(0, move_init(&self->m));
	move_block(&self->m, "ram", RAM);
	self->ram = ram_map(self->m.block[0].src, RAM);
}

/*
 * A page of tmpfs that was read before it was written is not dirty, only the
 * entry that it was written through, and that is cleaned by the first visit.
 */
static void read_first(struct __test_metadata *_metadata, FIXTURE_DATA(mm) *self, bool iterate)
{
	int lost = 0;

	with_empty_ram(_metadata, self);
	for (size_t i = 0; i < RAM; i += PAGE)
		*(volatile char *)(self->ram + i);
	for (size_t i = 0; i < RAM; i += PAGE)
		memset(self->ram + i, 1 + i / PAGE % 255, PAGE);

	/* Slow enough to be stopped in the first pass */
	self->m.rate = iterate ? 0 : 4 * MIB;
	ASSERT_EQ(0, move_begin(&self->m)) TH_LOG("%s", self->m.err.text);
	if (iterate) {
		ASSERT_EQ(VMMIG_STATE_ITERATING, move_wait(&self->m, self->m.src, IN(ITERATING)));
	} else {
		EXPECT_EQ(0, move_end(&self->m)) TH_LOG("%s", self->m.err.text);
	}
	if (madvise(self->ram, RAM, MADV_PAGEOUT))
		TH_LOG("madvise failed");
	for (size_t i = 0; i < RAM; i += PAGE)
		lost += self->ram[i + 7] != (char)(1 + i / PAGE % 255);
	EXPECT_EQ(0, lost);
	if (iterate) {
		EXPECT_EQ(0, move_end(&self->m)) TH_LOG("%s", self->m.err.text);
	}
	EXPECT_EQ(0, move_differs(&self->m));
}

TEST_F(mm, what_was_read_first_stays) { read_first(_metadata, self, true); }
TEST_F(mm, what_was_read_first_stays_at_the_end) { read_first(_metadata, self, false); }

/* userfaultfd makes entries without a fault; the copies are nowhere else */
TEST_F(mm, what_userfaultfd_copied_stays)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_copy copy = { 0 };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC), lost = 0;
	char *from;

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api))
		SKIP(return, "no userfaultfd");
	with_empty_ram(_metadata, self);
	from = mmap(NULL, RAM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, from);
	memset(from, 5, RAM);
	reg.range.start = (uintptr_t)self->ram;
	reg.range.len = RAM;
	ASSERT_EQ(0, ioctl(fd, UFFDIO_REGISTER, &reg));
	self->m.rate = MIB;
	ASSERT_EQ(0, move_begin(&self->m)) TH_LOG("%s", self->m.err.text);
	ASSERT_EQ(VMMIG_STATE_ITERATING, move_wait(&self->m, self->m.src, IN(ITERATING)));

	let_pass(self, 1);
	copy.dst = reg.range.start;
	copy.src = (uintptr_t)from;
	copy.len = RAM;
	ASSERT_EQ(0, ioctl(fd, UFFDIO_COPY, &copy));
	ASSERT_EQ(0, vmmig_nl_finalize(self->m.nl, self->m.src, false, &self->m.err));
	EXPECT_EQ(VMMIG_STATE_STOPPED, move_wait(&self->m, self->m.src, IN(STOPPED)));
	nap(200);
	EXPECT_EQ(0, vmmig_nl_cancel(self->m.nl, self->m.src, &self->m.err));
	EXPECT_EQ(VMMIG_STATE_CANCELLED, move_wait(&self->m, self->m.src, IN_END));
	close(fd);
	if (madvise(self->ram, RAM, MADV_PAGEOUT))
		TH_LOG("madvise failed");
	for (size_t i = 0; i < RAM; i += PAGE)
		lost += self->ram[i] != 5;
	EXPECT_EQ(0, lost);
	munmap(from, RAM);
}

/* Like KVM, when it ends a nested guest to save a vCPU's state */
TEST_F(mm, written_between_the_last_two_scans)
{
	char value[] = "late";
	struct iovec remote = { self->ram + 5 * PAGE, sizeof(value) };
	struct iovec local = { value, sizeof(value) };

	self->ram[5 * PAGE] ^= 1;
	ASSERT_EQ(0, vmmig_nl_finalize(self->m.nl, self->m.src, true, &self->m.err));
	ASSERT_EQ(VMMIG_STATE_SYNCED, move_wait(&self->m, self->m.src, IN(SYNCED)));
	ASSERT_EQ(sizeof(value), process_vm_writev(getpid(), &local, 1, &remote, 1, 0));
	EQUAL_AT_THE_END();
}

struct reclaim {
	char *ram;
	volatile bool stop;
};

static void *reclaims(void *arg)
{
	struct reclaim *r = arg;

	for (size_t at = 0; !r->stop; at = (at + MIB / 4) % RAM) {
		madvise(r->ram + at, MIB / 4, MADV_PAGEOUT);
		/* Reading brings them back: there is always something to take */
		for (size_t i = 0; i < MIB / 4; i += PAGE)
			*(volatile char *)(r->ram + (at + RAM / 2) % RAM + i);
	}
	return NULL;
}

/* Nobody writes; that the host takes pages away must not stop the end */
TEST_F(mm, reclaims_while_it_ends)
{
	struct reclaim r = { .ram = self->ram };
	pthread_t thread;

	if (swap_begin())
		SKIP(return, "no swap");
	scribble(self, self->ram, 500);
	ASSERT_EQ(0, pthread_create(&thread, NULL, reclaims, &r));
	let_pass(self, 3);
	EXPECT_EQ(0, move_end(&self->m)) TH_LOG("%s", self->m.err.text);
	r.stop = true;
	pthread_join(thread, NULL);
	EXPECT_EQ(0, move_differs(&self->m));
	ASSERT_EQ(0, swap_end(self));
}

/*
 * Writable for a moment between two looks, and read-only at each of them. The
 * kernel writes through entries that are writable and not dirty.
 */
TEST_F(mm, protects_and_back)
{
	char value[16];

	mprotect(self->ram, RAM, PROT_READ);
	let_pass(self, 3);
	for (int i = 0; i < 8; i++) {
		mprotect(self->ram, RAM, PROT_READ | PROT_WRITE);
		for (int n = 0; n < 50; n++) {
			struct iovec remote = { self->ram + rnd(&self->state) % (RAM - 64), sizeof(value) };
			struct iovec local = { value, sizeof(value) };

			memset(value, i + n, sizeof(value));
			ASSERT_EQ(sizeof(value), process_vm_writev(getpid(), &local, 1, &remote, 1, 0));
		}
		mprotect(self->ram, RAM, PROT_READ);
		if (i % 3 == 0)
			let_pass(self, 1);
	}
	EQUAL_AT_THE_END();
}

TEST_HARNESS_MAIN
