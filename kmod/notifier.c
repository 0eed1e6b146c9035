// SPDX-License-Identifier: GPL-2.0
/*
 * Page table entries that are taken away, and their dirty bits with them.
 *
 * Reclaim, migration, munmap, hole punching: all of them call the MMU notifier
 * of the address space before and after (mm/mmu_notifier.c). The pages of such
 * a range count as written, twice, since a visit may come between the first
 * call and the end of the entry. An exit calls release, once.
 */

#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>

#include "mappings.h"
#include "ram.h"

/**
 * vmmig_map_lookup - find the mapping at an address
 * @table: the mappings of the address space
 * @addr: the address
 *
 * Context: Any, under rcu_read_lock().
 * Return: the mapping, or NULL.
 */
const struct vmmig_map *
vmmig_map_lookup(const struct vmmig_map_table *table, unsigned long addr)
{
	unsigned int low = 0, high = table->nr;

	while (low < high) {
		unsigned int mid = low + (high - low) / 2;
		const struct vmmig_map *map = &table->map[mid];

		if (addr < map->start)
			high = mid;
		else if (addr >= map->end)
			low = mid + 1;
		else
			return map;
	}
	return NULL;
}

/**
 * vmmig_map_mark - report what a range of addresses maps as written
 * @map: the mapping
 * @start: first address; what is outside of @map is ignored
 * @end: address behind the last
 *
 * Context: Any.
 */
void vmmig_map_mark(const struct vmmig_map *map, unsigned long start,
		    unsigned long end)
{
	start = max(start, map->start);
	end = min(end, map->end);
	if (start >= end)
		return;
	vmmig_block_mark_written(map->block,
				 map->pgoff + ((start - map->start) >> PAGE_SHIFT),
				 (end - start) >> PAGE_SHIFT);
}

static bool entries_stay(const struct mmu_notifier_range *range)
{
	switch (range->event) {
	case MMU_NOTIFY_PROTECTION_VMA:
	case MMU_NOTIFY_PROTECTION_PAGE:
	case MMU_NOTIFY_SOFT_DIRTY:
		/* And their dirty bits; also our own scans. */
		return true;
	default:
		return false;
	}
}

/* Returns how many pages of guest RAM are in the range. */
static u64 mark_range(struct vmmig_mm *vmm, unsigned long start,
		      unsigned long end)
{
	const struct vmmig_map_table *table;
	unsigned int i;
	u64 nr = 0;

	rcu_read_lock();
	table = rcu_dereference(vmm->table);
	for (i = 0; table && i < table->nr; i++) {
		const struct vmmig_map *map = &table->map[i];

		if (end <= map->start)
			break;
		if (start >= map->end)
			continue;
		vmmig_map_mark(map, start, end);
		nr += (min(end, map->end) - max(start, map->start)) >>
		      PAGE_SHIFT;
	}
	rcu_read_unlock();
	return nr;
}

static bool is_guest_range(struct vmmig_mm *vmm, unsigned long start,
			   unsigned long end)
{
	const struct vmmig_map_table *table;
	bool found = false;
	unsigned int i;

	rcu_read_lock();
	table = rcu_dereference(vmm->table);
	for (i = 0; table && i < table->nr && !found; i++)
		found = start < table->map[i].end && end > table->map[i].start;
	rcu_read_unlock();
	return found;
}

/*
 * Called under whatever the page table code holds, also when it must not
 * block: only atomic bit operations here.
 */
static int mm_invalidate_range_start(struct mmu_notifier *mn,
				     const struct mmu_notifier_range *range)
{
	struct vmmig_mm *vmm = container_of(mn, struct vmmig_mm, mn);

	if (range->event == MMU_NOTIFY_PROTECTION_VMA &&
	    is_guest_range(vmm, range->start, range->end))
		WRITE_ONCE(vmm->reprotected, true);
	if (entries_stay(range))
		return 0;
	atomic_inc(&vmm->busy);
	atomic64_add(mark_range(vmm, range->start, range->end),
		     &vmm->owner->unmapped);
	return 0;
}

static void mm_invalidate_range_end(struct mmu_notifier *mn,
				    const struct mmu_notifier_range *range)
{
	struct vmmig_mm *vmm = container_of(mn, struct vmmig_mm, mn);

	if (entries_stay(range))
		return;
	mark_range(vmm, range->start, range->end);
	smp_mb__before_atomic();	/* marks before the count drops */
	atomic_dec(&vmm->busy);
}

/*
 * exit_mmap() calls this before it takes the entries away, and nobody
 * afterwards. No task uses the address space any more.
 */
static void mm_release(struct mmu_notifier *mn, struct mm_struct *mm)
{
	struct vmmig_mm *vmm = container_of(mn, struct vmmig_mm, mn);

	atomic64_add(mark_range(vmm, 0, ULONG_MAX), &vmm->owner->unmapped);
	WRITE_ONCE(vmm->released, true);
}

const struct mmu_notifier_ops vmmig_mm_notifier_ops = {
	.release = mm_release,
	.invalidate_range_start = mm_invalidate_range_start,
	.invalidate_range_end = mm_invalidate_range_end,
};

/**
 * vmmig_mappings_busy - are page table entries being taken away right now?
 * @maps: the set
 *
 * Context: The session's own work.
 * Return: true if so; more pages will be reported as written.
 */
bool vmmig_mappings_busy(struct vmmig_mappings *maps)
{
	struct vmmig_mm *vmm;

	list_for_each_entry(vmm, &maps->mms, node) {
		if (!READ_ONCE(vmm->released) && atomic_read(&vmm->busy))
			return true;
	}
	return false;
}
