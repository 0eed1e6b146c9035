// SPDX-License-Identifier: GPL-2.0
/* The destination: receives pages straight into the files of guest RAM. */

#include <linux/fs.h>
#include <linux/falloc.h>	/* needs fs.h */
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/shmem_fs.h>
#include <net/genetlink.h>

#include "compat/compat.h"
#include "session.h"
#include "sock.h"

/* How long a failed session listens on, so that its last words arrive. */
#define DRAIN_MS	1000
/* What is emptied between two looks whether it is still wanted. */
#define EMPTY_PAGES	(SZ_1G >> PAGE_SHIFT)

/**
 * vmmig_destination_check - all that a destination can refuse before it runs
 * @s: the session
 * @extack: gets a sentence on failure
 *
 * Context: Process context, may sleep.
 * Return: 0 or a negative errno.
 */
int vmmig_destination_check(struct vmmig_session *s,
			    struct netlink_ext_ack *extack)
{
	struct mm_struct *mm = s->kvm ? vmmig_vm_mm(s->kvm) : NULL;
	unsigned int i;
	char who[64];

	for (i = 0; i < s->nr_blocks; i++) {
		if (!vmmig_block_mapped_elsewhere(&s->blocks[i], mm, who,
						  sizeof(who)))
			continue;
		NL_SET_ERR_MSG_FMT(extack,
				   "RAM block %.20s: in use by %.40s",
				   s->blocks[i].id, who);
		return -EBUSY;
	}
	s->memcg = get_mem_cgroup_from_mm(mm ? mm : current->mm);
	return 0;
}

static struct vmmig_block *block_by_nr(struct vmmig_session *s, u16 nr)
{
	unsigned int i;

	for (i = 0; i < s->nr_blocks; i++) {
		if (s->blocks[i].nr == nr)
			return &s->blocks[i];
	}
	return NULL;
}

/*
 * The pages become zero. A file that had all of its pages keeps them: its VMM
 * was told to make sure of the memory.
 */
static int punch(struct vmmig_block *block, pgoff_t first, u64 nr)
{
	loff_t offset = (loff_t)first << PAGE_SHIFT;
	loff_t len = (loff_t)nr << PAGE_SHIFT;
	int err;

	err = vfs_fallocate(block->file,
			    FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			    offset, len);
	if (!err && block->allocated)
		err = vfs_fallocate(block->file, FALLOC_FL_KEEP_SIZE, offset,
				    len);
	return err;
}

static bool is_allocated(const struct vmmig_block *block)
{
	return file_inode(block->file)->i_blocks >=
	       (blkcnt_t)block->nr_pages * (PAGE_SIZE / SECTOR_SIZE);
}

/*
 * Pages that will be overwritten in whole need not be cleared, SGP_WRITE says
 * so. They are not locked while the network is waited for: whoever reads the
 * file meanwhile finds them not up to date, as after fallocate(), and clears
 * them; finish_page() notices.
 */
static int get_pages(struct vmmig_stream *stream, struct vmmig_block *block,
		     pgoff_t first, unsigned int nr)
{
	struct inode *inode = file_inode(block->file);
	unsigned int i;

	for (i = 0; i < nr; i++) {
		struct folio *folio;
		int err;

		err = shmem_get_folio(inode, first + i, 0, &folio, SGP_WRITE);
		if (err) {
			while (i--)
				put_page(stream->bvec[i].bv_page);
			return err;
		}
		if (folio_test_large(folio) && !folio_test_uptodate(folio)) {
			folio_zero_range(folio, 0, folio_size(folio));
			folio_mark_uptodate(folio);
		}
		__assign_bit(i, stream->fresh, !folio_test_uptodate(folio));
		bvec_set_page(&stream->bvec[i], folio_file_page(folio, first + i),
			      PAGE_SIZE, 0);
		folio_unlock(folio);
		if (!(i % 64))
			cond_resched();
	}
	return 0;
}

static int finish_page(struct vmmig_block *block, struct page *page,
		       bool fresh)
{
	struct folio *folio = page_folio(page);
	int err = 0;

	folio_lock(folio);
	if (folio->mapping != block->mapping ||
	    i_size_read(file_inode(block->file)) <= folio_pos(folio)) {
		err = -ESTALE;	/* somebody truncated the file */
	} else if (fresh && folio_test_uptodate(folio)) {
		err = -ETXTBSY;	/* somebody read and so cleared it */
	} else {
		folio_mark_uptodate(folio);
		folio_mark_dirty(folio);
	}
	folio_unlock(folio);
	folio_put(folio);
	return err;
}

