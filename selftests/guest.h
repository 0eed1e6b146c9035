/* SPDX-License-Identifier: GPL-2.0 */
/* A guest of a few instructions that writes all over its RAM. */
#ifndef VMMIG_TEST_GUEST_H
#define VMMIG_TEST_GUEST_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct guest {
	int vm, vcpu;
	char *ram;
	size_t size;		/* a power of two */
	struct kvm_run *run;
	struct kvm_dirty_gfn *ring;
	unsigned int ring_entries, ring_next;
	unsigned long harvested;
	volatile bool stop;
	pthread_t thread;
};

/* RAM at guest address 0; the code is at its begin. 0, or -1 without KVM */
int guest_init(struct guest *g, char *ram, size_t size, unsigned int ring,
	       uint32_t slot_flags);
int guest_start(struct guest *g);
/* The vCPU stands still; what is in its ring was harvested */
void guest_stop(struct guest *g);
void guest_free(struct guest *g);

#endif /* VMMIG_TEST_GUEST_H */
