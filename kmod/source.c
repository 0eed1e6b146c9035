// SPDX-License-Identifier: GPL-2.0
/* The source: pass after pass until the VM is stopped, then the final sync. */

#include <linux/delay.h>
#include <linux/mm.h>
#include <net/genetlink.h>

#include "compat/compat.h"
#include "session.h"
#include "sock.h"
#include "state.h"
#include "trace.h"

/* Passes begin at most this often while the VM runs. */
#define PASS_INTERVAL_NS	(100 * NSEC_PER_MSEC)
/*
 * How often all chunks are visited to find writes that only page tables know
 * of, so that few are left for the final sync; and what share of the time
 * this may take.
 */
#define FULL_INTERVAL_NS	NSEC_PER_SEC
#define FULL_SHARE		20
/* How often a source that waits looks whether its peer is still there. */
#define PEER_INTERVAL		msecs_to_jiffies(100)
/* A stopped VM needs one final pass; something still writes if it needs so many. */
#define MAX_FINAL_PASSES	8
/* The final scan waits so long for page table entries that are going away. */
#define QUIET_NS		(2 * NSEC_PER_SEC)
#define QUIET_STEP_US		500
/*
 * DMA that is not over yet gets some time. Pins that stay are those of a
 * nested guest (kvm_vcpu_map() keeps them), which nobody writes through now.
 */
#define LATE_DMA_US		(10 * USEC_PER_MSEC)
#define MAX_LATE_DMA_WAITS	3

static int check_tracking(struct vmmig_session *s,
			  struct netlink_ext_ack *extack)
{
	bool ring = s->kvm && vmmig_vm_has_ring(s->kvm);

	if (s->tracking == VMMIG_TRACKING_AUTO)
		s->tracking = ring ? VMMIG_TRACKING_RING : VMMIG_TRACKING_SCAN;
	if (s->tracking == VMMIG_TRACKING_RING && !ring) {
		NL_SET_ERR_MSG(extack,
			       "VM: has no dirty ring; start QEMU with -accel kvm,dirty-ring-size=4096, or use tracking scan");
		return -EOPNOTSUPP;
	}
	return 0;
}

static int check_blocks(struct vmmig_session *s,
			struct netlink_ext_ack *extack)
{
	unsigned int i;

	for (i = 0; i < s->nr_blocks; i++) {
		struct vmmig_block *block = &s->blocks[i];
		unsigned long chunk;
		char who[64];

		if (vmmig_block_scannable(block, who, sizeof(who)) ==
		    VMMIG_SCAN_BLOCKED) {
			NL_SET_ERR_MSG_FMT(extack,
					   "RAM %.11s: mapped privately or read-only by %.29s",
					   block->id, who);
			return -EBUSY;
		}
		for (chunk = 0; chunk < block->nr_chunks; chunk++) {
			cond_resched();
			if (!vmmig_block_chunk_huge(block, chunk))
				continue;
			NL_SET_ERR_MSG(extack,
				       "RAM block: mapped with huge pages, which is not supported; mount the tmpfs with huge=never");
			return -EOPNOTSUPP;
		}
	}
	return 0;
}

/* Attach first, then look: what is switched off later shows as a change. */
static int check_vm(struct vmmig_session *s, struct netlink_ext_ack *extack)
{
	struct vmmig_mm *vmm = vmmig_mappings_find(&s->maps,
						   vmmig_vm_mm(s->kvm));
	const char *what;
	bool logging;
	int err;

	what = vmmig_vm_unsupported(s->kvm);
	if (what) {
		NL_SET_ERR_MSG_FMT(extack, "VM: has %.40s, not supported", what);
		return -EOPNOTSUPP;
	}
	if (!vmm) {
		NL_SET_ERR_MSG(extack,
			       "VM: its process does not map the RAM blocks with MAP_SHARED");
		return -EINVAL;
	}
	if (s->tracking == VMMIG_TRACKING_RING) {
		err = vmmig_observer_attach(&s->obs, s->kvm, vmm);
		if (err == -EOPNOTSUPP)
			NL_SET_ERR_MSG(extack,
				       "VM: this kernel has no tracepoint kvm_dirty_ring_push; use tracking scan");
		else if (err)
			NL_SET_ERR_MSG(extack,
				       "VM: can't attach to the tracepoint kvm_dirty_ring_push");
		if (err)
			return err;
	}
	if (vmmig_vm_check_logging(s->kvm, vmm, &logging)) {
		NL_SET_ERR_MSG(extack,
			       "VM: the guest does not use any of the RAM blocks");
		return -EINVAL;
	}
	if (s->tracking == VMMIG_TRACKING_RING && !logging) {
		NL_SET_ERR_MSG(extack,
			       "VM: dirty logging is off; switch it on with QMP set-vcpu-dirty-limit, or use tracking scan");
		return -EAGAIN;
	}
	return 0;
}

