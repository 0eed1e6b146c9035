// SPDX-License-Identifier: GPL-2.0
/*
 * Which processes map guest RAM, and how.
 *
 * The scan (tracker.c) trusts the dirty bits of page table entries. An entry
 * that is writable without being dirty would make them lie:
 * get_user_pages_fast() writes through it and sets no dirty bit. Read faults
 * install such entries in shared mappings, unless the mapping is write-notify.
 * So every mapping of a RAM file gets the page protection of a private one for
 * the time of the session: entries come read-only, and the fault that makes
 * them writable makes them dirty as well (do_wp_page, mm/memory.c).
 */

#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/oom.h>
#include <linux/rbtree.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/userfaultfd_k.h>

#include "compat/compat.h"
#include "mappings.h"
#include "ram.h"

/* Upper bound for the mappings of one address space. */
#define MAX_MAPS	1024

/*
 * The tree of all mappings, walked in order. vma_interval_tree_foreach() is
 * not exported, but rb_next() is, and a handful of mappings needs no index.
 * The caller holds i_mmap_rwsem.
 */
static struct vm_area_struct *mapping_first_vma(struct address_space *mapping)
{
	struct rb_node *node = rb_first_cached(&mapping->i_mmap);

	return rb_entry_safe(node, struct vm_area_struct, shared.rb);
}

static struct vm_area_struct *mapping_next_vma(struct vm_area_struct *vma)
{
	return rb_entry_safe(rb_next(&vma->shared.rb), struct vm_area_struct,
			     shared.rb);
}

#define mapping_for_each_vma(vma, mapping) \
	for (vma = mapping_first_vma(mapping); vma; vma = mapping_next_vma(vma))

static void describe_mm(struct mm_struct *mm, char *who, size_t len)
{
	struct task_struct *task;

	rcu_read_lock();
	task = vmmig_mm_owner(mm);
	if (task)
		snprintf(who, len, "%s (pid %d)", task->comm, task->tgid);
	else
		strscpy(who, "a process", len);
	rcu_read_unlock();
}

static pgprot_t notify_prot(vm_flags_t flags)
{
	return vm_get_page_prot(flags & ~VM_SHARED);
}

static bool is_write_notify(const struct vm_area_struct *vma, vm_flags_t flags)
{
	return pgprot_val(READ_ONCE(vma->vm_page_prot)) ==
	       pgprot_val(notify_prot(flags));
}

/**
 * vmmig_block_scannable - can the dirty helpers see all mappings of a block?
 * @block: the block
 * @who: gets the name of the process that stands in the way
 * @len: size of @who
 *
 * walk_page_mapping() stops without a word at the first mapping that is
 * private, can never be written or is hugetlb, and does not look at those
 * behind it.
 *
 * Context: Process context, takes i_mmap_rwsem.
 * Return: what a scan is worth.
 */
enum vmmig_scan vmmig_block_scannable(struct vmmig_block *block, char *who,
				      size_t len)
{
	const vm_flags_t want = VM_SHARED | VM_MAYWRITE;
	struct address_space *mapping = block->mapping;
	enum vmmig_scan scan = VMMIG_SCAN_SURE;
	struct vm_area_struct *vma;

	i_mmap_lock_read(mapping);
	mapping_for_each_vma(vma, mapping) {
		/* Changes under mmap_lock, which is not held here. */
		vm_flags_t flags = READ_ONCE(vma->vm_flags);

		if ((flags & (want | VM_HUGETLB)) != want) {
			describe_mm(vma->vm_mm, who, len);
			scan = VMMIG_SCAN_BLOCKED;
			break;
		}
		if (!is_write_notify(vma, flags))
			scan = VMMIG_SCAN_UNARMED;
	}
	i_mmap_unlock_read(mapping);

	return scan;
}

/**
 * vmmig_block_mapped_elsewhere - is a block mapped by anybody but one?
 * @block: the block
 * @mm: who may map it, or NULL
 * @who: gets the name of the other process
 * @len: size of @who
 *
 * Context: Process context, takes i_mmap_rwsem.
 * Return: true if so.
 */
