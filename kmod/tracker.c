// SPDX-License-Identifier: GPL-2.0
/*
 * Finds the pages of a chunk that were written, and arms it anew.
 *
 * Arm, then read. In this order:
 *
 *   take the reported pages	ring and notifiers since the last visit
 *   look at the pages		those under DMA; all become dirty themselves, and
 *				none is swapped out until the entries are flushed
 *   clean and record		dirty bits of page table entries
 *   write-protect		entries read-only, KVM's zapped, TLBs flushed
 *   look for references	DMA that got its page before the protection
 *   ... then the caller reads and sends
 *
 * After the protection nobody writes without a fault, and the fault makes the
 * entry dirty. So what is read is either unchanged or will be found by the
 * next visit. Documentation/correctness.rst has the whole argument.
 */

#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/pagemap.h>

#include "compat/compat.h"
#include "mappings.h"
#include "tracker.h"

/* The page table walk does not reschedule by itself: 128 MiB at a time. */
#define SLICE_CHUNKS	64UL

/**
 * vmmig_tracker_pending - is a visit to this chunk known to be worthwhile?
 * @block: the block
 * @chunk: number of the chunk
 *
 * Context: Any.
 * Return: true if pages were reported, or the last visit asked for another,
 *	or the final scan found something.
 */
bool vmmig_tracker_pending(const struct vmmig_block *block,
			   unsigned long chunk)
{
	const unsigned long *written = vmmig_chunk_bits(block->written, chunk);
	unsigned int i;

	if (test_bit(chunk, block->revisit) ||
	    !bitmap_empty(vmmig_chunk_bits(block->again, chunk),
			  VMMIG_CHUNK_PAGES))
		return true;
	for (i = 0; i < VMMIG_CHUNK_WORDS; i++) {
		if (READ_ONCE(written[i]))
			return true;
	}
	return false;
}

static void take_written(struct vmmig_block *block, unsigned long chunk,
			 unsigned long *to)
{
	unsigned long *written = vmmig_chunk_bits(block->written, chunk);
	unsigned int i;

	for (i = 0; i < VMMIG_CHUNK_WORDS; i++)
		to[i] = READ_ONCE(written[i]) ? xchg(&written[i], 0) : 0;
}

/*
 * Take what was reported, to be sent now. While a hole is punched, pages go
 * after their report: then they are to be looked at again. xchg() orders the
 * report before the look at the punch.
 */
static void take_to_send(struct vmmig_block *block, unsigned long chunk,
			 unsigned long *send)
{
	unsigned long *written = vmmig_chunk_bits(block->written, chunk);
	unsigned int i;

	take_written(block, chunk, send);
	if (!vmmig_block_punching(block))
		return;
	for (i = 0; i < VMMIG_CHUNK_WORDS; i++) {
		if (send[i])
			atomic_long_or(send[i], (atomic_long_t *)&written[i]);
	}
}

/**
 * vmmig_tracker_skip - is there nothing to do for a chunk, now and before?
 * @block: the block
 * @chunk: number of the chunk, visited by one stream at a time
 *
 * A chunk of which nothing is in memory, and nothing non-zero at the
 * destination, needs no scan. What was reported is dropped, and a page that
 * comes while it is dropped makes the whole chunk count as written. A page
 * that comes later has a dirty page table entry.
 *
 * Context: Process context.
 * Return: true if the visit can be left out.
 */
bool vmmig_tracker_skip(struct vmmig_block *block, unsigned long chunk)
{
	unsigned long dropped[VMMIG_CHUNK_WORDS];

	if (!bitmap_empty(vmmig_chunk_bits(block->sent, chunk),
			  VMMIG_CHUNK_PAGES) ||
	    !bitmap_empty(vmmig_chunk_bits(block->again, chunk),
			  VMMIG_CHUNK_PAGES) ||
	    !vmmig_block_chunk_empty(block, chunk))
		return false;

	clear_bit(chunk, block->revisit);
	take_written(block, chunk, dropped);
	smp_mb();	/* drop before looking again */
	if (vmmig_block_chunk_empty(block, chunk))
		return true;
	vmmig_block_mark_written(block, vmmig_chunk_first(chunk),
				 vmmig_chunk_pages(block, chunk));
	return false;
}

/* @dirty: a bit for each page from @first on. Returns how many entries were. */
static unsigned long clean_and_record(struct vmmig_block *block, pgoff_t first,
				      pgoff_t nr, unsigned long *dirty)
{
	pgoff_t start = 0, end = 0;

	return clean_record_shared_mapping_range(block->mapping, first, nr,
						 first, dirty, &start, &end);
}