/**
 * vmmig_source_check - all that a source can refuse before it runs
 * @s: the session
 * @extack: gets a sentence on failure
 *
 * Arms the VM's mappings already; whoever gives up the session undoes that.
 *
 * Context: Process context, may sleep.
 * Return: 0 or a negative errno.
 */
int vmmig_source_check(struct vmmig_session *s,
		       struct netlink_ext_ack *extack)
{
	char why[VMMIG_REASON_LEN + 1];
	unsigned int i;
	int err;

	err = check_tracking(s, extack);
	if (!err)
		err = check_blocks(s, extack);
	for (i = 0; i < s->nr_blocks && !err; i++)
		err = vmmig_block_alloc_bitmaps(&s->blocks[i],
						&s->fig.kernel_bytes);
	if (err)
		return err;

	err = vmmig_mappings_sync(&s->maps, why, sizeof(why));
	if (err) {
		NL_SET_ERR_MSG_FMT(extack, "VM: %.70s", why);
		return err;
	}
	return s->kvm ? check_vm(s, extack) : 0;
}

static u64 count_written(const struct vmmig_session *s)
{
	unsigned int i;
	u64 sum = 0;

	for (i = 0; i < s->nr_blocks; i++)
		sum += vmmig_block_count_written(&s->blocks[i]);
	return sum;
}

static u64 count_again(const struct vmmig_session *s)
{
	unsigned long chunk;
	unsigned int i;
	u64 sum = 0;

	for (i = 0; i < s->nr_blocks; i++) {
		const struct vmmig_block *block = &s->blocks[i];

		for (chunk = 0; chunk < block->nr_chunks; chunk++)
			sum += bitmap_weight(vmmig_chunk_bits(block->again,
							      chunk),
					     VMMIG_CHUNK_PAGES);
	}
	return sum;
}

static u64 count_used(const struct vmmig_session *s)
{
	unsigned int i;
	u64 sum = 0;

	for (i = 0; i < s->nr_blocks; i++)
		sum += vmmig_block_pages_used(&s->blocks[i]);
	return sum;
}

static void begin_pass(struct vmmig_session *s, enum vmmig_pass_kind kind,
		       bool full)
{
	u64 planned = kind == VMMIG_PASS_BULK ? count_used(s) :
						s->fig.pages_remaining;
	struct vmmig_pass *pass = &s->pass;
	struct vmmig_counters sum;

	pass->kind = kind;
	pass->full = full;
	pass->start_ns = ktime_get_ns();
	vmmig_session_sum(s, &sum);
	spin_lock(&s->lock);
	pass->before = sum;
	pass->planned = planned;
	spin_unlock(&s->lock);
	WRITE_ONCE(pass->nr, pass->nr + 1);
	trace_vmmig_pass_begin(s->id, pass->nr, kind, full);
}

/* @interval: since the begin of the pass before, the time for writes */
static void end_pass(struct vmmig_session *s, u64 interval)
{
	struct vmmig_pass *pass = &s->pass;
	struct vmmig_figures *fig = &s->fig;
	struct vmmig_counters sum;
	u64 ns = ktime_get_ns() - pass->start_ns;
	u64 pages, scan_ns, host, best = U64_MAX;
	unsigned int i;

	vmmig_session_sum(s, &sum);
	pages = sum.pages_data + sum.pages_zero - pass->before.pages_data -
		pass->before.pages_zero;
	scan_ns = sum.scan_ns - pass->before.scan_ns;
	host = sum.host_pages - pass->before.host_pages;
	trace_vmmig_pass_end(s->id, pass->nr, pages, ns, scan_ns);

	/* The quickest tells best: a stopped VM does not take our CPUs. */
	for (i = 0; i < s->nr_streams; i++)
		best = min(best, s->streams[i].best_clean_ns);
	if (best != U64_MAX)
		fig->scan_ns = vmmig_final_scan_estimate(s, best,
							 count_used(s));
	fig->ring_events = s->obs.kvm ? atomic64_read(&s->obs.events) : 0;
	fig->unmapped_pages = atomic64_read(&s->maps.unmapped);
	if (pass->kind == VMMIG_PASS_BULK) {
		/* Without a ring nothing is known before the next pass. */
		fig->pages_remaining = s->tracking == VMMIG_TRACKING_RING ?
					       count_written(s) : count_used(s);
		return;
	}
	if (interval)
		fig->dirty_pages_rate = mul_u64_u64_div_u64(pages, NSEC_PER_SEC,
							    interval);
	fig->pages_remaining = s->tracking == VMMIG_TRACKING_RING ?
				       count_written(s) + host : pages;
}