bool vmmig_block_mapped_elsewhere(struct vmmig_block *block,
				  const struct mm_struct *mm, char *who,
				  size_t len)
{
	struct address_space *mapping = block->mapping;
	struct vm_area_struct *vma;
	bool elsewhere = false;

	i_mmap_lock_read(mapping);
	mapping_for_each_vma(vma, mapping) {
		if (vma->vm_mm != mm) {
			describe_mm(vma->vm_mm, who, len);
			elsewhere = true;
			break;
		}
	}
	i_mmap_unlock_read(mapping);

	return elsewhere;
}

/**
 * vmmig_mappings_init - prepare an empty set
 * @maps: the set
 * @blocks: the session's blocks
 * @nr_blocks: how many
 */
void vmmig_mappings_init(struct vmmig_mappings *maps,
			 struct vmmig_block *blocks, unsigned int nr_blocks)
{
	INIT_LIST_HEAD(&maps->mms);
	maps->nr_mms = 0;
	maps->blocks = blocks;
	maps->nr_blocks = nr_blocks;
	atomic64_set(&maps->unmapped, 0);
	maps->armed = false;
}

/**
 * vmmig_mappings_find - find an address space
 * @maps: the set
 * @mm: the address space
 *
 * Context: The session's own work.
 * Return: the entry, or NULL if it does not map guest RAM.
 */
struct vmmig_mm *vmmig_mappings_find(struct vmmig_mappings *maps,
				     const struct mm_struct *mm)
{
	struct vmmig_mm *vmm;

	list_for_each_entry(vmm, &maps->mms, node) {
		if (vmm->mn.mm == mm)
			return vmm;
	}
	return NULL;
}

static struct vmmig_block *find_block(struct vmmig_mappings *maps,
				      const struct vm_area_struct *vma)
{
	unsigned int i;

	if (!vma->vm_file)
		return NULL;
	for (i = 0; i < maps->nr_blocks; i++) {
		if (vma->vm_file->f_mapping == maps->blocks[i].mapping)
			return &maps->blocks[i];
	}
	return NULL;
}

/*
 * Entries of this mapping come read-only from now on. Needs mmap_lock for
 * writing, and the VMA's own lock against faults that take only that.
 * Huge entries would escape the scan, so none may be made.
 */
static bool make_write_notify(struct vm_area_struct *vma)
{
	bool changed = !is_write_notify(vma, vma->vm_flags);

	if (changed) {
		vma_start_write(vma);
		WRITE_ONCE(vma->vm_page_prot, notify_prot(vma->vm_flags));
	}
	if (!(vma->vm_flags & VM_NOHUGEPAGE))
		vm_flags_set(vma, VM_NOHUGEPAGE);
	return changed;
}

/* Does somebody else need to know of writes: soft-dirty, userfaultfd? */
static bool is_watched_by_others(struct vm_area_struct *vma)
{
	return userfaultfd_wp(vma) ||
	       (IS_ENABLED(CONFIG_MEM_SOFT_DIRTY) &&
		!(vma->vm_flags & VM_SOFTDIRTY));
}

/*
 * Protected, and there is no other reason for it? One of ours that was moved and
 * then made read-only, or watched by others, can't be told from theirs.
 */
static bool could_be_ours(struct vm_area_struct *vma)
{
	const vm_flags_t ours = VM_SHARED | VM_WRITE;

	return (vma->vm_flags & ours) == ours &&
	       is_write_notify(vma, vma->vm_flags) &&
	       !is_watched_by_others(vma);
}

/* Leaves alone what had its protection or flag from somebody else. */
static void undo_write_notify(struct vm_area_struct *vma,
			      const struct vmmig_map *map)
{
	vma_start_write(vma);
	if (map->was_shared_prot && !is_watched_by_others(vma))
		WRITE_ONCE(vma->vm_page_prot, vm_get_page_prot(vma->vm_flags));
	if (map->was_huge_allowed)
		vm_flags_clear(vma, VM_NOHUGEPAGE);
}

/* What was there before us: seen now, or remembered from the last time. */
static void remember_before(struct vmmig_map *map,
			    struct vm_area_struct *vma,
			    const struct vmmig_map_table *old, bool armed)
{
	const struct vmmig_map *was =
		old ? vmmig_map_lookup(old, map->start) : NULL;

	map->was_shared_prot = !is_write_notify(vma, vma->vm_flags);
	map->was_huge_allowed = !(vma->vm_flags & VM_NOHUGEPAGE);
	if (was) {
		map->was_shared_prot |= was->was_shared_prot;
		map->was_huge_allowed |= was->was_huge_allowed;
	} else if (armed && could_be_ours(vma)) {
		/* Moved or inherited from one of ours, most likely. */
		map->was_shared_prot = true;
		map->was_huge_allowed = true;
	}
}