/*
 * A folio with more references than page cache and page tables explain may be
 * under DMA. If an unmap comes between the two reads, the reference that it
 * drops could hide one; its notifier has marked the page by then. A map in
 * between is seen by reading the map count twice.
 */
static bool folio_has_surplus(struct folio *folio, int ours)
{
	int mapped, refs;

	mapped = folio_mapcount(folio);
	smp_rmb();	/* map count before references */
	/* A fault on a large folio counts many mappings before it refers to them. */
	if (folio_test_large(folio) && folio_test_locked(folio))
		return true;
	smp_rmb();	/* the lock before references */
	refs = folio_ref_count(folio);
	smp_rmb();	/* references before map count */
	if (folio_mapcount(folio) != mapped)
		return true;
	return refs > mapped + folio_nr_pages(folio) + ours ||
	       folio_maybe_dma_pinned(folio);
}

/*
 * The dirty bit of an entry may be all that keeps a page from being dropped by
 * reclaim: a page that came by a read fault is not dirty itself, and the entry
 * would have told when it goes (try_to_unmap(), mm/rmap.c). So each page gets
 * the flag before its entries are cleaned. Entries that are made after the
 * arming become writable by a fault, which dirties the page as well
 * (fault_dirty_shared_page(), mm/memory.c).
 *
 * Under the lock, since reclaim must not find the flag after it has taken it
 * (pageout(), mm/vmscan.c). Most pages are dirty and need none.
 */
static void keep_content(struct vmmig_block *block, struct folio *folio)
{
	if (folio_test_dirty(folio))
		return;
	folio_lock(folio);
	if (folio->mapping == block->mapping)
		folio_mark_dirty(folio);
	folio_unlock(folio);
}

/*
 * Sets the bits of all pages in the chunk that have a surplus reference, and
 * sees to it that none is lost. Returns how many pages are present. Of the
 * folios in @held, if any, we have a second reference; @keep: those that are
 * found stay referenced and are noted there, until let_go().
 */
static unsigned int find_pinned(struct vmmig_block *block,
				unsigned long chunk, struct folio **held,
				bool keep, unsigned long *pinned)
{
	pgoff_t first = vmmig_chunk_first(chunk), index = first;
	pgoff_t last = first + vmmig_chunk_pages(block, chunk) - 1;
	struct folio_batch batch;
	unsigned int i, present = 0;

	bitmap_zero(pinned, VMMIG_CHUNK_PAGES);
	folio_batch_init(&batch);
	while (index <= last &&
	       filemap_get_folios(block->mapping, &index, last, &batch)) {
		for (i = 0; i < folio_batch_count(&batch); i++) {
			struct folio *folio = batch.folios[i];
			pgoff_t from = max(folio->index, first);
			pgoff_t to = min(folio_next_index(folio), last + 1);
			bool twice = held && held[from - first] == folio;

			present += to - from;
			keep_content(block, folio);
			if (folio_has_surplus(folio, twice ? 2 : 1))
				bitmap_set(pinned, from - first, to - from);
			if (keep)
				held[from - first] = folio;
		}
		if (keep)
			folio_batch_reinit(&batch);
		else
			folio_batch_release(&batch);
	}
	return present;
}

static void let_go(struct folio **held)
{
	unsigned int i;

	for (i = 0; i < VMMIG_CHUNK_PAGES; i++) {
		if (held[i])
			folio_put(held[i]);
	}
}

/**
 * vmmig_tracker_visit - find what was written, and arm the chunk
 * @block: the block
 * @chunk: number of the chunk, visited by one stream at a time
 * @res: the result; the caller sends all pages of res->send, or marks them
 *	with vmmig_block_mark_written() if it can't
 * @why: gets a sentence on failure
 * @len: size of @why
 *
 * Context: Process context. Takes i_mmap_rwsem and page table locks, calls
 *	MMU notifiers.
 * Return: 0, -EBUSY if some process maps the block in a way that stops the
 *	scan, or -EOPNOTSUPP if the chunk is mapped by a huge page. Nothing is
 *	lost then, and the chunk is still to be visited.
 */
int vmmig_tracker_visit(struct vmmig_block *block, unsigned long chunk,
			struct vmmig_visit_result *res, char *why, size_t len)
{
	unsigned int nr = vmmig_chunk_pages(block, chunk);
	unsigned long *again = vmmig_chunk_bits(block->again, chunk);
	unsigned long pinned[VMMIG_CHUNK_WORDS];
	unsigned long early[VMMIG_CHUNK_WORDS];
	pgoff_t first = vmmig_chunk_first(chunk);
	enum vmmig_scan before, after;
	unsigned long cleaned, protected;
	char who[64];
	u64 start;

	res->fallback = false;