/*
 * What the last final scan relied on may have been off for a while, or has
 * reported a page that nobody knows. In a migration by vmmig-qemu no slot changes
 * after the stop, so this costs nothing there.
 */
static void doubt_ring(struct vmmig_session *s)
{
	if (s->trusts_ring)
		vmmig_blocks_mark_written(s->blocks, s->nr_blocks);
}

/* Who maps the RAM now? Slots that changed make a pass a full one. */
static int look_around(struct vmmig_session *s, bool *changed)
{
	const char *what = s->kvm ? vmmig_vm_unsupported(s->kvm) : NULL;
	char why[VMMIG_REASON_LEN + 1];
	int err;

	err = vmmig_session_check_vm(s);
	if (err)
		return err;
	if (what) {
		vmmig_session_fail(s, -EOPNOTSUPP,
				   "the VM got %s, which is not supported",
				   what);
		return -EOPNOTSUPP;
	}
	err = vmmig_mappings_sync(&s->maps, why, sizeof(why));
	if (err) {
		vmmig_session_fail(s, err, "%s", why);
		return err;
	}
	*changed = s->obs.kvm && vmmig_observer_slots_changed(&s->obs);
	if (*changed)
		doubt_ring(s);
	return 0;
}

/* Between two passes; true if the next one is to be a full one. */
static bool wait_for_next(struct vmmig_session *s, u64 last_full)
{
	u64 now = ktime_get_ns(), next = s->pass.start_ns + PASS_INTERVAL_NS;

	if (now < next)
		wait_event_idle_timeout(s->wait,
					READ_ONCE(s->finalize) ||
					READ_ONCE(s->cancel),
					nsecs_to_jiffies(next - now) + 1);
	vmmig_session_progress(s);
	if (s->tracking == VMMIG_TRACKING_SCAN)
		return true;
	return ktime_get_ns() - last_full >
	       max_t(u64, FULL_INTERVAL_NS, s->fig.scan_ns * FULL_SHARE);
}

static int iterate(struct vmmig_session *s)
{
	u64 last_full = ktime_get_ns(), last_start;
	bool full, changed;
	int err;

	while (!READ_ONCE(s->finalize)) {
		full = wait_for_next(s, last_full);
		if (READ_ONCE(s->cancel)) {
			vmmig_session_fail(s, -ECANCELED,
					   "cancelled by request");
			return -ECANCELED;
		}
		if (READ_ONCE(s->finalize))
			break;
		err = look_around(s, &changed);
		if (err)
			return err;

		last_start = s->pass.start_ns;
		begin_pass(s, VMMIG_PASS_ITERATE, full || changed);
		err = vmmig_session_run_streams(s, vmmig_stream_pass);
		if (err)
			return err;
		end_pass(s, s->pass.start_ns - last_start);
		if (s->pass.full)
			last_full = ktime_get_ns();
		vmmig_netlink_notify(s);
	}
	return 0;
}

/* Was a page reported that is a hole now, or soon? Reclaim makes none. */
static bool holes_left(struct vmmig_session *s)
{
	unsigned int i;

	for (i = 0; i < s->nr_blocks; i++) {
		if (vmmig_block_punching(&s->blocks[i]) ||
		    vmmig_block_has_gone_pages(&s->blocks[i]))
			return true;
	}
	return false;
}

/* Is the host taking page table entries or pages away right now? */
static bool in_motion(struct vmmig_session *s)
{
	unsigned int i;

	for (i = 0; i < s->nr_blocks; i++) {
		if (vmmig_block_punching(&s->blocks[i]))
			return true;
	}
	return vmmig_mappings_busy(&s->maps);
}

