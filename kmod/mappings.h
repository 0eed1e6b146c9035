/* SPDX-License-Identifier: GPL-2.0 */
/* Which processes map guest RAM, and what happens to their page tables. */
#ifndef VMMIG_MAPPINGS_H
#define VMMIG_MAPPINGS_H

#include <linux/list.h>
#include <linux/mmu_notifier.h>
#include <linux/rcupdate.h>
#include <linux/types.h>

struct vmmig_block;

/* More processes than this do not map one VM's RAM. */
#define VMMIG_MAX_MMS		16

/**
 * enum vmmig_scan - what a scan of a block's page tables is worth now
 * @VMMIG_SCAN_SURE: all mappings are visible and write-notify
 * @VMMIG_SCAN_UNARMED: a mapping came that is not write-notify yet
 * @VMMIG_SCAN_BLOCKED: a mapping hides others from the scan
 */
enum vmmig_scan {
	VMMIG_SCAN_SURE,
	VMMIG_SCAN_UNARMED,
	VMMIG_SCAN_BLOCKED,
};

/**
 * struct vmmig_map - one mapping of a RAM block in one address space
 * @start: first address
 * @end: address behind the last
 * @pgoff: page of the block at @start
 * @block: the block
 * @was_shared_prot: its page protection was changed by us
 * @was_huge_allowed: it got VM_NOHUGEPAGE from us
 */
struct vmmig_map {
	unsigned long start;
	unsigned long end;
	pgoff_t pgoff;
	struct vmmig_block *block;
	bool was_shared_prot;
	bool was_huge_allowed;
};

/**
 * struct vmmig_map_table - all mappings of one address space
 * @rcu: freed after a grace period, readers are in any context
 * @nr: entries
 * @map: sorted by address
 */
struct vmmig_map_table {
	struct rcu_head rcu;
	unsigned int nr;
	struct vmmig_map map[] __counted_by(nr);
};

/**
 * struct vmmig_mm - an address space that maps guest RAM
 * @mn: tells when page table entries, and dirty bits with them, go away
 * @node: in struct vmmig_mappings
 * @table: RCU; written by vmmig_mappings_sync() only
 * @owner: back pointer
 * @busy: invalidations that have begun and not ended
 * @observed: an observer uses @table, the entry stays until the session ends
 * @reprotected: protections of mappings changed since the last sync
 * @released: the address space is gone, no more callbacks come
 * @seen: found by the current sync
 */
struct vmmig_mm {
	struct mmu_notifier mn;
	struct list_head node;
	struct vmmig_map_table __rcu *table;
	struct vmmig_mappings *owner;
	atomic_t busy;
	bool observed;
	bool reprotected;
	bool released;
	bool seen;
};

/**
 * struct vmmig_mappings - all address spaces that map a session's RAM
 * @mms: struct vmmig_mm; changed by the session's own work only
 * @nr_mms: entries in @mms
 * @blocks: the session's blocks
 * @nr_blocks: entries in @blocks
 * @unmapped: pages whose entries were taken away
 * @news: mappings that a sync found new or changed, and so counted as written
 * @armed: the first sync is done, what is new from now on counts as written
 */
struct vmmig_mappings {
	struct list_head mms;
	unsigned int nr_mms;
	struct vmmig_block *blocks;
	unsigned int nr_blocks;
	atomic64_t unmapped;
	unsigned int news;
	bool armed;
};

/* mappings.c: who maps RAM */
void vmmig_mappings_init(struct vmmig_mappings *maps,
			 struct vmmig_block *blocks, unsigned int nr_blocks);
int vmmig_mappings_sync(struct vmmig_mappings *maps, char *why, size_t len);
void vmmig_mappings_release(struct vmmig_mappings *maps);
struct vmmig_mm *vmmig_mappings_find(struct vmmig_mappings *maps,
				     const struct mm_struct *mm);

enum vmmig_scan vmmig_block_scannable(struct vmmig_block *block, char *who,
				      size_t len);
bool vmmig_block_mapped_elsewhere(struct vmmig_block *block,
				  const struct mm_struct *mm, char *who,
				  size_t len);

/* notifier.c: what is taken away from them */
extern const struct mmu_notifier_ops vmmig_mm_notifier_ops;
const struct vmmig_map *
vmmig_map_lookup(const struct vmmig_map_table *table, unsigned long addr);
void vmmig_map_mark(const struct vmmig_map *map, unsigned long start,
		    unsigned long end);
bool vmmig_mappings_busy(struct vmmig_mappings *maps);

#endif /* VMMIG_MAPPINGS_H */
