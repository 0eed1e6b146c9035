// SPDX-License-Identifier: GPL-2.0
/*
 * One stream's part of a pass: visit its chunks, send what was written.
 *
 * A chunk belongs to one stream for the whole session, so an older copy of a
 * page can't overtake a newer one.
 */

#include <linux/mm.h>
#include <linux/shmem_fs.h>

#include "compat/compat.h"
#include "session.h"
#include "sock.h"
#include "trace.h"

static int flush_extent(struct vmmig_stream *stream,
			const struct vmmig_block *block)
{
	struct vmmig_msg msg = {
		.type = VMMIG_MSG_PAGES,
		.block = block->nr,
		.index = stream->extent,
		.count = stream->extent_nr,
		.len = stream->extent_nr * VMMIG_PAGE_SIZE,
	};
	struct vmmig_counters *count = &stream->count;
	unsigned int i;
	int err;

	if (!msg.count)
		return 0;
	err = vmmig_sock_send_msg(stream->sock, &msg, NULL, true);
	if (!err)
		err = vmmig_sock_send_pages(stream->sock, stream->bvec,
					    msg.count, msg.len);
	for (i = 0; i < msg.count; i++)
		put_page(stream->bvec[i].bv_page);
	stream->extent_nr = 0;

	count->pages_data += msg.count;
	count->bytes += msg.len + sizeof(struct vmmig_msg_wire);
	return err;
}

static int flush_zero(struct vmmig_stream *stream,
		      const struct vmmig_block *block)
{
	struct vmmig_msg msg = {
		.type = VMMIG_MSG_ZERO,
		.block = block->nr,
		.index = stream->zero,
		.count = stream->zero_nr,
	};

	if (!msg.count)
		return 0;
	stream->zero_nr = 0;
	stream->count.pages_zero += msg.count;
	stream->count.bytes += sizeof(struct vmmig_msg_wire);
	return vmmig_sock_send_msg(stream->sock, &msg, NULL, true);
}

/* Page @index has content. */
static int add_data(struct vmmig_stream *stream, struct vmmig_block *block,
		    pgoff_t index, struct page *page)
{
	int err = 0;

	if (stream->extent_nr == VMMIG_EXTENT_PAGES ||
	    (stream->extent_nr &&
	     stream->extent + stream->extent_nr != index))
		err = flush_extent(stream, block);
	if (err)
		return err;
	if (!stream->extent_nr)
		stream->extent = index;
	get_page(page);
	bvec_set_page(&stream->bvec[stream->extent_nr++], page, PAGE_SIZE, 0);
	__set_bit(index, block->sent);
	return 0;
}

/* Page @index is zero or a hole: news only if the destination has content. */
static int add_zero(struct vmmig_stream *stream, struct vmmig_block *block,
		    pgoff_t index)
{
	int err = 0;

	if (!__test_and_clear_bit(index, block->sent)) {
		stream->count.pages_skipped++;
		return 0;
	}
	if (stream->zero_nr && stream->zero + stream->zero_nr != index)
		err = flush_zero(stream, block);
	if (!stream->zero_nr)
		stream->zero = index;
	stream->zero_nr++;
	return err;
}

static bool page_is_zero(struct page *page)
{
	void *addr = kmap_local_page(page);
	bool zero = !memchr_inv(addr, 0, PAGE_SIZE);

	kunmap_local(addr);
	return zero;
}

/* The folio is up to date. */
static int add_page(struct vmmig_stream *stream, struct vmmig_block *block,
		    struct folio *folio, pgoff_t index)
{
	struct page *page = folio_file_page(folio, index);

	if (PageHWPoison(page)) {
		snprintf(stream->why, sizeof(stream->why),
			 "RAM block %.64s: memory failure in page %lu of the source",
			 block->id, index);
		return -EHWPOISON;
	}
	if (page_is_zero(page))
		return add_zero(stream, block, index);
	return add_data(stream, block, index, page);
}

/*
 * Let shmem tell under the folio's lock what is there: swapped out, a hole,
 * allocated by fallocate() and never written, or in the middle of a migration
 * (its new place is in the page cache before it is up to date).
 */
