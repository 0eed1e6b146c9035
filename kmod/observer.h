/* SPDX-License-Identifier: GPL-2.0 */
/* Watches what KVM pushes into a VM's dirty rings, without consuming it. */
#ifndef VMMIG_OBSERVER_H
#define VMMIG_OBSERVER_H

#include <linux/list.h>
#include <linux/types.h>

struct file;
struct kvm;
struct vmmig_mm;

/**
 * struct vmmig_observer - the observer of one VM
 * @node: in the list of all observers, RCU
 * @kvm: the VM; the session holds its file
 * @vmm: the address space of the VM, whose table maps addresses to pages
 * @events: pages that KVM reported
 * @unknown: reports that could not be assigned to a page, reset by the reader
 * @generation: generations of the memory slots at the last check
 */
struct vmmig_observer {
	struct list_head node;
	struct kvm *kvm;
	struct vmmig_mm *vmm;
	atomic64_t events;
	atomic_t unknown;
	u64 generation;
};

int vmmig_observer_init(void);
void vmmig_observer_exit(void);

struct kvm *vmmig_vm_from_file(struct file *file);
struct mm_struct *vmmig_vm_mm(struct kvm *kvm);
bool vmmig_vm_has_ring(struct kvm *kvm);
bool vmmig_vm_gone(struct kvm *kvm);
const char *vmmig_vm_unsupported(struct kvm *kvm);

int vmmig_observer_attach(struct vmmig_observer *obs, struct kvm *kvm,
			  struct vmmig_mm *vmm);
void vmmig_observer_detach(struct vmmig_observer *obs);
bool vmmig_observer_slots_changed(struct vmmig_observer *obs);
int vmmig_vm_check_logging(struct kvm *kvm, struct vmmig_mm *vmm,
			   bool *logging);

#endif /* VMMIG_OBSERVER_H */