static int place_pages(struct vmmig_stream *stream, struct vmmig_block *block,
		       const struct vmmig_msg *msg)
{
	unsigned int i;
	int err, ret;

	err = get_pages(stream, block, msg->index, msg->count);
	if (err)
		return err;
	err = vmmig_sock_recv_pages(stream->sock, stream->bvec, msg->count,
				    msg->len);
	if (err) {
		for (i = 0; i < msg->count; i++)
			put_page(stream->bvec[i].bv_page);
		return err;
	}
	for (i = 0; i < msg->count; i++) {
		ret = finish_page(block, stream->bvec[i].bv_page,
				  test_bit(i, stream->fresh));
		if (ret)
			err = ret;
	}
	return err;
}

static int place(struct vmmig_stream *stream, const struct vmmig_msg *msg)
{
	struct vmmig_session *s = stream->session;
	struct vmmig_block *block = block_by_nr(s, msg->block);
	int err;

	err = vmmig_session_check_vm(s);
	if (err)
		return err;
	if (!block || msg->index >= block->nr_pages ||
	    msg->count > block->nr_pages - msg->index) {
		vmmig_session_fail(s, -EPROTO,
				   "the peer sent pages outside of the VM's RAM");
		return -EPROTO;
	}
	if (i_size_read(file_inode(block->file)) >> PAGE_SHIFT !=
	    block->nr_pages) {
		vmmig_session_fail(s, -ESTALE,
				   "the file of RAM block %.100s changed its size",
				   block->id);
		return -ESTALE;
	}

	if (msg->type == VMMIG_MSG_PAGES) {
		err = place_pages(stream, block, msg);
		stream->count.pages_data += msg->count;
	} else {
		err = punch(block, msg->index, msg->count);
		stream->count.pages_zero += msg->count;
	}
	if (err == -ENOSPC || err == -ENOMEM)
		vmmig_session_fail(s, err,
				   "no room for RAM block %.100s; free memory or enlarge the tmpfs at the destination",
				   block->id);
	else if (err == -ETXTBSY)
		vmmig_session_fail(s, err,
				   "RAM block %.100s is used by somebody at the destination while it is filled",
				   block->id);
	else if (err)
		vmmig_session_fail(s, err,
				   "placing pages of RAM block %.100s failed (error %d)",
				   block->id, err);
	return err;
}

static int check_end(struct vmmig_stream *stream)
{
	struct vmmig_session *s = stream->session;
	struct vmmig_end_wire end;
	int err;

	err = vmmig_sock_recv(stream->sock, &end, sizeof(end));
	if (err) {
		vmmig_stream_lost(stream, err, "receiving");
		return err;
	}
	if (le64_to_cpu(end.pages_data) != stream->count.pages_data ||
	    le64_to_cpu(end.pages_zero) != stream->count.pages_zero) {
		vmmig_session_fail(s, -EBADMSG,
				   "stream %u: the source sent %llu pages and %llu zero pages, %llu and %llu arrived",
				   stream->nr, le64_to_cpu(end.pages_data),
				   le64_to_cpu(end.pages_zero),
				   stream->count.pages_data,
				   stream->count.pages_zero);
		return -EBADMSG;
	}
	return 0;
}

static int answer(struct vmmig_stream *stream, u16 type, u32 arg)
{
	struct vmmig_msg msg = { .type = type, .arg = arg };
	int err;

	err = vmmig_sock_send_msg(stream->sock, &msg, NULL, false);
	if (err)
		vmmig_stream_lost(stream, err, "sending");
	return err;
}

/* One message; @ended is set by the last one. */
static int receive_one(struct vmmig_stream *stream, bool *ended)
{
	struct vmmig_session *s = stream->session;
	struct vmmig_msg msg;
	int err;

	err = vmmig_stream_recv(stream, &msg);
	if (err)
		return err;
	stream->count.bytes += sizeof(struct vmmig_msg_wire) + msg.len;

	switch (msg.type) {
	case VMMIG_MSG_PAGES:
	case VMMIG_MSG_ZERO:
		return place(stream, &msg);
	case VMMIG_MSG_PASS_END:
		WRITE_ONCE(s->pass.nr, msg.arg);
		return answer(stream, VMMIG_MSG_PASS_ACK, msg.arg);
	case VMMIG_MSG_END:
		err = check_end(stream);
		if (err)
			return err;
		*ended = true;
		return answer(stream, VMMIG_MSG_END_ACK, 0);
	default:
		vmmig_session_fail(s, -EPROTO, "the peer sent an unexpected %s",
				   vmmig_proto_name(msg.type));
		return -EPROTO;
	}
}