static int add_unsure(struct vmmig_stream *stream, struct vmmig_block *block,
		      pgoff_t index)
{
	struct folio *folio;
	int err;

	err = shmem_get_folio(file_inode(block->file), index, 0, &folio,
			      SGP_READ);
	if (err) {
		snprintf(stream->why, sizeof(stream->why),
			 "RAM block %.64s: page %lu of the source can't be read (error %d)",
			 block->id, index, err);
		return err;
	}
	if (!folio)
		return add_zero(stream, block, index);
	folio_unlock(folio);
	err = add_page(stream, block, folio, index);
	folio_put(folio);
	return err;
}

/* Send pages from @index to @last, what is there and what is not. */
static int send_run(struct vmmig_stream *stream, struct vmmig_block *block,
		    pgoff_t index, pgoff_t last)
{
	struct folio_batch batch;
	int err = 0;

	folio_batch_init(&batch);
	while (index <= last && !err) {
		unsigned long next = index;
		unsigned int i;

		if (!xa_find(&block->mapping->i_pages, &next, last, XA_PRESENT))
			next = last + 1;
		for (; index < next && !err; index++)
			err = add_zero(stream, block, index);
		if (err || index > last)
			break;

		if (!filemap_get_folios_contig(block->mapping, &next, last,
					       &batch)) {
			err = add_unsure(stream, block, index++);
			continue;
		}
		for (i = 0; i < folio_batch_count(&batch); i++) {
			struct folio *folio = batch.folios[i];
			pgoff_t end = min(folio_next_index(folio), last + 1);

			for (; index < end && !err; index++) {
				if (folio_test_uptodate(folio))
					err = add_page(stream, block, folio,
						       index);
				else
					err = add_unsure(stream, block, index);
			}
		}
		folio_batch_release(&batch);
	}
	return err;
}

static int send_found(struct vmmig_stream *stream, struct vmmig_block *block,
		      unsigned long chunk)
{
	pgoff_t first = vmmig_chunk_first(chunk);
	unsigned int nr = vmmig_chunk_pages(block, chunk);
	unsigned int from, to;
	int err = 0;

	for_each_set_bitrange(from, to, stream->visit.send, nr) {
		err = send_run(stream, block, first + from, first + to - 1);
		if (err)
			return err;
	}
	err = flush_extent(stream, block);
	return err ? err : flush_zero(stream, block);
}

/*
 * One visit of a session at a time. KVM joins invalidations that overlap into
 * one range, and that only grows while they do; vCPUs fault in vain on all of it
 * (kvm_mmu_invalidate_range_add(), virt/kvm/kvm_main.c).
 */
static int visit_alone(struct vmmig_stream *stream, struct vmmig_block *block,
		       unsigned long chunk, u64 *ns)
{
	struct vmmig_session *s = stream->session;
	u64 start;
	int err;

	mutex_lock(&s->visit_lock);
	start = ktime_get_ns();
	err = vmmig_tracker_visit(block, chunk, &stream->visit, stream->why,
				  sizeof(stream->why));
	*ns = ktime_get_ns() - start;
	mutex_unlock(&s->visit_lock);
	return err;
}

static int visit_chunk(struct vmmig_stream *stream, struct vmmig_block *block,
		       unsigned long chunk)
{
	struct vmmig_session *s = stream->session;
	struct vmmig_visit_result *visit = &stream->visit;
	struct vmmig_counters *count = &stream->count;
	bool bulk = s->pass.kind == VMMIG_PASS_BULK;
	u64 data = count->pages_data, zero = count->pages_zero;
	u64 start = ktime_get_ns(), scan_ns;
	int err;

	if (s->pass.kind == VMMIG_PASS_FINAL) {
		vmmig_tracker_final_visit(block, chunk, visit);
		scan_ns = ktime_get_ns() - start;
	} else {
		err = visit_alone(stream, block, chunk, &scan_ns);
		if (err)
			return err;
		if (visit->present >= VMMIG_CHUNK_PAGES / 2)
			stream->best_clean_ns = min(stream->best_clean_ns,
						    visit->clean_ns);
	}
	count->scan_ns += scan_ns;
	if (!bulk) {
		count->host_pages += visit->host;
		count->pinned_pages += visit->pinned;
		count->fallback_chunks += visit->fallback;
	}

	err = send_found(stream, block, chunk);
	trace_vmmig_chunk_sent(s->id, block->nr, chunk,
			       count->pages_data - data,
			       count->pages_zero - zero, scan_ns);
	return err;
}

/*
 * Wait until the destination has placed all of the pass. TCP has freed our
 * pages by then, so that they do not look like pages under DMA.
 */
