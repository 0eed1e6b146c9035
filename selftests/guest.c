// SPDX-License-Identifier: GPL-2.0
/*
 * A guest without an operating system, and the VMM for it: one vCPU in flat
 * 32-bit mode, and a dirty ring that is consumed as QEMU does.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest.h"
#include "util.h"

#define CODE		0x1000
/* What the guest writes lies behind this */
#define DATA		0x2000

static void on_signal(int sig)
{
}

/* eax = eax * a + c; ebx = DATA + (eax >> 7) % (size / 2); [ebx] = eax */
static void load_code(struct guest *g)
{
	static const uint8_t code[] = {
		0x69, 0xc0, 0x0d, 0x66, 0x19, 0x00,	/* imul eax, eax, 1664525 */
		0x05, 0x5f, 0xf3, 0x6e, 0x3c,		/* add eax, 1013904223 */
		0x89, 0xc3,				/* mov ebx, eax */
		0xc1, 0xeb, 0x07,			/* shr ebx, 7 */
		0x81, 0xe3, 0, 0, 0, 0,			/* and ebx, mask */
		0x81, 0xc3, 0, 0, 0, 0,			/* add ebx, DATA */
		0x89, 0x03,				/* mov [ebx], eax */
		0xb9, 0x40, 0x00, 0x00, 0x00,		/* mov ecx, 64 */
		0xe2, 0xfe,				/* loop $ */
		0xeb, 0xd9,				/* jmp to the begin */
	};
	uint32_t mask = (g->size / 2 - 1) & ~3U, data = DATA;

	memcpy(g->ram + CODE, code, sizeof(code));
	memcpy(g->ram + CODE + 18, &mask, 4);
	memcpy(g->ram + CODE + 24, &data, 4);
}

static int set_registers(int vcpu)
{
	struct kvm_regs regs = { .rip = CODE, .rax = 1, .rflags = 2 };
	struct kvm_sregs s;
	struct kvm_segment flat = {
		.limit = 0xffffffff, .present = 1, .db = 1, .s = 1, .g = 1,
		.type = 3, .selector = 16,
	};

	if (ioctl(vcpu, KVM_GET_SREGS, &s))
		return -1;
	s.ds = s.es = s.ss = s.fs = s.gs = flat;
	flat.type = 11;
	flat.selector = 8;
	s.cs = flat;
	s.cr0 |= 1;
	return ioctl(vcpu, KVM_SET_SREGS, &s) || ioctl(vcpu, KVM_SET_REGS, &regs) ? -1 : 0;
}

int guest_init(struct guest *g, char *ram, size_t size, unsigned int ring,
	       uint32_t slot_flags)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), len;

	memset(g, 0, sizeof(*g));
	g->ram = ram;
	g->size = size;
	g->ring_entries = ring;
	g->vm = kvm_vm(ring);
	len = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	close(kvm);
	if (g->vm < 0 || len < 0 || kvm_slot(g->vm, 0, 0, ram, size, slot_flags))
		return -1;
	g->vcpu = ioctl(g->vm, KVM_CREATE_VCPU, 0);
	if (g->vcpu < 0)
		return -1;
	g->run = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, g->vcpu, 0);
	if (ring)
		g->ring = mmap(NULL, ring * sizeof(*g->ring), PROT_READ | PROT_WRITE,
			       MAP_SHARED, g->vcpu, KVM_DIRTY_LOG_PAGE_OFFSET * PAGE);
	if (g->run == MAP_FAILED || g->ring == MAP_FAILED)
		return -1;
	load_code(g);
	signal(SIGUSR1, on_signal);
	return set_registers(g->vcpu);
}

/* The one consumer of the ring; the vCPU does not run meanwhile */
static void harvest(struct guest *g)
{
	struct kvm_dirty_gfn *e;
	unsigned int n = 0;

	while (g->ring) {
		e = &g->ring[g->ring_next % g->ring_entries];
		if (!(__atomic_load_n(&e->flags, __ATOMIC_ACQUIRE) & KVM_DIRTY_GFN_F_DIRTY))
			break;
		__atomic_store_n(&e->flags, KVM_DIRTY_GFN_F_RESET, __ATOMIC_RELEASE);
		g->ring_next++;
		n++;
	}
	g->harvested += n;
	if (n && ioctl(g->vm, KVM_RESET_DIRTY_RINGS, 0) != (int)n)
		printf("# not every entry was reset\n");
}

static void *runs(void *arg)
{
	struct guest *g = arg;
	unsigned int rounds = 0;

	while (!g->stop) {
		if (ioctl(g->vcpu, KVM_RUN, 0) && errno != EINTR && errno != EAGAIN) {
			printf("# KVM_RUN: %s\n", strerror(errno));
			break;
		}
		if (errno != EINTR && g->run->exit_reason != KVM_EXIT_DIRTY_RING_FULL &&
		    g->run->exit_reason != KVM_EXIT_INTR) {
			printf("# exit reason %u\n", g->run->exit_reason);
			break;
		}
		errno = 0;
		/* At the full ring, and now and then without need */
		if (g->run->exit_reason == KVM_EXIT_DIRTY_RING_FULL || !(rounds++ % 8))
			harvest(g);
	}
	return NULL;
}

int guest_start(struct guest *g)
{
	g->stop = false;
	g->run->immediate_exit = 0;
	return pthread_create(&g->thread, NULL, runs, g);
}

void guest_stop(struct guest *g)
{
	g->stop = true;
	g->run->immediate_exit = 1;
	pthread_kill(g->thread, SIGUSR1);
	pthread_join(g->thread, NULL);
	harvest(g);
}

void guest_free(struct guest *g)
{
	close(g->vcpu);
	close(g->vm);
}