static unsigned int count_maps(struct vmmig_mappings *maps,
			       struct mm_struct *mm)
{
	VMA_ITERATOR(vmi, mm, 0);
	struct vm_area_struct *vma;
	unsigned int nr = 0;

	for_each_vma(vmi, vma) {
		if (find_block(maps, vma))
			nr++;
	}
	return nr;
}

static void mark_news(struct vmmig_mappings *maps, const struct vmmig_map *map)
{
	vmmig_map_mark(map, map->start, map->end);
	maps->news++;
}

/*
 * Everything that the new table maps and the old one did not map in the same
 * way counts as written: nobody has watched those entries so far.
 */
static void mark_new_ranges(struct vmmig_mappings *maps,
			    const struct vmmig_map_table *old,
			    const struct vmmig_map_table *new)
{
	unsigned int i;

	for (i = 0; i < new->nr; i++) {
		const struct vmmig_map *map = &new->map[i];
		const struct vmmig_map *was =
			old ? vmmig_map_lookup(old, map->start) : NULL;

		if (was && was->block == map->block &&
		    was->end >= map->end &&
		    was->pgoff + ((map->start - was->start) >> PAGE_SHIFT) ==
			    map->pgoff)
			continue;
		mark_news(maps, map);
	}
}

/* Most of the time nothing has changed, and reading is enough to know. */
static bool is_in_sync(struct vmmig_mappings *maps, struct vmmig_mm *vmm)
{
	const struct vmmig_map_table *table =
		rcu_dereference_protected(vmm->table, true);
	VMA_ITERATOR(vmi, vmm->mn.mm, 0);
	struct vm_area_struct *vma;
	unsigned int i = 0;

	mmap_assert_locked(vmm->mn.mm);
	if (!table || READ_ONCE(vmm->reprotected))
		return false;
	for_each_vma(vmi, vma) {
		struct vmmig_block *block = find_block(maps, vma);
		const struct vmmig_map *map = &table->map[i];

		if (!block)
			continue;
		if (i++ == table->nr || map->block != block ||
		    map->start != vma->vm_start || map->end != vma->vm_end ||
		    map->pgoff != vma->vm_pgoff ||
		    !is_write_notify(vma, vma->vm_flags) ||
		    !(vma->vm_flags & VM_NOHUGEPAGE))
			return false;
	}
	return i == table->nr;
}

/* Bring the table of one address space up to date; mmap_lock is held. */
static int sync_mm(struct vmmig_mappings *maps, struct vmmig_mm *vmm)
{
	VMA_ITERATOR(vmi, vmm->mn.mm, 0);
	struct mm_struct *mm = vmm->mn.mm;
	struct vmmig_map_table *table, *old;
	struct vm_area_struct *vma;
	unsigned int nr, i = 0;
	bool reprotected;

	mmap_assert_write_locked(mm);
	reprotected = READ_ONCE(vmm->reprotected);
	WRITE_ONCE(vmm->reprotected, false);

	old = rcu_dereference_protected(vmm->table, true);
	nr = count_maps(maps, mm);
	if (nr > MAX_MAPS)
		return -E2BIG;
	table = kzalloc(struct_size(table, map, nr), GFP_KERNEL_ACCOUNT);
	if (!table)
		return -ENOMEM;
	table->nr = nr;

	for_each_vma(vmi, vma) {
		struct vmmig_block *block = find_block(maps, vma);
		struct vmmig_map *map = &table->map[i];

		if (!block)
			continue;
		map->start = vma->vm_start;
		map->end = vma->vm_end;
		map->pgoff = vma->vm_pgoff;
		map->block = block;
		remember_before(map, vma, old, maps->armed);
		i++;
		/*
		 * A known mapping that lost its protection is a new one. One
		 * that looks protected for another reason now may have been
		 * writable for a while.
		 */
		if ((make_write_notify(vma) ||
		     (reprotected && (!(vma->vm_flags & VM_WRITE) ||
				      is_watched_by_others(vma)))) &&
		    maps->armed)
			mark_news(maps, map);
	}

	if (maps->armed)
		mark_new_ranges(maps, old, table);
	rcu_assign_pointer(vmm->table, table);
	if (old)
		kfree_rcu(old, rcu);
	return 0;
}

