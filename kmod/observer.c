// SPDX-License-Identifier: GPL-2.0
/*
 * Watches what KVM pushes into a VM's dirty rings, without consuming it.
 *
 * QEMU stays the only consumer of the rings. The tracepoint
 * kvm_dirty_ring_push fires for every page that KVM logs, also when a ring
 * is full (virt/kvm/dirty_ring.c has one caller and one tracepoint). It is
 * not exported, so it is found by its name when kvm.ko is there.
 *
 * What is seen here says where to look. The scan is what correctness rests
 * on (Documentation/correctness.rst): a report that can't be assigned to a
 * page costs a full pass, not a page.
 */

#include <linux/fs.h>
#include <linux/kvm_host.h>
#include <linux/magic.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rculist.h>
#include <linux/tracepoint.h>
#include <trace/events/kvm.h>

#include "mappings.h"
#include "observer.h"
#include "ram.h"

#define TRACEPOINT_NAME	"kvm_dirty_ring_push"

/* Protects the list against changes, @push and @registered. */
static DEFINE_MUTEX(observer_lock);
static LIST_HEAD(observers);
static struct tracepoint *push;
static bool registered;

static void observe(struct vmmig_observer *obs, u32 slot, u64 offset)
{
	const struct vmmig_map_table *table;
	const struct kvm_memory_slot *memslot;
	const struct vmmig_map *map;
	struct kvm_memslots *slots;
	unsigned long addr;
	unsigned int as_id = slot >> 16;
	pgoff_t index;

	if (as_id >= ARRAY_SIZE(obs->kvm->memslots))
		goto unknown;
	/* The vCPU that logs the page holds kvm->srcu. */
	slots = rcu_dereference_raw(obs->kvm->memslots[as_id]);
	memslot = id_to_memslot(slots, slot & 0xffff);
	if (!memslot || offset >= memslot->npages)
		goto unknown;

	addr = memslot->userspace_addr + (offset << PAGE_SHIFT);
	table = rcu_dereference(obs->vmm->table);
	map = table ? vmmig_map_lookup(table, addr) : NULL;
	if (!map)
		return;	/* not guest RAM of ours: video memory, ROM */

	index = map->pgoff + ((addr - map->start) >> PAGE_SHIFT);
	if (index >= map->block->nr_pages)
		goto unknown;
	set_bit(index, map->block->written);
	atomic64_inc(&obs->events);
	return;

unknown:
	atomic_set(&obs->unknown, 1);
}

/*
 * May run under mmu_lock or rq->lock with interrupts off: no locks, no
 * allocation, no wake-ups, no printk.
 */
static void probe_push(void *data, struct kvm_dirty_ring *ring, u32 slot,
		       u64 offset)
{
	struct kvm_vcpu *vcpu = container_of(ring, struct kvm_vcpu, dirty_ring);
	struct vmmig_observer *obs;

	rcu_read_lock();
	list_for_each_entry_rcu(obs, &observers, node) {
		if (obs->kvm == vcpu->kvm)
			observe(obs, slot, offset);
	}
	rcu_read_unlock();
}

static void __maybe_unused prototype_canary(void)
{
	check_trace_callback_type_kvm_dirty_ring_push(probe_push);
}

static void look_at_tracepoint(struct tracepoint *tp, void *found)
{
	if (!strcmp(tp->name, TRACEPOINT_NAME))
		*(struct tracepoint **)found = tp;
}

static int module_event(struct notifier_block *nb, unsigned long event,
			void *data)
{
	struct tp_module *tpm = data;
	struct module *mod = tpm->mod;
	struct tracepoint *found = NULL;
	unsigned int i;

	for (i = 0; i < mod->num_tracepoints; i++)
		look_at_tracepoint(tracepoint_ptr_deref(&mod->tracepoints_ptrs[i]),
				   &found);
	if (!found)
		return NOTIFY_OK;

	mutex_lock(&observer_lock);
	if (event == MODULE_STATE_COMING) {
		push = found;
	} else if (event == MODULE_STATE_GOING && push == found) {
		/*
		 * No VM is left, so no observer either: a session holds the
		 * VM's file, and that holds KVM's modules.
		 */
		WARN_ON_ONCE(registered);
		push = NULL;
	}
	mutex_unlock(&observer_lock);
	return NOTIFY_OK;
}

