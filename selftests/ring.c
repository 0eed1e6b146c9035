// SPDX-License-Identifier: GPL-2.0
/*
 * Promise: what a guest writes is found, with and without a dirty ring, also
 * while its memory slots change; the ring stays its VMM's own.
 * Catches: probes that miss or misplace pages, slots whose logging goes off
 * in mid-flight, entries consumed by the module, VMs that vanish.
 */
#define _GNU_SOURCE
#include <linux/kvm.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"
#include "harness.h"
#include "util.h"

#define RAM	(16 * MIB)

FIXTURE(ring) {
	struct move m;
	struct guest g;
	char *ram;
};

FIXTURE_VARIANT(ring) {
	unsigned int entries;
	enum vmmig_tracking tracking;
	unsigned int more_streams;
};

FIXTURE_VARIANT_ADD(ring, none) { .entries = 0 };
FIXTURE_VARIANT_ADD(ring, of_4096) { .entries = 4096, .more_streams = 1 };
FIXTURE_VARIANT_ADD(ring, of_1024) { .entries = 1024 };
FIXTURE_VARIANT_ADD(ring, unused) { .entries = 4096, .tracking = VMMIG_TRACKING_SCAN };

FIXTURE_SETUP(ring)
{
	log_mark();
	ASSERT_EQ(0, move_init(&self->m)) TH_LOG("%s", self->m.err.text);
	move_block(&self->m, "ram", RAM);
	self->ram = ram_map(self->m.block[0].src, RAM);
	ram_fill(self->m.block[0].src, 8 * MIB, 4 * MIB, 1);
	if (guest_init(&self->g, self->ram, RAM, variant->entries,
		       variant->entries ? KVM_MEM_LOG_DIRTY_PAGES : 0))
		SKIP(return, "no KVM, or no dirty ring");
	self->m.vm_fd = self->g.vm;
	self->m.tracking = variant->tracking;
	self->m.streams = 1 + variant->more_streams;
	ASSERT_EQ(0, guest_start(&self->g));
}

FIXTURE_TEARDOWN(ring)
{
	guest_free(&self->g);
	munmap(self->ram, RAM);
	move_free(&self->m);
	EXPECT_EQ(0, log_bad());
}

TEST_F(ring, nothing_is_missed)
{
	struct vmmig_session s;

	for (int round = 0; round < 2; round++) {
		ASSERT_EQ(0, move_begin(&self->m)) TH_LOG("%s", self->m.err.text);
		EXPECT_EQ(VMMIG_STATE_ITERATING, move_wait(&self->m, self->m.src, IN(ITERATING)));
		nap(600);
		guest_stop(&self->g);
		ASSERT_EQ(0, move_end(&self->m)) TH_LOG("%s", self->m.err.text);
		EXPECT_EQ(0, move_differs(&self->m));
		ASSERT_EQ(0, move_get(&self->m, self->m.src, &s));
		EXPECT_EQ(variant->entries && !variant->tracking ?
			  VMMIG_TRACKING_RING : VMMIG_TRACKING_SCAN, s.tracking);
		if (s.tracking == VMMIG_TRACKING_RING)
			EXPECT_LT(0, s.stats.ring_events);
		if (variant->entries)
			EXPECT_LT(0, self->g.harvested);
		ASSERT_EQ(0, guest_start(&self->g));
	}
	guest_stop(&self->g);
}

TEST_F(ring, logging_goes_off_and_on)
{
	int vm = self->g.vm;

	if (!variant->entries) {
		guest_stop(&self->g);
		return;
	}
	ASSERT_EQ(0, move_begin(&self->m)) TH_LOG("%s", self->m.err.text);
	EXPECT_EQ(VMMIG_STATE_ITERATING, move_wait(&self->m, self->m.src, IN(ITERATING)));
	for (int i = 0; i < 6; i++) {
		EXPECT_EQ(0, kvm_slot(vm, 0, 0, self->ram, RAM, 0));
		nap(60);
		EXPECT_EQ(0, kvm_slot(vm, 0, 0, self->ram, RAM, KVM_MEM_LOG_DIRTY_PAGES));
		nap(20);
	}
	/* The last slots log nothing at all */
	EXPECT_EQ(0, kvm_slot(vm, 0, 0, self->ram, RAM, 0));
	nap(100);
	guest_stop(&self->g);
	ASSERT_EQ(0, move_end(&self->m)) TH_LOG("%s", self->m.err.text);
	EXPECT_EQ(0, move_differs(&self->m));
}

/*
 * The scan before has left the entry writable and clean. A write without a dirty
 * bit, as KVM's own when it ends a nested guest, was in the ring otherwise.
 */
TEST_F(ring, logging_goes_off_between_the_last_scans)
{
	char value[] = "late";
	struct iovec remote = { self->ram + 5 * PAGE, sizeof(value) };
	struct iovec local = { value, sizeof(value) };

	guest_stop(&self->g);
	ASSERT_EQ(0, move_begin(&self->m)) TH_LOG("%s", self->m.err.text);
	EXPECT_EQ(VMMIG_STATE_ITERATING, move_wait(&self->m, self->m.src, IN(ITERATING)));
	self->ram[5 * PAGE] ^= 1;
	ASSERT_EQ(0, vmmig_nl_finalize(self->m.nl, self->m.src, true, &self->m.err));
	ASSERT_EQ(VMMIG_STATE_SYNCED, move_wait(&self->m, self->m.src, IN(SYNCED)));
	EXPECT_EQ(0, kvm_slot(self->g.vm, 0, 0, self->ram, RAM, 0));
	ASSERT_EQ(sizeof(value), process_vm_writev(getpid(), &local, 1, &remote, 1, 0));
	ASSERT_EQ(0, move_end(&self->m)) TH_LOG("%s", self->m.err.text);
	EXPECT_EQ(0, move_differs(&self->m));
}