static int end_pass(struct vmmig_stream *stream)
{
	struct vmmig_msg msg = {
		.type = VMMIG_MSG_PASS_END,
		.arg = stream->session->pass.nr,
	};
	int err;

	stream->count.bytes += sizeof(struct vmmig_msg_wire);
	err = vmmig_sock_send_msg(stream->sock, &msg, NULL, false);
	if (!err)
		err = vmmig_stream_recv(stream, &msg);
	if (err)
		return err;
	if (msg.type != VMMIG_MSG_PASS_ACK ||
	    msg.arg != stream->session->pass.nr) {
		snprintf(stream->why, sizeof(stream->why),
			 "the peer sent %s instead of an acknowledgment",
			 vmmig_proto_name(msg.type));
		return -EPROTO;
	}
	return 0;
}

/* Something else than the next chunk is to be done. */
static bool interrupted(struct vmmig_stream *stream, int *err)
{
	struct vmmig_session *s = stream->session;
	struct vmmig_msg msg;

	if (READ_ONCE(s->cancel)) {
		*err = -ECANCELED;
		return true;
	}
	if (READ_ONCE(s->error)) {
		*err = -EPIPE;
		return true;
	}
	*err = vmmig_session_check_vm(s);
	if (*err)
		return true;
	if (!vmmig_sock_readable(stream->sock))
		return s->pass.kind != VMMIG_PASS_FINAL &&
		       READ_ONCE(s->finalize);

	/* In the middle of a pass the peer has only errors to tell. */
	*err = vmmig_stream_recv(stream, &msg);
	if (!*err) {
		snprintf(stream->why, sizeof(stream->why),
			 "the peer sent %s in the middle of a pass",
			 vmmig_proto_name(msg.type));
		*err = -EPROTO;
	}
	return true;
}

static int run_pass(struct vmmig_stream *stream)
{
	struct vmmig_session *s = stream->session;
	unsigned long chunk, nr = 0;
	unsigned int i;
	int err = 0;

	for (i = 0; i < s->nr_blocks; i++) {
		struct vmmig_block *block = &s->blocks[i];

		for (chunk = 0; chunk < block->nr_chunks; chunk++) {
			if (nr++ % s->nr_streams != stream->nr)
				continue;
			cond_resched();
			if (!s->pass.full &&
			    !vmmig_tracker_pending(block, chunk))
				continue;
			/* Cut short: what is left stays pending. */
			if (interrupted(stream, &err))
				return err;
			if (vmmig_tracker_skip(block, chunk))
				continue;
			err = visit_chunk(stream, block, chunk);
			if (err)
				return err;
			if (!stream->nr)
				vmmig_session_progress(s);
		}
	}
	return end_pass(stream);
}

/* The socket said no; the peer's last words may tell why. */
static void explain(struct vmmig_stream *stream, int err)
{
	struct vmmig_session *s = stream->session;
	struct vmmig_msg msg;

	if (READ_ONCE(s->cancel)) {
		vmmig_session_fail(s, -ECANCELED, "cancelled by request");
		return;
	}
	if (stream->why[0]) {
		vmmig_session_fail(s, err, "%s", stream->why);
		return;
	}
	while ((err == -EPIPE || err == -ECONNRESET) &&
	       !READ_ONCE(s->error) && vmmig_sock_readable(stream->sock) &&
	       !vmmig_stream_recv(stream, &msg))
		;
	vmmig_stream_lost(stream, err, "sending");
}

/**
 * vmmig_stream_pass - do one stream's part of the session's current pass
 * @stream: the stream
 *
 * Ends early, without an acknowledgment, if the final sync is asked for.
 *
 * Context: Process context, sleeps. The stream's own work.
 * Return: 0 or a negative errno, of which the session knows the reason.
 */
int vmmig_stream_pass(struct vmmig_stream *stream)
{
	struct vmmig_session *s = stream->session;
	u64 cpu = vmmig_cpu_time();
	int err;

	stream->why[0] = '\0';
	stream->extent_nr = 0;
	stream->zero_nr = 0;
	err = run_pass(stream);
	if (err) {
		explain(stream, err);
		/* Ours, and found between two messages: the others may take long. */
		if (stream->why[0])
			vmmig_stream_send_error(stream);
		vmmig_session_hurry(s);
		while (stream->extent_nr)
			put_page(stream->bvec[--stream->extent_nr].bv_page);
	}
	stream->count.cpu_ns += vmmig_cpu_time() - cpu;
	return err;
}
