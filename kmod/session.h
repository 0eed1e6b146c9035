/* SPDX-License-Identifier: GPL-2.0 */
/* A session: the RAM of one VM on its way, at one of the two ends. */
#ifndef VMMIG_SESSION_H
#define VMMIG_SESSION_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include <uapi/linux/vmmig.h>

#include "mappings.h"
#include "observer.h"
#include "proto.h"
#include "ram.h"
#include "tracker.h"

struct file;
struct kvm;
struct mem_cgroup;
struct net;
struct netlink_ext_ack;
struct socket;
struct vmmig_msg;
struct vmmig_session;

#define VMMIG_NAME_LEN		63

/**
 * struct vmmig_counters - what one stream has done
 *
 * Written by the stream's own work, read by anybody with READ_ONCE().
 * Reset never; pass figures are differences.
 */
struct vmmig_counters {
	u64 pages_data;
	u64 pages_zero;
	u64 pages_skipped;
	u64 bytes;
	u64 scan_ns;
	u64 cpu_ns;
	u64 host_pages;
	u64 pinned_pages;
	u64 fallback_chunks;
};

/**
 * struct vmmig_stream - one TCP connection of a session
 * @session: back pointer
 * @nr: its number
 * @sock: the socket
 * @work: source: one pass; destination: everything until the end
 * @err: result of @work
 * @count: counters
 * @visit: source; result of the visit to the current chunk
 * @bvec: pages of the current extent
 * @extent: source; first page of the current extent
 * @extent_nr: pages in @bvec
 * @zero: source; first page of the current run of zero pages
 * @zero_nr: pages in that run
 * @fresh: destination; pages of the extent that had no content before
 * @best_clean_ns: source; shortest time that cleaning a chunk took
 * @why: why @err, a sentence
 *
 * Others read @count at any time, and use @sock under the session's sock_lock to
 * set its rate, to shut it down and for last words. The rest belongs to whoever
 * serves the stream: @work, or for the first one the session's own work, which
 * has all of them between passes.
 */
struct vmmig_stream {
	struct vmmig_session *session;
	unsigned int nr;
	struct socket *sock;
	struct work_struct work;
	int err;
	struct vmmig_counters count;
	struct vmmig_visit_result visit;
	struct bio_vec *bvec;
	pgoff_t extent;
	unsigned int extent_nr;
	pgoff_t zero;
	unsigned int zero_nr;
	DECLARE_BITMAP(fresh, VMMIG_EXTENT_PAGES);
	u64 best_clean_ns;
	char why[VMMIG_REASON_LEN + 1];
};

/**
 * enum vmmig_pass_kind - what a pass is for
 * @VMMIG_PASS_BULK: every page that is in use
 * @VMMIG_PASS_ITERATE: what was written since, the VM runs
 * @VMMIG_PASS_FINAL: what was written since, the VM is stopped
 */
enum vmmig_pass_kind {
	VMMIG_PASS_BULK,
	VMMIG_PASS_ITERATE,
	VMMIG_PASS_FINAL,
};

/**
 * struct vmmig_pass - the current pass of a source, written between passes
 * @nr: number, from 1
 * @kind: what for
 * @full: visit every chunk, not only those that are pending
 * @planned: pages that it is expected to send
 * @start_ns: when it began
 * @before: sum of the counters at that time
 */
struct vmmig_pass {
	u32 nr;
	enum vmmig_pass_kind kind;
	bool full;
	u64 planned;
	u64 start_ns;
	struct vmmig_counters before;
};

/**
 * struct vmmig_figures - results for people
 *
 * Each is a word, written by the session's work or stream 0's, read by anybody
 * with READ_ONCE().
 */
struct vmmig_figures {
	u64 hello_ns;
	u64 pages_remaining;
	u64 dirty_pages_rate;
	u64 bytes_rate;
	u64 scan_ns;
	u64 final_ns;
	u64 final_scan_ns;
	u64 final_pages;
	u64 confirm_ns;
	u64 confirm_pages;
	u64 kernel_bytes;
	u64 ring_events;
	u64 unmapped_pages;
};

