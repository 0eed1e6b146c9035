// SPDX-License-Identifier: GPL-2.0
/*
 * The final scan, over all RAM while the VM is stopped.
 *
 * It is the part of the downtime that grows with RAM, so it runs on several
 * CPUs, each on a range of its own.
 */

#include <linux/cpumask.h>
#include <linux/slab.h>

#include "session.h"

/* More do not help: the page table walk is bound by memory. */
#define MAX_SCANNERS		4
/* Less than this is not worth a wake-up. */
#define MIN_CHUNKS		64

/**
 * struct scanner - one range of one block
 * @work: runs on any CPU
 * @block: the block
 * @chunk: first chunk
 * @nr_chunks: how many
 * @kind: of the scan
 */
struct scanner {
	struct work_struct work;
	struct vmmig_block *block;
	unsigned long chunk;
	unsigned long nr_chunks;
	enum vmmig_final_kind kind;
};

static void scanner_work(struct work_struct *work)
{
	struct scanner *scanner = container_of(work, struct scanner, work);

	vmmig_tracker_final_scan(scanner->block, scanner->chunk,
				 scanner->nr_chunks, scanner->kind);
}

static void scan_block(struct vmmig_block *block, enum vmmig_final_kind kind)
{
	struct scanner scanners[MAX_SCANNERS];
	unsigned long chunk = 0, share;
	unsigned int i, nr;

	nr = min_t(unsigned int, MAX_SCANNERS, num_online_cpus());
	share = max(DIV_ROUND_UP(block->nr_chunks, nr), MIN_CHUNKS);
	for (nr = 0; chunk < block->nr_chunks; nr++) {
		struct scanner *scanner = &scanners[nr];

		scanner->block = block;
		scanner->chunk = chunk;
		scanner->kind = kind;
		scanner->nr_chunks = min(share, block->nr_chunks - chunk);
		chunk += scanner->nr_chunks;
		INIT_WORK_ONSTACK(&scanner->work, scanner_work);
		if (nr)
			queue_work(vmmig_short_wq, &scanner->work);
	}
	scanner_work(&scanners[0].work);
	for (i = 1; i < nr; i++)
		flush_work(&scanners[i].work);
	for (i = 0; i < nr; i++)
		destroy_work_on_stack(&scanners[i].work);
}

static bool block_has_huge(struct vmmig_block *block)
{
	unsigned long chunk;

	for (chunk = 0; chunk < block->nr_chunks; chunk++) {
		if (vmmig_block_chunk_huge(block, chunk))
			return true;
		cond_resched();
	}
	return false;
}

static enum vmmig_scan check_block(struct vmmig_session *s,
				   struct vmmig_block *block)
{
	enum vmmig_scan scan;
	char who[64];

	scan = vmmig_block_scannable(block, who, sizeof(who));
	if (scan == VMMIG_SCAN_BLOCKED)
		vmmig_session_fail(s, -EBUSY,
				   "RAM block %.64s can't be scanned while %s maps it privately or read-only; end that process or its mapping",
				   block->id, who);
	/* None came since the chunks were last visited; but be sure. */
	if (block_has_huge(block)) {
		vmmig_session_fail(s, -EOPNOTSUPP,
				   "RAM block %.64s is mapped with huge pages; switch them off for this tmpfs",
				   block->id);
		return VMMIG_SCAN_BLOCKED;
	}
	return scan;
}

/* Does a ring tell what KVM writes by itself? Logging may have gone off. */
static bool is_logged(struct vmmig_session *s)
{
	bool logging;

	return s->tracking == VMMIG_TRACKING_RING &&
	       !vmmig_vm_check_logging(s->kvm, s->obs.vmm, &logging) && logging;
}

static enum vmmig_final_kind choose_kind(struct vmmig_session *s)
{
	if (s->pass.kind == VMMIG_PASS_FINAL && !s->trusts_ring)
		return VMMIG_FINAL_CHECK;
	/* Does another scan follow? */
	return READ_ONCE(s->hold) && !is_logged(s) ? VMMIG_FINAL_PROTECT :
						     VMMIG_FINAL_CLEAN;
}

/**
 * vmmig_final_scan - find all pages that were written, with no writer left
 * @s: a source whose VM is stopped
 *
 * The result is in the bitmaps of the blocks.
 *
 * Context: Process context, sleeps. The session's own work, no stream runs.
 * Return: 0, or -EBUSY if RAM is mapped in a way that stops the scan.
 */
int vmmig_final_scan(struct vmmig_session *s)
{
	enum vmmig_final_kind kind = choose_kind(s);
	unsigned int i;

	/* The scan before relied on logging, which has gone off since. */
	if (kind == VMMIG_FINAL_PROTECT && s->pass.kind == VMMIG_PASS_FINAL)
		vmmig_blocks_mark_written(s->blocks, s->nr_blocks);
	s->trusts_ring = kind == VMMIG_FINAL_CLEAN;
	for (i = 0; i < s->nr_blocks; i++) {
		struct vmmig_block *block = &s->blocks[i];
		enum vmmig_scan before, after;

		before = check_block(s, block);
		if (before == VMMIG_SCAN_BLOCKED)
			return -EBUSY;
		scan_block(block, kind);
		after = check_block(s, block);
		if (after == VMMIG_SCAN_BLOCKED)
			return -EBUSY;
		/* Somebody nobody watched could have written anywhere. */
		if (before != VMMIG_SCAN_SURE || after != VMMIG_SCAN_SURE)
			vmmig_block_mark_written(block, 0, block->nr_pages);
	}
	return 0;
}

/**
 * vmmig_final_scan_estimate - how long would both scans of a stopped VM take?
 * @s: the session
 * @clean_ns: time for one chunk that is well in use
 * @pages: pages in use
 *
 * Without a ring they write-protect too, which takes as long as cleaning.
 *
 * Return: nanoseconds, the final and the confirming scan together.
 */
u64 vmmig_final_scan_estimate(const struct vmmig_session *s, u64 clean_ns,
			      u64 pages)
{
	unsigned int walks = s->tracking == VMMIG_TRACKING_RING ? 2 : 4;
	u64 chunks = DIV_ROUND_UP_ULL(pages, VMMIG_CHUNK_PAGES);

	return div_u64(walks * clean_ns * chunks,
		       min_t(unsigned int, MAX_SCANNERS, num_online_cpus()));
}
