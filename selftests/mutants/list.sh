# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# The module with one thing taken out or broken each, and the test that must notice.
#
#   mutant NAME HOLES PROGRAM TEST    HOLES: numbers in Documentation/correctness.rst
#   edit FILE OLD NEW                 of the mutant before; the first OLD becomes NEW

mutant private_mappings_are_fine 1 writers_mm mm.maps_privately_in_mid_flight
edit kmod/mappings.c 'if ((flags & (want | VM_HUGETLB)) != want) {' 'if (!want) {'

mutant mappings_are_not_armed 2 writers_mm mm.written_by_the_kernel_after_a_read_fault
edit kmod/mappings.c '	return pgprot_val(READ_ONCE(vma->vm_page_prot)) ==
	       pgprot_val(notify_prot(flags));' '	return true;'

mutant protections_that_changed_are_fine 2 host_mm mm.protects_and_back
edit kmod/mappings.c 'if ((make_write_notify(vma) ||
		     (reprotected &&' 'if ((make_write_notify(vma) ||
		     (false && reprotected &&'

mutant visits_do_not_protect 3 writers writer.direct_io.nothing_is_missed
edit kmod/tracker.c 'protected = wp_shared_mapping_range(block->mapping, first, nr);' 'protected = 0;'

mutant visits_protect_and_do_not_clean 3 writers writer.hot_set.nothing_is_missed
edit kmod/tracker.c 'cleaned = clean_and_record(block, first, nr, res->dirty);' 'cleaned = 0;'

mutant references_do_not_count 3 writers writer.direct_io.nothing_is_missed
edit kmod/tracker.c '	return refs > mapped + folio_nr_pages(folio) + ours ||
	       folio_maybe_dma_pinned(folio);' '	return refs < 0;'

mutant pinned_pages_are_sent_once 3 writers writer.direct_io.nothing_is_missed
edit kmod/tracker.c 'bitmap_copy(pinned, again, VMMIG_CHUNK_PAGES);' 'bitmap_zero(pinned, VMMIG_CHUNK_PAGES);'

mutant logging_may_go_off 5 ring ring.of_1024.logging_goes_off_between_the_last_scans
edit kmod/source.c 'if (s->trusts_ring)' 'if (!s)'

mutant there_is_always_a_ring 5 host_mm mm.written_between_the_last_two_scans
edit kmod/scan.c 'return s->tracking == VMMIG_TRACKING_RING &&' 'return s->tracking != VMMIG_TRACKING_RING ||'

# As if the host had been migrating each page when the first scan came by
mutant entries_of_migrations_do_not_count 2,5 host_mm mm.written_between_the_last_two_scans
edit kmod/tracker.c 'if (kind == VMMIG_FINAL_PROTECT)' 'if (!block)'
edit kmod/tracker.c 'else if (kind == VMMIG_FINAL_CHECK)' 'else if (!block)'

mutant wishes_of_others_do_not_count 2 writers_mm mm.leaves_the_wishes_of_others
edit kmod/mappings.c '} else if (armed && could_be_ours(vma)) {' '} else if (armed) {'

mutant entries_go_unnoticed 6 writers_mm mm.unmaps_what_it_wrote
edit kmod/notifier.c '	atomic64_add(mark_range(vmm, range->start, range->end),
		     &vmm->owner->unmapped);' ''
edit kmod/notifier.c '	mark_range(vmm, range->start, range->end);
	smp_mb__before' '	smp_mb__before'

mutant processes_exit_unnoticed 6 writers_mm mm.exits_in_mid_flight
edit kmod/notifier.c 'atomic64_add(mark_range(vmm, 0, ULONG_MAX), &vmm->owner->unmapped);' ''

mutant new_mappings_are_not_news 2,6 writers_mm mm.written_by_the_kernel_where_it_was_mapped_late
edit kmod/mappings.c '	vmmig_map_mark(map, map->start, map->end);
	maps->news++;' '	maps->news++;'

mutant pages_lose_what_kept_them 6 host_mm mm.what_was_read_first_stays
edit kmod/tracker.c '	if (folio_test_dirty(folio))
		return;
	folio_lock' '	if (folio)
		return;
	folio_lock'

mutant swapped_pages_are_holes 7 host_mm mm.swaps
edit kmod/send.c '	err = shmem_get_folio(file_inode(block->file), index, 0, &folio,
			      SGP_READ);' '	folio = NULL;
	err = 0;'

mutant holes_are_not_told 8 writers_mm mm.punches_holes
edit kmod/send.c 'if (!__test_and_clear_bit(index, block->sent)) {' 'if (stream) {'

mutant nothing_is_confirmed 9 writers writer.hot_set.confirming_scan_finds_late_writes
edit kmod/source.c 'err = final_sync(s, &s->fig.confirm_pages, &scan_ns);' 'scan_ns = 0;'

mutant the_end_scans_nothing 9 writers writer.random.nothing_is_missed
edit kmod/source.c '	err = vmmig_final_scan(s);' '	err = 0;'

mutant huge_entries_are_fine 11 refuse refuse.huge_pages
edit kmod/ram.c 'huge = folio_test_large(folio) && folio_entire_mapcount(folio);' 'huge = false;'

mutant passed_through_devices_are_fine 12 refuse_vm vm.passed_through_device
edit kmod/observer.c '"kvm-vfio"' '"none"'
