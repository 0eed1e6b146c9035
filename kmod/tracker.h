/* SPDX-License-Identifier: GPL-2.0 */
/* Finds the pages that were written, and arms them anew. */
#ifndef VMMIG_TRACKER_H
#define VMMIG_TRACKER_H

#include "ram.h"

/**
 * struct vmmig_visit_result - what a visit found
 * @send: pages to send, one bit each
 * @dirty: scratch, pages with a dirty page table entry
 * @held: scratch, folios by the first of their pages in the chunk, which are
 *	referenced during the visit
 * @ring: pages of @send that the dirty ring or a notifier reported
 * @host: pages of @send that only their page table entries told of
 * @pinned: pages of @send with a surplus reference, now or last time
 * @present: pages of the chunk that are in memory
 * @clean_ns: time that cleaning and recording took
 * @fallback: the chunk is sent as a whole, since the scan was not certain
 */
struct vmmig_visit_result {
	unsigned long send[VMMIG_CHUNK_WORDS];
	unsigned long dirty[VMMIG_CHUNK_WORDS];
	struct folio *held[VMMIG_CHUNK_PAGES];
	unsigned int ring;
	unsigned int host;
	unsigned int pinned;
	unsigned int present;
	u64 clean_ns;
	bool fallback;
};

/**
 * enum vmmig_final_kind - what a final scan does about writes to come
 * @VMMIG_FINAL_CLEAN: nothing; who writes tells, by a dirty entry or the ring
 * @VMMIG_FINAL_PROTECT: makes all entries read-only but those of pages that are
 *	being migrated
 * @VMMIG_FINAL_CHECK: the same, and as the scan before has done so, an entry that
 *	is writable and clean may have been written by somebody who does not tell
 */
enum vmmig_final_kind {
	VMMIG_FINAL_CLEAN,
	VMMIG_FINAL_PROTECT,
	VMMIG_FINAL_CHECK,
};

bool vmmig_tracker_pending(const struct vmmig_block *block,
			   unsigned long chunk);
bool vmmig_tracker_skip(struct vmmig_block *block, unsigned long chunk);
int vmmig_tracker_visit(struct vmmig_block *block, unsigned long chunk,
			struct vmmig_visit_result *res, char *why, size_t len);
void vmmig_tracker_final_scan(struct vmmig_block *block, unsigned long chunk,
			      unsigned long nr_chunks,
			      enum vmmig_final_kind kind);
void vmmig_tracker_final_visit(struct vmmig_block *block, unsigned long chunk,
			       struct vmmig_visit_result *res);

#endif /* VMMIG_TRACKER_H */