static struct notifier_block module_nb = {
	.notifier_call = module_event,
};

/**
 * vmmig_observer_init - find KVM's tracepoint, now or when KVM is loaded
 *
 * Context: Process context, module init.
 * Return: 0 or a negative errno.
 */
int vmmig_observer_init(void)
{
	/* KVM built in ... */
	for_each_kernel_tracepoint(look_at_tracepoint, &push);
	/* ... or a module: replays those that are loaded. */
	return register_tracepoint_module_notifier(&module_nb);
}

/**
 * vmmig_observer_exit - undo vmmig_observer_init()
 *
 * Context: Process context, module exit; no observer is left.
 */
void vmmig_observer_exit(void)
{
	unregister_tracepoint_module_notifier(&module_nb);
}

/**
 * vmmig_vm_from_file - the VM behind a file
 * @file: any file
 *
 * file_is_kvm() is for KVM's own modules on new kernels, so look at what
 * makes such a file: an anonymous inode with KVM's name for it, and
 * operations that belong to a KVM module.
 *
 * Context: Any.
 * Return: the VM, valid as long as the file is held, or NULL.
 */
struct kvm *vmmig_vm_from_file(struct file *file)
{
	struct module *owner = file->f_op->owner;

	if (file_inode(file)->i_sb->s_magic != ANON_INODE_FS_MAGIC ||
	    strcmp(file->f_path.dentry->d_name.name, "kvm-vm"))
		return NULL;
	if (owner && strncmp(owner->name, "kvm", 3))
		return NULL;
	return file->private_data;
}

/**
 * vmmig_vm_mm - the address space of a VM
 * @kvm: the VM
 *
 * Return: the address space; the VM holds the struct, not its users.
 */
struct mm_struct *vmmig_vm_mm(struct kvm *kvm)
{
	return kvm->mm;
}

/**
 * vmmig_vm_has_ring - was the VM started with a dirty ring?
 * @kvm: the VM
 *
 * Return: true if so.
 */
bool vmmig_vm_has_ring(struct kvm *kvm)
{
	return READ_ONCE(kvm->dirty_ring_size);
}

/**
 * vmmig_vm_gone - has the process of a VM exited?
 * @kvm: the VM
 *
 * Return: true if so.
 */
bool vmmig_vm_gone(struct kvm *kvm)
{
	return !atomic_read(&kvm->mm->mm_users);
}

/**
 * vmmig_vm_unsupported - does a VM have something that nobody can track?
 * @kvm: the VM
 *
 * Devices that write guest RAM by themselves, and RAM that the host can't
 * read. QEMU plugs some of this while a VM runs.
 *
 * Context: Process context, takes kvm->lock and kvm->slots_lock.
 * Return: what it is, a static string, or NULL.
 */
const char *vmmig_vm_unsupported(struct kvm *kvm)
{
	struct kvm_memory_slot *slot;
	struct kvm_device *dev;
	const char *what = NULL;
	unsigned int i;
	int bkt;

	if (kvm->arch.vm_type != KVM_X86_DEFAULT_VM)
		return "an encrypted or protected VM";

	mutex_lock(&kvm->lock);
	list_for_each_entry(dev, &kvm->devices, vm_node) {
		if (!strcmp(dev->ops->name, "kvm-vfio"))
			what = "a passed-through device (VFIO)";
	}
	mutex_unlock(&kvm->lock);

	mutex_lock(&kvm->slots_lock);
	for (i = 0; i < ARRAY_SIZE(kvm->memslots); i++) {
		struct kvm_memslots *slots =
			rcu_dereference_protected(kvm->memslots[i], true);

		if (!slots)
			continue;
		kvm_for_each_memslot(slot, bkt, slots) {
			if (slot->flags & KVM_MEM_GUEST_MEMFD)
				what = "guest_memfd memory";
		}
	}
	mutex_unlock(&kvm->slots_lock);
	return what;
}

static u64 slots_generation(struct kvm *kvm)
{
	u64 sum = 0;
	unsigned int i;

	lockdep_assert_held(&kvm->slots_lock);
	for (i = 0; i < ARRAY_SIZE(kvm->memslots); i++) {
		struct kvm_memslots *slots =
			rcu_dereference_protected(kvm->memslots[i], true);

		if (slots)
			sum += slots->generation;
	}
	return sum;
}

