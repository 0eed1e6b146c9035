// SPDX-License-Identifier: GPL-2.0
/*
 * A guest inside the guest: a VM of 1 MiB that writes one word to each of 112
 * pages, round after round. Its writes reach RAM through page tables that the
 * host makes out of two, so they are dirtied another way than the guest's own.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "wl.h"

#define RAM_SIZE	(1UL << 20)
#define CODE		0x100
#define FIRST		0x10000
#define END		0x80000

/* Real mode; bx is the round */
static const uint8_t code[] = {
	0xb8, 0x00, 0x10,		/* 0:  mov ax, 0x1000 */
	0x8e, 0xc0,			/* 3:  mov es, ax */
	0x31, 0xff,			/* 5:  xor di, di */
	0x26, 0x89, 0x1d,		/* 7:  mov es:[di], bx */
	0x81, 0xc7, 0x00, 0x10,		/* 10: add di, 0x1000 */
	0x75, 0xf7,			/* 14: jnz 7 */
	0x05, 0x00, 0x10,		/* 16: add ax, 0x1000 */
	0x3d, 0x00, 0x80,		/* 19: cmp ax, 0x8000 */
	0x75, 0xeb,			/* 22: jnz 3 */
	0x43,				/* 24: inc bx */
	0xe6, 0x10,			/* 25: out 0x10, al */
	0xeb, 0xe3,			/* 27: jmp 0 */
};

static _Atomic uint64_t rounds, bad;

static void check(const uint8_t *ram, uint16_t round)
{
	for (size_t at = FIRST; at < END; at += WL_PAGE) {
		uint16_t is;

		memcpy(&is, ram + at, sizeof(is));
		if (is == round)
			continue;
		bad++;
		wl_bad("nested page %zu: want round %u, is %u", at / WL_PAGE, round, is);
	}
}

static int make_vcpu(int vm)
{
	struct kvm_regs regs = { .rip = CODE, .rbx = 1, .rflags = 2 };
	int vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	struct kvm_sregs sregs;

	if (vcpu < 0 || ioctl(vcpu, KVM_GET_SREGS, &sregs))
		return -1;
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs) || ioctl(vcpu, KVM_SET_REGS, &regs))
		return -1;
	return vcpu;
}

static void *run(void *arg)
{
	struct kvm_userspace_memory_region slot = { .memory_size = RAM_SIZE };
	int kvm = open("/dev/kvm", O_RDWR), vm = ioctl(kvm, KVM_CREATE_VM, 0), vcpu;
	uint16_t round = 0;
	struct kvm_run *state;
	uint8_t *ram;

	(void)arg;
	ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memcpy(ram + CODE, code, sizeof(code));
	slot.userspace_addr = (uintptr_t)ram;
	if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &slot)) {
		wl_log("no nested guest: KVM does not work here");
		return NULL;
	}
	vcpu = make_vcpu(vm);
	state = mmap(NULL, ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE,
		     MAP_SHARED, vcpu, 0);
	if (vcpu < 0 || state == MAP_FAILED) {
		wl_log("no nested guest: no vCPU (errno %d)", errno);
		return NULL;
	}
	for (;;) {
		int failed = ioctl(vcpu, KVM_RUN, 0);

		if (failed && errno == EINTR)
			continue;
		if (failed || state->exit_reason != KVM_EXIT_IO) {
			bad++;
			wl_bad("nested guest ended: errno %d, exit %u",
			       failed ? errno : 0, state->exit_reason);
			return NULL;
		}
		check(ram, ++round);
		rounds++;
		wl_sleep_ms(wl.nested);
	}
}

void nested_start(void)
{
	if (wl.nested)
		wl_thread(run, NULL);
}

int nested_status(char *buf, size_t size)
{
	return snprintf(buf, size, "\"nested_rounds\":%lu,\"nested_bad\":%lu,", rounds, bad);
}