static int wait_until_still(struct vmmig_session *s)
{
	u64 end = ktime_get_ns() + QUIET_NS;

	while (in_motion(s)) {
		if (READ_ONCE(s->cancel)) {
			vmmig_session_fail(s, -ECANCELED,
					   "cancelled by request");
			return -ECANCELED;
		}
		if (ktime_get_ns() > end) {
			vmmig_session_fail(s, -EBUSY,
					   "guest RAM is unmapped or punched all the time; find out by whom");
			return -EBUSY;
		}
		fsleep(QUIET_STEP_US);
	}
	return 0;
}

static int final_pass(struct vmmig_session *s)
{
	int err;

	begin_pass(s, VMMIG_PASS_FINAL, false);
	err = vmmig_session_run_streams(s, vmmig_stream_pass);
	if (!err)
		end_pass(s, 0);
	return err;
}

/* What was reported during the pass is sent too, as it may be a hole now. */
static int final_passes(struct vmmig_session *s)
{
	unsigned int tries;
	int err;

	err = final_pass(s);
	for (tries = 0; !err && count_written(s); tries++) {
		if (tries && !holes_left(s))
			break;
		if (tries == MAX_FINAL_PASSES) {
			vmmig_session_fail(s, -EBUSY,
					   "holes are punched into guest RAM all the time; find out by whom");
			return -EBUSY;
		}
		err = wait_until_still(s);
		if (!err)
			err = final_pass(s);
	}
	return err;
}

/*
 * Is there anything to send after a scan? The first pass of a stopped VM is
 * due anyway: the one before may have been cut short, without an
 * acknowledgment for what it sent.
 */
static bool something_left(struct vmmig_session *s)
{
	return s->pass.kind != VMMIG_PASS_FINAL || count_written(s) ||
	       count_again(s);
}

/*
 * One scan of all RAM, and what it found is sent. @again: somebody may have
 * written meanwhile, as KVM reported it or a mapping or a slot has changed.
 *
 * Reports of notifiers do not count: the host may reclaim and compact memory
 * as it likes. With no entry on its way when the scan begins, each dirty entry
 * is found by the scan, or was reported before it went, and the pass comes
 * after both.
 */
static int final_try(struct vmmig_session *s, u64 *scan_ns, bool *again)
{
	unsigned int news;
	u64 start, events;
	bool changed;
	int err;

	err = wait_until_still(s);
	if (!err)
		err = look_around(s, &changed);
	if (err)
		return err;
	news = s->maps.news;
	events = atomic64_read(&s->obs.events);
	start = ktime_get_ns();
	err = vmmig_final_scan(s);
	*scan_ns += ktime_get_ns() - start;
	if (!err && something_left(s))
		err = final_passes(s);
	if (!err)
		err = look_around(s, &changed);
	*again = changed || news != s->maps.news ||
		 events != atomic64_read(&s->obs.events);
	return err;
}

/* The VM is stopped, so one try should do. */
static int final_sync(struct vmmig_session *s, u64 *pages, u64 *scan_ns)
{
	struct vmmig_counters before, after;
	unsigned int tries, waits = 0;
	bool again;
	int err;

	*scan_ns = 0;
	vmmig_session_sum(s, &before);
	for (tries = 0; tries < MAX_FINAL_PASSES; tries++) {
		err = final_try(s, scan_ns, &again);
		if (err)
			return err;
		if (again)
			continue;
		if (!count_again(s) || waits == MAX_LATE_DMA_WAITS)
			break;
		waits++;
		fsleep(LATE_DMA_US);
	}
	if (tries == MAX_FINAL_PASSES) {
		vmmig_session_fail(s, -EBUSY,
				   "guest RAM is still being written; stop the VM before the final sync");
		return -EBUSY;
	}
	vmmig_session_sum(s, &after);
	*pages = after.pages_data + after.pages_zero - before.pages_data -
		 before.pages_zero;
	return 0;
}