/**
 * struct vmmig_session - the RAM of one VM on its way
 * @id: number in its network namespace
 * @role: which end this is
 * @name: free text
 * @net: network namespace; a reference is held until the end
 * @ref: references
 * @ended: in the namespace's list of ended sessions
 * @lock: protects @state, @error, @reason, and @pass.before with @pass.planned
 * @state: changed by session_set_state() only
 * @error: negative errno of the failure
 * @reason: sentence of the failure
 * @sock_lock: protects the sockets of @streams against their release; for
 *	requests and the kick, as the session's works have them until they release
 *	them
 * @visit_lock: held by the stream that visits a chunk
 * @wait: the session's work waits here, for requests and for its streams; and
 *	who waits for @given_back
 * @given_back: nothing of others is held any more
 * @cancel: a request came to end the session
 * @finalize: a request came to do the final sync
 * @hold: ... and to stay in state synced
 * @kick: shuts the sockets down if a session that ends hangs
 * @watch: looks whether the VM's process lives
 * @work: the session's own work, everything happens there
 * @vm_file: the VM's file, or NULL
 * @kvm: the VM behind it
 * @memcg: destination; pages are charged to it
 * @blocks: RAM blocks
 * @nr_blocks: how many
 * @streams: TCP connections
 * @nr_streams: how many
 * @run: what the streams do now
 * @working: how many of them, less the first, have not done it yet
 * @tracking: as asked for, then as in use
 * @trusts_ring: the last final scan has left entries writable and clean; if
 *	there is a ring, only it tells what KVM writes since
 * @rate_limit: bytes per second, 0 for none
 * @maps: source; who maps RAM
 * @obs: source; what KVM reports
 * @pass: source
 * @fig: results for people
 * @start_ns: when the session was made
 * @end_ns: when it ended, or 0
 * @rate_ns: when @fig.bytes_rate was last computed
 * @rate_bytes: bytes at that time
 */
struct vmmig_session {
	u32 id;
	enum vmmig_role role;
	char name[VMMIG_NAME_LEN + 1];
	struct net *net;
	struct kref ref;
	struct list_head ended;

	spinlock_t lock;	/* protects state, error, reason, part of pass */
	enum vmmig_state state;
	int error;
	char reason[VMMIG_REASON_LEN + 1];

	struct mutex sock_lock;	/* protects streams[].sock */
	struct mutex visit_lock;	/* one visit to a chunk at a time */
	wait_queue_head_t wait;
	bool given_back;
	bool cancel;
	bool finalize;
	bool hold;
	struct delayed_work kick;
	struct delayed_work watch;
	struct work_struct work;

	struct file *vm_file;
	struct kvm *kvm;
	struct mem_cgroup *memcg;
	struct vmmig_block *blocks;
	unsigned int nr_blocks;
	struct vmmig_stream *streams;
	unsigned int nr_streams;
	int (*run)(struct vmmig_stream *stream);
	atomic_t working;
	enum vmmig_tracking tracking;
	bool trusts_ring;
	u64 rate_limit;

	struct vmmig_mappings maps;
	struct vmmig_observer obs;
	struct vmmig_pass pass;

	struct vmmig_figures fig;
	u64 start_ns;
	u64 end_ns;
	u64 rate_ns;
	u64 rate_bytes;
};

extern struct workqueue_struct *vmmig_wq;
extern struct workqueue_struct *vmmig_short_wq;

/* session.c: life and death */
int vmmig_session_init(void);
void vmmig_session_exit(void);
struct vmmig_session *vmmig_session_new(struct net *net, enum vmmig_role role,
					unsigned int nr_blocks,
					unsigned int nr_streams);
int vmmig_session_check(struct vmmig_session *s,
			struct netlink_ext_ack *extack);