	if (vmmig_block_chunk_huge(block, chunk)) {
		snprintf(why, len,
			 "RAM block %.64s is mapped with huge pages; switch them off for this tmpfs",
			 block->id);
		return -EOPNOTSUPP;
	}
	before = vmmig_block_scannable(block, who, sizeof(who));
	if (before == VMMIG_SCAN_BLOCKED)
		goto unscannable;

	clear_bit(chunk, block->revisit);
	take_to_send(block, chunk, res->send);
	res->ring = bitmap_weight(res->send, nr);

	/*
	 * A page that is being migrated may get entries that are writable and
	 * clean, when the last visit has taken its report already. Until then
	 * the migration has a reference; afterwards the entries are protected.
	 *
	 * The references are kept, for reclaim: it unmaps a page, and waits for
	 * other CPUs to forget its entries before it writes the page to swap,
	 * but only if one of them was dirty (try_to_unmap_flush_dirty(),
	 * mm/rmap.c). While ours are cleaned and not flushed yet, a CPU may
	 * still write through an entry that reclaim takes for clean. A page that
	 * is referenced by others is not written to swap
	 * (is_page_cache_freeable(), mm/vmscan.c).
	 */
	memset(res->held, 0, sizeof(res->held));
	find_pinned(block, chunk, res->held, true, early);

	bitmap_zero(res->dirty, VMMIG_CHUNK_PAGES);
	start = ktime_get_ns();
	cleaned = clean_and_record(block, first, nr, res->dirty);
	res->clean_ns = ktime_get_ns() - start;
	protected = wp_shared_mapping_range(block->mapping, first, nr);

	/*
	 * A mapping that came in between may have hidden others, or may have
	 * entries that are writable without being dirty. The latter also show
	 * as more entries protected than cleaned; a page that was first written
	 * between the two steps does too, rarely.
	 */
	after = vmmig_block_scannable(block, who, sizeof(who));
	if (after == VMMIG_SCAN_BLOCKED) {
		let_go(res->held);
		vmmig_block_mark_written(block, first, nr);
		goto unscannable;
	}
	if (before != VMMIG_SCAN_SURE || after != VMMIG_SCAN_SURE ||
	    protected > cleaned)
		res->fallback = true;

	bitmap_copy(pinned, again, VMMIG_CHUNK_PAGES);
	res->present = find_pinned(block, chunk, res->held, false, again);
	let_go(res->held);
	bitmap_or(again, again, early, VMMIG_CHUNK_PAGES);

	bitmap_or(res->send, res->send, res->dirty, VMMIG_CHUNK_PAGES);
	res->host = bitmap_weight(res->send, nr) - res->ring;
	bitmap_or(pinned, pinned, again, VMMIG_CHUNK_PAGES);
	bitmap_or(res->send, res->send, pinned, VMMIG_CHUNK_PAGES);
	res->pinned = bitmap_weight(res->send, nr) - res->ring - res->host;

	if (res->fallback)
		bitmap_set(res->send, 0, nr);

	/* Devices write again where they wrote, and DMA must be looked after. */
	if (res->host)
		set_bit(chunk, block->revisit);
	return 0;

unscannable:
	set_bit(chunk, block->revisit);
	snprintf(why, len,
		 "RAM block %.64s can't be scanned while %s maps it privately or read-only; end that process or its mapping",
		 block->id, who);
	return -EBUSY;
}

/*
 * Chunks with entries that nobody has cleaned since they were reported, from
 * before the arming perhaps: see keep_content().
 */
static void keep_reported(struct vmmig_block *block, unsigned long chunk,
			  unsigned long last)
{
	unsigned long pinned[VMMIG_CHUNK_WORDS];

	for (; chunk < last; chunk++) {
		if (vmmig_tracker_pending(block, chunk))
			find_pinned(block, chunk, NULL, false, pinned);
	}
}

/* Pages whose entries were cleaned just now, if no fault has marked them. */
static void keep_found(struct vmmig_block *block, unsigned long chunk,
		       unsigned long last)
{
	pgoff_t end = min(vmmig_chunk_first(last), block->nr_pages);
	unsigned long page = vmmig_chunk_first(chunk);

	for_each_set_bit_from(page, block->again, end) {
		struct folio *folio = filemap_get_folio(block->mapping, page);

		if (IS_ERR(folio))
			continue;
		keep_content(block, folio);
		folio_put(folio);
	}
}

/*
 * The pages that were found are sent anyway. Of all others, each range with an
 * entry that is writable counts as written.
 */