/* All that comes on one stream. */
static int receive_stream(struct vmmig_stream *stream)
{
	struct vmmig_session *s = stream->session;
	struct mem_cgroup *old = set_active_memcg(s->memcg);
	u64 cpu = vmmig_cpu_time();
	bool ended = false;
	int err = 0;

	while (!err && !ended) {
		err = receive_one(stream, &ended);
		stream->count.cpu_ns = vmmig_cpu_time() - cpu;
		if (!stream->nr)
			vmmig_session_progress(s);
		cond_resched();
	}
	if (err) {
		vmmig_stream_send_error(stream);
		vmmig_sock_drain(stream->sock, DRAIN_MS);
		/* The other streams have nothing to wait for. */
		vmmig_session_shutdown(s);
	}
	set_active_memcg(old);
	return err;
}

static int empty_block(struct vmmig_session *s, struct vmmig_block *block)
{
	pgoff_t first;
	int err = 0;

	block->allocated = is_allocated(block);
	for (first = 0; first < block->nr_pages && !err; first += EMPTY_PAGES) {
		err = punch(block, first,
			    min_t(u64, EMPTY_PAGES, block->nr_pages - first));
		if (err) {
			vmmig_session_fail(s, err,
					   "emptying RAM block %.100s failed (error %d)",
					   block->id, err);
		} else if (READ_ONCE(s->cancel)) {
			err = -ECANCELED;
			vmmig_session_fail(s, err, "cancelled by request");
		} else {
			err = vmmig_session_check_vm(s);
		}
		cond_resched();
	}
	return err;
}

/**
 * vmmig_destination_empty - drop what the RAM files held before
 * @s: the session, whose hellos are all understood
 *
 * It comes before the last answer, as it can take a minute where the memory is
 * allocated in full: a source that sends already would have its window closed,
 * and gives up a peer that keeps it so for TCP_USER_TIMEOUT (RFC 9293, 3.8.3),
 * probes answered or not.
 *
 * Context: Process context, sleeps. The session's own work.
 * Return: 0 or a negative errno, of which the session knows the reason.
 */
int vmmig_destination_empty(struct vmmig_session *s)
{
	struct mem_cgroup *old = set_active_memcg(s->memcg);
	unsigned int i;
	int err = 0;

	for (i = 0; i < s->nr_blocks && !err; i++)
		err = empty_block(s, &s->blocks[i]);
	set_active_memcg(old);
	return err;
}

static int receive(struct vmmig_session *s)
{
	unsigned int i;
	int err;

	err = vmmig_hello_exchange(s);
	if (err) {
		/* The source listens to one of them. */
		for (i = 0; i < s->nr_streams; i++)
			vmmig_stream_send_error(&s->streams[i]);
		vmmig_sock_drain(s->streams[0].sock, DRAIN_MS);
		return err;
	}

	vmmig_session_set_state(s, VMMIG_STATE_RECEIVING);
	vmmig_session_run_streams(s, receive_stream);
	return READ_ONCE(s->error);
}

/**
 * vmmig_destination_run - a destination from the first hello to the end
 * @s: the session
 *
 * Context: Process context, sleeps. The session's own work.
 */
void vmmig_destination_run(struct vmmig_session *s)
{
	if (receive(s))
		vmmig_session_shutdown(s);
}

/**
 * vmmig_destination_say_cancelled - tell the source about a cancelled session
 * @s: the session
 *
 * Its streams are blocked in receiving, so this goes around them. Each one is
 * told: the source must not see the end of one before the reason on another.
 *
 * Context: Process context, may sleep.
 */
void vmmig_destination_say_cancelled(struct vmmig_session *s)
{
	unsigned int i;

	vmmig_session_fail(s, -ECANCELED, "cancelled by request");
	mutex_lock(&s->sock_lock);
	for (i = 0; i < s->nr_streams; i++) {
		if (s->streams[i].sock)
			vmmig_stream_send_error(&s->streams[i]);
	}
	mutex_unlock(&s->sock_lock);
}