/*
 * A process may hold its mmap_lock for as long as it likes, while a request
 * waits here: that one can be killed.
 */
static int update_mm(struct vmmig_mappings *maps, struct vmmig_mm *vmm)
{
	struct mm_struct *mm = vmm->mn.mm;
	bool in_sync;
	int err;

	err = mmap_read_lock_killable(mm);
	if (err)
		return err;
	in_sync = is_in_sync(maps, vmm);
	mmap_read_unlock(mm);
	if (in_sync)
		return 0;

	err = mmap_write_lock_killable(mm);
	if (err)
		return err;
	err = sync_mm(maps, vmm);
	mmap_write_unlock(mm);
	return err;
}

/*
 * Called with a reference on the users of @mm. A fork that failed leaves an
 * address space that must not be walked: -ESRCH.
 */
static int add_mm(struct vmmig_mappings *maps, struct mm_struct *mm,
		  struct vmmig_mm **result)
{
	struct vmmig_mm *vmm;
	int err;

	if (maps->nr_mms >= VMMIG_MAX_MMS)
		return -E2BIG;
	vmm = kzalloc(sizeof(*vmm), GFP_KERNEL_ACCOUNT);
	if (!vmm)
		return -ENOMEM;
	vmm->owner = maps;
	vmm->mn.ops = &vmmig_mm_notifier_ops;
	err = mmap_write_lock_killable(mm);
	if (!err) {
		err = check_stable_address_space(mm) ?
			      -ESRCH :
			      __mmu_notifier_register(&vmm->mn, mm);
		mmap_write_unlock(mm);
	}
	if (err) {
		kfree(vmm);
		return err;
	}
	list_add_tail(&vmm->node, &maps->mms);
	maps->nr_mms++;
	*result = vmm;
	return 0;
}

static void remove_mm(struct vmmig_mappings *maps, struct vmmig_mm *vmm)
{
	struct vmmig_map_table *table;

	list_del(&vmm->node);
	maps->nr_mms--;
	/*
	 * Unregistering calls release, which is not to mark anything. It
	 * returns after all callbacks have.
	 */
	table = rcu_replace_pointer(vmm->table, NULL, true);
	mmu_notifier_unregister(&vmm->mn, vmm->mn.mm);
	if (table)
		kfree_rcu(table, rcu);
	kfree(vmm);
}

/*
 * Take a reference on every address space that maps one of the blocks.
 * Returns how many, or -E2BIG. One that is about to exit can't be taken: if
 * it is known, its notifier reports what it loses; if not, its writes would
 * be missed, and @lost is set.
 */
static int collect_mms(struct vmmig_mappings *maps, struct mm_struct **mms,
		       bool *lost)
{
	unsigned int i, j, nr = 0;
	struct vmmig_mm *vmm;

	for (i = 0; i < maps->nr_blocks; i++) {
		struct address_space *mapping = maps->blocks[i].mapping;
		struct vm_area_struct *vma;
		int err = 0;

		i_mmap_lock_read(mapping);
		mapping_for_each_vma(vma, mapping) {
			for (j = 0; j < nr && mms[j] != vma->vm_mm; j++)
				;
			if (j < nr)
				continue;
			if (nr == VMMIG_MAX_MMS) {
				err = -E2BIG;
				break;
			}
			if (mmget_not_zero(vma->vm_mm)) {
				mms[nr++] = vma->vm_mm;
				continue;
			}
			vmm = vmmig_mappings_find(maps, vma->vm_mm);
			if (vmm)
				vmm->seen = true;
			else
				*lost = true;
		}
		i_mmap_unlock_read(mapping);

		if (err) {
			while (nr)
				mmput(mms[--nr]);
			return err;
		}
	}
	return nr;
}