static void protect_again(struct vmmig_block *block, unsigned long chunk,
			  pgoff_t nr)
{
	const unsigned long *found = vmmig_chunk_bits(block->again, chunk);
	pgoff_t first = vmmig_chunk_first(chunk);
	unsigned long from, to;

	for_each_set_bitrange(from, to, found, nr) {
		wp_shared_mapping_range(block->mapping, first + from,
					to - from);
		cond_resched();
	}
	for_each_clear_bitrange(from, to, found, nr) {
		if (wp_shared_mapping_range(block->mapping, first + from,
					    to - from))
			vmmig_block_mark_written(block, first + from,
						 to - from);
		cond_resched();
	}
}

/**
 * vmmig_tracker_final_scan - find what was written, with no writer left
 * @block: the block
 * @chunk: first chunk
 * @nr_chunks: number of chunks
 * @kind: whether to arm as well
 *
 * The vCPUs are stopped and the devices drained, so there is nothing to arm
 * and cleaning is enough, also if another scan follows: what a CPU writes then
 * makes entries dirty, and KVM reports what it writes by itself. It does not
 * without a ring: saving the state of a vCPU may end its nested guest, and
 * that is written through an entry that is not made dirty (kvm_vcpu_map()). So
 * entries are protected: the write has to fault, and that makes the entry dirty.
 *
 * A page that was being migrated when the scan before came by had no entries
 * to protect, and may have got one that is writable and clean since
 * (remove_migration_pte(), mm/migrate.c). Nobody tells what was written through
 * that, so such entries are looked for. Not by comparing how many are protected
 * and cleaned: an entry of a page under migration may look dirty and not
 * writable, and would hide one of the others.
 *
 * Ranges that do not overlap may be scanned at the same time. What is found
 * joins the pages that had a surplus reference: all of them are to be sent. The
 * caller looks who maps the block before and after, see
 * vmmig_block_scannable().
 *
 * Context: Process context. Takes i_mmap_rwsem and page table locks, calls
 *	MMU notifiers.
 */
void vmmig_tracker_final_scan(struct vmmig_block *block, unsigned long chunk,
			      unsigned long nr_chunks,
			      enum vmmig_final_kind kind)
{
	unsigned long last = chunk + nr_chunks, slice;

	for (; chunk < last; chunk += slice) {
		pgoff_t first = vmmig_chunk_first(chunk), nr;

		slice = min(last - chunk, SLICE_CHUNKS);
		nr = min(slice * VMMIG_CHUNK_PAGES, block->nr_pages - first);
		keep_reported(block, chunk, chunk + slice);
		clean_and_record(block, first, nr,
				 vmmig_chunk_bits(block->again, chunk));
		keep_found(block, chunk, chunk + slice);
		if (kind == VMMIG_FINAL_PROTECT)
			wp_shared_mapping_range(block->mapping, first, nr);
		else if (kind == VMMIG_FINAL_CHECK)
			protect_again(block, chunk, nr);
		cond_resched();
	}
}

/*
 * Of the pages that are sent now, those that a device may still write to.
 * Others can't be under DMA for writing: it needs an entry that is writable,
 * and so dirty. Only pins count here, plain references come and go.
 */
static void find_late_dma(struct vmmig_block *block, unsigned long chunk,
			  const unsigned long *send, unsigned long *again)
{
	pgoff_t first = vmmig_chunk_first(chunk);
	unsigned int i;

	for_each_set_bit(i, send, vmmig_chunk_pages(block, chunk)) {
		struct folio *folio = filemap_get_folio(block->mapping,
							first + i);

		if (IS_ERR(folio))
			continue;
		if (folio_maybe_dma_pinned(folio))
			__set_bit(i, again);
		folio_put(folio);
	}
}

/**
 * vmmig_tracker_final_visit - collect what a final scan found in a chunk
 * @block: the block
 * @chunk: number of the chunk, visited by one stream at a time
 * @res: the result; the caller sends all pages of res->send
 *
 * Pages under DMA are sent, and remembered for another final scan.
 *
 * Context: Process context.
 */
void vmmig_tracker_final_visit(struct vmmig_block *block, unsigned long chunk,
			       struct vmmig_visit_result *res)
{
	unsigned long *again = vmmig_chunk_bits(block->again, chunk);
	unsigned int nr = vmmig_chunk_pages(block, chunk);

	clear_bit(chunk, block->revisit);
	take_to_send(block, chunk, res->send);
	res->ring = bitmap_weight(res->send, nr);
	bitmap_or(res->send, res->send, again, VMMIG_CHUNK_PAGES);
	bitmap_zero(again, VMMIG_CHUNK_PAGES);
	res->host = bitmap_weight(res->send, nr) - res->ring;
	find_late_dma(block, chunk, res->send, again);
	res->pinned = bitmap_weight(again, nr);
	res->fallback = false;
}
