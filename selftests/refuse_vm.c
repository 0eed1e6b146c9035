// SPDX-License-Identifier: GPL-2.0
/*
 * Promise: what is not a VM, or not a VM that can be tracked in the way that
 * was asked for, is refused by name.
 * Catches: foreign files taken for a struct kvm; ring tracking of a VM whose
 * logging is off, which would find nothing.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "util.h"

#define RAM	(4 * MIB)

FIXTURE(vm) {
	struct move m;
	char *ram;
};

FIXTURE_SETUP(vm)
{
	log_mark();
	if (access("/dev/kvm", R_OK | W_OK))
		SKIP(return, "no /dev/kvm");
	ASSERT_EQ(0, move_init(&self->m)) TH_LOG("%s", self->m.err.text);
	move_block(&self->m, "ram", RAM);
	ASSERT_EQ(0, move_sockets(&self->m));
	self->ram = ram_map(self->m.block[0].src, RAM);
	ASSERT_TRUE(!!self->ram);
}

FIXTURE_TEARDOWN(vm)
{
	if (self->m.vm_fd >= 0)
		close(self->m.vm_fd);
	move_free(&self->m);
	EXPECT_EQ(0, log_bad());
}

#define REFUSED(code, words, call) do { \
	self->m.err.text[0] = '\0'; \
	EXPECT_EQ(-(code), (call)); \
	EXPECT_TRUE(!!strstr(self->m.err.text, words)) \
		TH_LOG("the sentence was: %s", self->m.err.text); \
} while (0)

TEST_F(vm, not_a_vm)
{
	int vcpu;

	self->m.vm_fd = 999;
	REFUSED(EBADF, "VM: not an open file descriptor", move_send(&self->m));
	self->m.vm_fd = open("/dev/null", O_RDWR);
	REFUSED(EINVAL, "not a KVM VM", move_send(&self->m));
	close(self->m.vm_fd);
	self->m.vm_fd = open("/dev/kvm", O_RDWR);
	REFUSED(EINVAL, "not a KVM VM", move_send(&self->m));
	close(self->m.vm_fd);
	self->m.vm_fd = eventfd(0, 0);
	REFUSED(EINVAL, "not a KVM VM", move_send(&self->m));
	close(self->m.vm_fd);
	self->m.vm_fd = kvm_vm(0);
	vcpu = ioctl(self->m.vm_fd, KVM_CREATE_VCPU, 0);
	close(self->m.vm_fd);
	self->m.vm_fd = vcpu;
	REFUSED(EINVAL, "not a KVM VM", move_send(&self->m));
}

TEST_F(vm, process_has_exited)
{
	int ready[2], pidfd, fd = -1;
	pid_t pid;

	ASSERT_EQ(0, pipe(ready));
	pid = fork();
	if (!pid) {
		fd = kvm_vm(0);
		if (write(ready[1], &fd, sizeof(fd)) == sizeof(fd))
			pause();
		_exit(0);
	}
	ASSERT_EQ(sizeof(fd), read(ready[0], &fd, sizeof(fd)));
	pidfd = syscall(SYS_pidfd_open, pid, 0);
	self->m.vm_fd = syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	ASSERT_LE(0, self->m.vm_fd);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	REFUSED(ESRCH, "its process has exited", move_send(&self->m));
	close(pidfd);
}

TEST_F(vm, ring_of_a_vm_without_one)
{
	self->m.vm_fd = kvm_vm(0);
	ASSERT_EQ(0, kvm_slot(self->m.vm_fd, 0, 0, self->ram, RAM, 0));
	self->m.tracking = VMMIG_TRACKING_RING;
	REFUSED(EOPNOTSUPP, "has no dirty ring", move_send(&self->m));
	self->m.vm_fd = (close(self->m.vm_fd), -1);
	REFUSED(EOPNOTSUPP, "has no dirty ring", move_send(&self->m));
}

TEST_F(vm, ram_of_another_process)
{
	self->m.vm_fd = kvm_vm(0);
	munmap(self->ram, RAM);
	REFUSED(EINVAL, "does not map the RAM blocks", move_send(&self->m));
}

TEST_F(vm, ram_that_the_guest_does_not_use)
{
	self->m.vm_fd = kvm_vm(0);
	REFUSED(EINVAL, "does not use any of the RAM blocks", move_send(&self->m));
}

/* The VM gets what can't be moved while it is moved, and fails by that name */
static void gets_meanwhile(struct __test_metadata *_metadata, FIXTURE_DATA(vm) *self,
			   int (*get)(int vm, void *ram), const char *words)
{
	struct vmmig_session s;

	close(self->m.vm_fd);
	self->m.vm_fd = kvm_vm(0);
	ASSERT_EQ(0, kvm_slot(self->m.vm_fd, 0, 0, self->ram, RAM, 0));
	ASSERT_EQ(0, move_begin(&self->m)) TH_LOG("%s", self->m.err.text);
	EXPECT_EQ(VMMIG_STATE_ITERATING, move_wait(&self->m, self->m.src, IN(ITERATING)));
	ASSERT_LE(0, get(self->m.vm_fd, self->ram));
	EXPECT_EQ(VMMIG_STATE_FAILED, move_wait(&self->m, self->m.src, IN(FAILED)));
	ASSERT_EQ(0, move_get(&self->m, self->m.src, &s));
	EXPECT_TRUE(!!strstr(s.reason, words)) TH_LOG("the sentence was: %s", s.reason);
}