static int wait_for_confirm(struct vmmig_session *s)
{
	struct vmmig_stream *stream = &s->streams[0];
	struct vmmig_msg msg;
	int err;

	/* The peer has nothing to say here, unless it gives up. */
	while (!wait_event_idle_timeout(s->wait, READ_ONCE(s->finalize) ||
					READ_ONCE(s->cancel), PEER_INTERVAL)) {
		err = vmmig_session_check_vm(s);
		if (err)
			return err;
		if (!vmmig_sock_readable(stream->sock))
			continue;
		err = vmmig_stream_recv(stream, &msg);
		if (err)
			return err;
		vmmig_session_fail(s, -EPROTO, "the peer sent %s unasked",
				   vmmig_proto_name(msg.type));
		return -EPROTO;
	}
	if (READ_ONCE(s->cancel)) {
		vmmig_session_fail(s, -ECANCELED, "cancelled by request");
		return -ECANCELED;
	}
	return 0;
}

static void enter_stopped(struct vmmig_session *s, bool *hold)
{
	vmmig_session_set_state(s, VMMIG_STATE_STOPPED);
	spin_lock(&s->lock);
	*hold = s->hold;
	WRITE_ONCE(s->finalize, false);
	spin_unlock(&s->lock);
}

static int stop_and_copy(struct vmmig_session *s)
{
	u64 start = ktime_get_ns(), scan_ns;
	bool hold;
	int err;

	enter_stopped(s, &hold);
	err = final_sync(s, &s->fig.final_pages, &s->fig.final_scan_ns);
	s->fig.final_ns = ktime_get_ns() - start;
	if (err || !hold)
		return err;

	vmmig_session_set_state(s, VMMIG_STATE_SYNCED);
	err = wait_for_confirm(s);
	if (err)
		return err;
	start = ktime_get_ns();
	enter_stopped(s, &hold);
	err = final_sync(s, &s->fig.confirm_pages, &scan_ns);
	s->fig.confirm_ns = ktime_get_ns() - start;
	return err;
}

/* Both sides must have counted the same. */
static int end_streams(struct vmmig_session *s)
{
	unsigned int i;
	int err;

	for (i = 0; i < s->nr_streams; i++) {
		struct vmmig_stream *stream = &s->streams[i];
		struct vmmig_end_wire end = {
			.pages_data = cpu_to_le64(stream->count.pages_data),
			.pages_zero = cpu_to_le64(stream->count.pages_zero),
		};
		struct vmmig_msg msg = {
			.type = VMMIG_MSG_END,
			.len = sizeof(end),
		};

		stream->count.bytes += sizeof(struct vmmig_msg_wire) + msg.len;
		err = vmmig_sock_send_msg(stream->sock, &msg, &end, false);
		if (err) {
			vmmig_stream_lost(stream, err, "sending");
			return err;
		}
	}
	for (i = 0; i < s->nr_streams; i++) {
		struct vmmig_msg msg;

		err = vmmig_stream_recv(&s->streams[i], &msg);
		if (err)
			return err;
		if (msg.type != VMMIG_MSG_END_ACK) {
			vmmig_session_fail(s, -EPROTO,
					   "the peer sent %s instead of end-ack",
					   vmmig_proto_name(msg.type));
			return -EPROTO;
		}
	}
	return 0;
}

static int migrate(struct vmmig_session *s)
{
	bool changed;
	int err;

	err = vmmig_hello_exchange(s);
	if (err)
		return err;
	vmmig_session_apply_rate(s);

	vmmig_session_set_state(s, VMMIG_STATE_BULK);
	err = look_around(s, &changed);
	if (err)
		return err;
	begin_pass(s, VMMIG_PASS_BULK, true);
	err = vmmig_session_run_streams(s, vmmig_stream_pass);
	if (err)
		return err;
	end_pass(s, 0);

	if (!READ_ONCE(s->finalize)) {
		vmmig_session_set_state(s, VMMIG_STATE_ITERATING);
		err = iterate(s);
		if (err)
			return err;
	}
	err = stop_and_copy(s);
	return err ? err : end_streams(s);
}

/**
 * vmmig_source_run - a source from the first hello to the end
 * @s: the session
 *
 * Context: Process context, sleeps. The session's own work.
 */
void vmmig_source_run(struct vmmig_session *s)
{
	u64 cpu = vmmig_cpu_time();
	unsigned int i;

	for (i = 0; i < s->nr_streams; i++)
		s->streams[i].best_clean_ns = U64_MAX;

	if (migrate(s)) {
		vmmig_session_hurry(s);
		for (i = 0; i < s->nr_streams; i++)
			vmmig_stream_send_error(&s->streams[i]);
	}
	vmmig_session_shutdown(s);
	s->streams[0].count.cpu_ns = vmmig_cpu_time() - cpu;
}