TEST_F(ring, slots_come_and_go)
{
	int vm = self->g.vm;

	ASSERT_EQ(0, move_begin(&self->m)) TH_LOG("%s", self->m.err.text);
	for (int i = 0; i < 10; i++) {
		/* The upper half a second time, as a BAR or SMRAM might be */
		EXPECT_EQ(0, kvm_slot(vm, 1, 1ULL << 32, self->ram + RAM / 2, RAM / 2,
				      variant->entries ? KVM_MEM_LOG_DIRTY_PAGES : 0));
		nap(30);
		EXPECT_EQ(0, kvm_slot(vm, 1, 1ULL << 32, self->ram + RAM / 2, 0, 0));
	}
	guest_stop(&self->g);
	ASSERT_EQ(0, move_end(&self->m)) TH_LOG("%s", self->m.err.text);
	EXPECT_EQ(0, move_differs(&self->m));
}

TEST_F(ring, cancelled)
{
	ASSERT_EQ(0, move_begin(&self->m)) TH_LOG("%s", self->m.err.text);
	EXPECT_EQ(VMMIG_STATE_ITERATING, move_wait(&self->m, self->m.src, IN(ITERATING)));
	EXPECT_EQ(0, vmmig_nl_cancel(self->m.nl, self->m.src, &self->m.err));
	EXPECT_EQ(VMMIG_STATE_CANCELLED, move_wait(&self->m, self->m.src, IN_END));
	EXPECT_EQ(0, move_over(&self->m));
	/* The guest runs on */
	uint32_t sum = 0, again = 0;
	volatile uint32_t *words = (void *)(self->ram + 2 * PAGE);

	for (int i = 0; i < 65536; i++)
		sum += words[i];
	for (int64_t end = now_ms() + 5000; now_ms() < end && (!again || again == sum); ) {
		again = 0;
		for (int i = 0; i < 65536; i++)
			again += words[i];
	}
	EXPECT_NE(sum, again);
	guest_stop(&self->g);
}

/* The VM ends while its RAM moves; @file: the RAM of the end that has a VM */
static void dies(struct __test_metadata *_metadata, FIXTURE_DATA(ring) *self,
		 unsigned int entries, int file, int *vm_fd, bool hold)
{
	struct move *m = &self->m;
	int state, wanted, fds[2];
	int64_t killed;
	pid_t pid;

	guest_stop(&self->g);
	ASSERT_EQ(0, pipe(fds));
	pid = fork();
	if (!pid) {
		struct guest g;

		munmap(self->ram, RAM);
		self->ram = ram_map(file, RAM);
		if (guest_init(&g, self->ram, RAM, entries,
			       entries ? KVM_MEM_LOG_DIRTY_PAGES : 0))
			_exit(1);
		/* At the destination nobody may write while RAM is filled */
		if (vm_fd == &m->vm_fd)
			guest_start(&g);
		m->vm_fd = -1;
		*vm_fd = g.vm;
		if (move_begin(m))
			printf("# %s\n", m->err.text);
		if (write(fds[1], &m->src, sizeof(m->src)) > 0 &&
		    write(fds[1], &m->dst, sizeof(m->dst)) > 0)
			pause();
		_exit(1);
	}
	ASSERT_EQ(sizeof(m->src), read(fds[0], &m->src, sizeof(m->src)));
	ASSERT_EQ(sizeof(m->dst), read(fds[0], &m->dst, sizeof(m->dst)));
	wanted = m->rate ? VMMIG_STATE_BULK : VMMIG_STATE_ITERATING;
	state = move_wait(m, m->src, 1U << wanted);
	EXPECT_EQ(wanted, state) TH_LOG("%s", m->err.text);
	if (hold) {
		EXPECT_EQ(0, vmmig_nl_finalize(m->nl, m->src, true, &m->err));
		EXPECT_EQ(VMMIG_STATE_SYNCED, move_wait(m, m->src, IN(SYNCED)));
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	killed = now_ms();
	EXPECT_EQ(VMMIG_STATE_FAILED, move_wait(m, m->src, IN_END));
	EXPECT_TRUE(!!strstr(m->err.text, "process has exited")) TH_LOG("%s", m->err.text);
	EXPECT_LT(now_ms() - killed, 5000);
	if (m->rate) {
		/* The reason is behind all the pages, and so may be the end */
		vmmig_nl_cancel(m->nl, m->dst, &m->err);
		EXPECT_LE(0, move_wait(m, m->dst, IN_END));
		return;
	}
	EXPECT_EQ(VMMIG_STATE_FAILED, move_wait(m, m->dst, IN_END));
	EXPECT_TRUE(!!strstr(m->err.text, "process has exited")) TH_LOG("%s", m->err.text);
}

TEST_F(ring, process_dies)
{
	dies(_metadata, self, variant->entries, self->m.block[0].src, &self->m.vm_fd, false);
}

/* A chunk takes half a minute at this rate */
TEST_F(ring, process_dies_while_it_sends_slowly)
{
	self->m.rate = 64 * 1024;
	dies(_metadata, self, variant->entries, self->m.block[0].src, &self->m.vm_fd, false);
}

/* Nothing comes from the source that would make the destination look */
TEST_F(ring, destination_dies)
{
	dies(_metadata, self, 0, self->m.block[0].dst, &self->m.dst_vm_fd, true);
}

TEST_HARNESS_MAIN