static int pass_through(int vm, void *ram)
{
	struct kvm_create_device dev = { .type = KVM_DEV_TYPE_VFIO };

	(void)ram;
	return ioctl(vm, KVM_CREATE_DEVICE, &dev);
}

TEST_F(vm, passed_through_device)
{
	self->m.vm_fd = kvm_vm(0);
	ASSERT_EQ(0, kvm_slot(self->m.vm_fd, 0, 0, self->ram, RAM, 0));
	if (pass_through(self->m.vm_fd, self->ram))
		SKIP(return, "KVM has no VFIO device");
	REFUSED(EOPNOTSUPP, "a passed-through device (VFIO)", move_send(&self->m));
	gets_meanwhile(_metadata, self, pass_through, "the VM got a passed-through device (VFIO)");
}

/* Since 6.18: memory that userspace may map, which needs no protected VM */
#ifndef KVM_CAP_GUEST_MEMFD_FLAGS
#define KVM_CAP_GUEST_MEMFD_FLAGS	244
#define GUEST_MEMFD_FLAG_MMAP		(1ULL << 0)
#define GUEST_MEMFD_FLAG_INIT_SHARED	(1ULL << 1)
#endif
#define GMEM_FLAGS	(GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED)

/* Returns its descriptor, open to the end: the slot has no memory without */
static int guest_memfd(int vm, void *ram)
{
	struct kvm_create_guest_memfd gmem = { .size = RAM, .flags = GMEM_FLAGS };
	struct kvm_userspace_memory_region2 slot = {
		.slot = 1, .flags = KVM_MEM_GUEST_MEMFD, .guest_phys_addr = RAM,
		.memory_size = RAM, .userspace_addr = (uintptr_t)ram,
	};
	int fd = ioctl(vm, KVM_CREATE_GUEST_MEMFD, &gmem);

	slot.guest_memfd = fd;
	return fd < 0 || !ioctl(vm, KVM_SET_USER_MEMORY_REGION2, &slot) ? fd : -1;
}

TEST_F(vm, guest_memfd_memory)
{
	int flags;

	self->m.vm_fd = kvm_vm(0);
	flags = ioctl(self->m.vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_GUEST_MEMFD_FLAGS);
	if (flags < 0 || (flags & GMEM_FLAGS) != GMEM_FLAGS)
		SKIP(return, "KVM has no guest_memfd for such a VM");
	ASSERT_EQ(0, kvm_slot(self->m.vm_fd, 0, 0, self->ram, RAM, 0));
	ASSERT_LE(0, guest_memfd(self->m.vm_fd, self->ram));
	REFUSED(EOPNOTSUPP, "guest_memfd memory", move_send(&self->m));
	gets_meanwhile(_metadata, self, guest_memfd, "the VM got guest_memfd memory");
}

TEST_F(vm, logging_is_off)
{
	struct vmmig_session s;

	self->m.vm_fd = kvm_vm(4096);
	if (self->m.vm_fd < 0)
		SKIP(return, "no dirty ring");
	ASSERT_EQ(0, kvm_slot(self->m.vm_fd, 0, 0, self->ram, RAM, 0));
	EXPECT_GT(0, move_send(&self->m));
	EXPECT_TRUE(!!strstr(self->m.err.text, "dirty logging is off"))
		TH_LOG("the sentence was: %s", self->m.err.text);

	/* Scanning needs no logging; with logging the ring is taken */
	self->m.tracking = VMMIG_TRACKING_SCAN;
	ASSERT_EQ(0, move_begin(&self->m)) TH_LOG("%s", self->m.err.text);
	EXPECT_EQ(0, move_end(&self->m)) TH_LOG("%s", self->m.err.text);
	self->m.tracking = VMMIG_TRACKING_AUTO;
	ASSERT_EQ(0, kvm_slot(self->m.vm_fd, 0, 0, self->ram, RAM,
			      KVM_MEM_LOG_DIRTY_PAGES));
	ASSERT_EQ(0, move_begin(&self->m)) TH_LOG("%s", self->m.err.text);
	ASSERT_EQ(0, move_get(&self->m, self->m.src, &s));
	EXPECT_EQ(VMMIG_TRACKING_RING, s.tracking);
	EXPECT_EQ(0, move_end(&self->m)) TH_LOG("%s", self->m.err.text);
}

TEST_HARNESS_MAIN