/**
 * vmmig_mappings_sync - look who maps guest RAM now
 * @maps: the set
 * @why: gets a sentence on failure
 * @len: size of @why
 *
 * Makes every mapping write-notify and watches its address space. From the
 * second call on, mappings that are new or were changed by somebody count as
 * written.
 *
 * Context: Process context; the request that makes the session, then its own
 *	work only. Takes mmap_lock and i_mmap_rwsem, never both.
 * Return: 0, -EINTR if a request is killed or, while a notifier is registered,
 *	gets a signal (mm_take_all_locks()), or another negative errno.
 */
int vmmig_mappings_sync(struct vmmig_mappings *maps, char *why, size_t len)
{
	struct mm_struct *mms[VMMIG_MAX_MMS];
	struct vmmig_mm *vmm, *next;
	bool lost = false;
	int nr, i, err = 0;

	list_for_each_entry(vmm, &maps->mms, node)
		vmm->seen = false;
	nr = collect_mms(maps, mms, &lost);
	if (nr < 0) {
		snprintf(why, len, "more than %d processes map the VM's RAM",
			 VMMIG_MAX_MMS);
		return nr;
	}

	for (i = 0; i < nr; i++) {
		if (!err) {
			vmm = vmmig_mappings_find(maps, mms[i]);
			if (!vmm)
				err = add_mm(maps, mms[i], &vmm);
		}
		if (err == -ESRCH) {
			lost = true;
			err = 0;
		} else if (!err) {
			err = update_mm(maps, vmm);
			vmm->seen = true;
		}
		mmput(mms[i]);
	}
	if (err) {
		snprintf(why, len,
			 "can't watch the processes that map the VM's RAM (error %d)",
			 err);
		return err;
	}

	/* What is gone was reported by its notifier. */
	list_for_each_entry_safe(vmm, next, &maps->mms, node) {
		if (!vmm->seen && !vmm->observed)
			remove_mm(maps, vmm);
	}

	if (lost && maps->armed) {
		maps->news++;
		vmmig_blocks_mark_written(maps->blocks, maps->nr_blocks);
	}
	maps->armed = true;
	return 0;
}

/* @table: what is known of the address space, or NULL */
static void restore_mm(struct vmmig_mappings *maps, struct mm_struct *mm,
		       const struct vmmig_map_table *table)
{
	static const struct vmmig_map inherited = {
		.was_shared_prot = true,
		.was_huge_allowed = true,
	};
	VMA_ITERATOR(vmi, mm, 0);
	struct vm_area_struct *vma;

	mmap_write_lock(mm);
	if (!table && check_stable_address_space(mm))
		goto unlock;
	for_each_vma(vmi, vma) {
		const struct vmmig_map *map = table ?
			vmmig_map_lookup(table, vma->vm_start) : NULL;
		struct vmmig_block *block = find_block(maps, vma);

		if (!block)
			continue;
		if (map && map->block == block)
			undo_write_notify(vma, map);
		else if (could_be_ours(vma))
			/* Moved or forked since the last sync. */
			undo_write_notify(vma, &inherited);
	}
unlock:
	mmap_write_unlock(mm);
}

/**
 * vmmig_mappings_release - stop watching, put page protections back
 * @maps: the set, empty afterwards
 *
 * Context: Process context, the session's own work only.
 */
void vmmig_mappings_release(struct vmmig_mappings *maps)
{
	struct mm_struct *mms[VMMIG_MAX_MMS];
	struct vmmig_mm *vmm, *next;
	bool lost;
	int nr, i;

	list_for_each_entry(vmm, &maps->mms, node) {
		struct mm_struct *mm = vmm->mn.mm;

		/* The first sync was given up before it came to this one. */
		if (!maps->armed && !rcu_access_pointer(vmm->table))
			continue;
		if (!mmget_not_zero(mm))
			continue;
		restore_mm(maps, mm,
			   rcu_dereference_protected(vmm->table, true));
		mmput(mm);
	}
	/* Those that were forked since the last sync. */
	nr = maps->armed ? collect_mms(maps, mms, &lost) : 0;
	for (i = 0; i < nr; i++) {
		if (!vmmig_mappings_find(maps, mms[i]))
			restore_mm(maps, mms[i], NULL);
		mmput(mms[i]);
	}
	/* The notifier holds the struct, if not the users. */
	list_for_each_entry_safe(vmm, next, &maps->mms, node)
		remove_mm(maps, vmm);
}