int vmmig_session_start(struct vmmig_session *s,
			struct netlink_ext_ack *extack);
void vmmig_session_abandon(struct vmmig_session *s);
void vmmig_session_put(struct vmmig_session *s);

/* session.c: for those that run it */
void vmmig_session_set_state(struct vmmig_session *s, enum vmmig_state state);
void vmmig_session_fail(struct vmmig_session *s, int err, const char *fmt, ...)
	__printf(3, 4);
enum vmmig_state vmmig_session_state(struct vmmig_session *s);
int vmmig_session_check_vm(struct vmmig_session *s);
void vmmig_session_hurry(struct vmmig_session *s);
void vmmig_session_end_soon(struct vmmig_session *s);
void vmmig_session_shutdown(struct vmmig_session *s);
int vmmig_session_run_streams(struct vmmig_session *s,
			      int (*run)(struct vmmig_stream *stream));
void vmmig_session_sum(const struct vmmig_session *s,
		       struct vmmig_counters *sum);
void vmmig_session_progress(struct vmmig_session *s);

/* registry.c: which there are */
int vmmig_registry_init(void);
void vmmig_registry_exit(void);
int vmmig_registry_claim(struct vmmig_session *s,
			 struct netlink_ext_ack *extack);
void vmmig_registry_unclaim(struct vmmig_session *s);
int vmmig_registry_add(struct vmmig_session *s,
		       struct netlink_ext_ack *extack);
void vmmig_registry_retire(struct vmmig_session *s);
void vmmig_registry_unadmit(const struct vmmig_session *s);
struct vmmig_session *vmmig_session_get(struct net *net, u32 id);
struct vmmig_session *vmmig_session_next(struct net *net, unsigned long *id);

/* request.c: what can be asked of one that runs */
int vmmig_session_finalize(struct vmmig_session *s, bool hold,
			   struct netlink_ext_ack *extack);
int vmmig_session_cancel(struct vmmig_session *s,
			 struct netlink_ext_ack *extack);
int vmmig_session_check_rate(u64 rate, struct netlink_ext_ack *extack);
int vmmig_session_set_rate(struct vmmig_session *s, u64 rate,
			   struct netlink_ext_ack *extack);
void vmmig_session_apply_rate(struct vmmig_session *s);

/* source.c and destination.c: the work itself */
int vmmig_source_check(struct vmmig_session *s,
		       struct netlink_ext_ack *extack);
void vmmig_source_run(struct vmmig_session *s);
int vmmig_destination_check(struct vmmig_session *s,
			    struct netlink_ext_ack *extack);
void vmmig_destination_run(struct vmmig_session *s);
int vmmig_destination_empty(struct vmmig_session *s);
void vmmig_destination_say_cancelled(struct vmmig_session *s);

/* hello.c */
int vmmig_hello_exchange(struct vmmig_session *s);
int vmmig_stream_recv(struct vmmig_stream *stream, struct vmmig_msg *msg);
void vmmig_stream_send_error(struct vmmig_stream *stream);
void vmmig_stream_lost(struct vmmig_stream *stream, int err,
		       const char *doing);

/* send.c */
int vmmig_stream_pass(struct vmmig_stream *stream);

/* scan.c */
int vmmig_final_scan(struct vmmig_session *s);
u64 vmmig_final_scan_estimate(const struct vmmig_session *s, u64 clean_ns,
			      u64 pages);

/* netlink.c */
void vmmig_netlink_notify(struct vmmig_session *s);

/**
 * vmmig_cpu_time - CPU time that this thread has taken
 *
 * The tick adds to it at any moment; what is meant is some value of now.
 *
 * Context: Process context.
 * Return: nanoseconds.
 */
static inline u64 vmmig_cpu_time(void)
{
	return READ_ONCE(current->se.sum_exec_runtime);
}

#endif /* VMMIG_SESSION_H */