/**
 * vmmig_observer_slots_changed - did memory slots change since last asked?
 * @obs: an attached observer
 *
 * Context: Process context, takes kvm->slots_lock.
 * Return: true if slots came, went or changed their flags, or if a report
 *	could not be assigned to a page.
 */
bool vmmig_observer_slots_changed(struct vmmig_observer *obs)
{
	u64 generation;
	bool changed;

	mutex_lock(&obs->kvm->slots_lock);
	generation = slots_generation(obs->kvm);
	mutex_unlock(&obs->kvm->slots_lock);

	changed = generation != obs->generation;
	obs->generation = generation;
	if (atomic_xchg(&obs->unknown, 0))
		changed = true;
	return changed;
}

/**
 * vmmig_vm_check_logging - is dirty logging on for all guest RAM?
 * @kvm: the VM
 * @vmm: its address space
 * @logging: the answer
 *
 * Slots that map something else, or that can't be written, do not count.
 *
 * Context: Process context, takes kvm->slots_lock.
 * Return: 0, or -ENOENT if no slot maps any of the session's blocks.
 */
int vmmig_vm_check_logging(struct kvm *kvm, struct vmmig_mm *vmm,
			   bool *logging)
{
	const struct vmmig_map_table *table;
	struct kvm_memory_slot *slot;
	unsigned int i;
	int bkt, found = 0;

	*logging = true;
	mutex_lock(&kvm->slots_lock);
	rcu_read_lock();
	table = rcu_dereference(vmm->table);
	for (i = 0; table && i < ARRAY_SIZE(kvm->memslots); i++) {
		struct kvm_memslots *slots =
			rcu_dereference_protected(kvm->memslots[i], true);

		if (!slots)
			continue;
		kvm_for_each_memslot(slot, bkt, slots) {
			if (!vmmig_map_lookup(table, slot->userspace_addr))
				continue;
			found++;
			if (!(slot->flags & (KVM_MEM_LOG_DIRTY_PAGES |
					     KVM_MEM_READONLY)))
				*logging = false;
		}
	}
	rcu_read_unlock();
	mutex_unlock(&kvm->slots_lock);

	return found ? 0 : -ENOENT;
}

/**
 * vmmig_observer_attach - start to watch a VM
 * @obs: the observer
 * @kvm: the VM, its file is held by the caller
 * @vmm: its address space, stays until vmmig_observer_detach()
 *
 * Context: Process context, may sleep.
 * Return: 0, -EOPNOTSUPP if the kernel has no such tracepoint, or what
 *	tracepoint_probe_register() says.
 */
int vmmig_observer_attach(struct vmmig_observer *obs, struct kvm *kvm,
			  struct vmmig_mm *vmm)
{
	int err = 0;

	obs->kvm = kvm;
	obs->vmm = vmm;
	vmm->observed = true;
	atomic64_set(&obs->events, 0);
	atomic_set(&obs->unknown, 0);

	mutex_lock(&observer_lock);
	if (!push)
		err = -EOPNOTSUPP;
	else if (!registered)
		err = tracepoint_probe_register(push, probe_push, NULL);
	if (!err) {
		registered = true;
		list_add_rcu(&obs->node, &observers);
	}
	mutex_unlock(&observer_lock);
	if (err)
		obs->kvm = NULL;
	else
		vmmig_observer_slots_changed(obs);
	return err;
}

/**
 * vmmig_observer_detach - stop to watch
 * @obs: the observer; nothing happens if it was not attached
 *
 * Context: Process context, may sleep.
 */
void vmmig_observer_detach(struct vmmig_observer *obs)
{
	if (!obs->kvm)
		return;

	mutex_lock(&observer_lock);
	list_del_rcu(&obs->node);
	if (list_empty(&observers)) {
		tracepoint_probe_unregister(push, probe_push, NULL);
		registered = false;
	}
	mutex_unlock(&observer_lock);

	/* Probes run under SRCU or with preemption off, and take RCU. */
	tracepoint_synchronize_unregister();
	synchronize_rcu();
	obs->kvm = NULL;
}
