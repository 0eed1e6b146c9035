// SPDX-License-Identifier: GPL-2.0
/* Life and death of a session: making, running, failing, ending. */

#include <linux/ctype.h>
#include <linux/file.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <net/genetlink.h>
#include <net/net_namespace.h>

#include "session.h"
#include "sock.h"
#include "state.h"
#include "trace.h"

/* A session that ends has so long to say goodbye before its sockets go. */
#define KICK_DELAY	msecs_to_jiffies(500)
/* How often to look whether the VM lives, whatever its session waits for. */
#define WATCH_DELAY	HZ
/* Progress events, and the interval of the byte rate. */
#define PROGRESS_NS	(500 * NSEC_PER_MSEC)

/* Sessions and streams run here; nothing else does. */
struct workqueue_struct *vmmig_wq;
/* What must not wait for them: the final scan, and the end of sessions. */
struct workqueue_struct *vmmig_short_wq;

static void session_free(struct kref *ref)
{
	struct vmmig_session *s = container_of(ref, struct vmmig_session, ref);

	kvfree(s->streams);
	kfree(s->blocks);
	kfree(s);
}

/**
 * vmmig_session_put - drop a reference
 * @s: the session
 *
 * Context: Process context, may sleep.
 */
void vmmig_session_put(struct vmmig_session *s)
{
	kref_put(&s->ref, session_free);
}

/**
 * vmmig_session_state - state of a session
 * @s: the session
 *
 * Context: Any but hard interrupts.
 * Return: the state.
 */
enum vmmig_state vmmig_session_state(struct vmmig_session *s)
{
	enum vmmig_state state;

	spin_lock(&s->lock);
	state = s->state;
	spin_unlock(&s->lock);
	return state;
}

/*
 * Release what a session holds of others. Its figures stay. Called once, by
 * the session's own work or before that was started.
 */
static void session_release(struct vmmig_session *s)
{
	unsigned int i;

	mutex_lock(&s->sock_lock);
	for (i = 0; i < s->nr_streams; i++) {
		vmmig_sock_put(s->streams[i].sock);
		s->streams[i].sock = NULL;
	}
	mutex_unlock(&s->sock_lock);
	for (i = 0; i < s->nr_streams; i++) {
		kvfree(s->streams[i].bvec);
		s->streams[i].bvec = NULL;
	}

	vmmig_observer_detach(&s->obs);
	vmmig_mappings_release(&s->maps);

	vmmig_registry_unclaim(s);
	for (i = 0; i < s->nr_blocks; i++)
		vmmig_block_close(&s->blocks[i]);

	if (s->vm_file)
		fput(s->vm_file);
	s->vm_file = NULL;
	s->kvm = NULL;
	mem_cgroup_put(s->memcg);
	s->memcg = NULL;
	put_net(s->net);
	s->net = NULL;
}

static void session_announce(struct vmmig_session *s, enum vmmig_state old,
			     enum vmmig_state state)
{
	trace_vmmig_state(s->id, old, state);
	if (vmmig_state_ended(state))
		s->end_ns = ktime_get_ns();
	vmmig_netlink_notify(s);
	wake_up_all(&s->wait);
}

/**
 * vmmig_session_set_state - go to another state, and tell
 * @s: the session
 * @state: the new state, not one of the ends
 *
 * Context: Process context, may sleep. The session's own work.
 */
void vmmig_session_set_state(struct vmmig_session *s, enum vmmig_state state)
{
	enum vmmig_state old;
	bool allowed;

	spin_lock(&s->lock);
	old = s->state;
	allowed = vmmig_state_allowed(old, state);
	if (allowed)
		s->state = state;
	spin_unlock(&s->lock);

	if (WARN_ONCE(!allowed, "vmmig: session %u: %s to %s\n", s->id,
		      vmmig_state_name(old), vmmig_state_name(state)))
		return;
	session_announce(s, old, state);
}

/* The error decides which end; nobody may set one between the two. */
static void session_end(struct vmmig_session *s)
{
	enum vmmig_state old, state;

	spin_lock(&s->lock);
	if (s->error == -ECANCELED)
		state = VMMIG_STATE_CANCELLED;
	else if (s->error)
		state = VMMIG_STATE_FAILED;
	else if (s->role == VMMIG_ROLE_SOURCE)
		state = VMMIG_STATE_DONE;
	else
		state = VMMIG_STATE_COMPLETE;
	old = s->state;
	s->state = state;
	spin_unlock(&s->lock);

	WARN_ON_ONCE(!vmmig_state_allowed(old, state));
	session_announce(s, old, state);
}

/**
 * vmmig_session_fail - note why a session ends
 * @s: the session
 * @err: negative errno; -ECANCELED if somebody asked for it
 * @fmt: the sentence
 *
 * The first reason stays, what follows is its consequence. A session that has
 * ended well stays so.
 *
 * Context: Process context.
 */
void vmmig_session_fail(struct vmmig_session *s, int err, const char *fmt, ...)
{
	va_list args;
	char *c;

	spin_lock(&s->lock);
	if (!s->error && !vmmig_state_ended(s->state)) {
		WRITE_ONCE(s->error, err);
		va_start(args, fmt);
		vsnprintf(s->reason, sizeof(s->reason), fmt, args);
		va_end(args);
		/* Some of it may be the peer's, and ends on a terminal. */
		for (c = s->reason; *c; c++) {
			if (!isascii(*c) || !isprint(*c))
				*c = '?';
		}
	}
	spin_unlock(&s->lock);
	wake_up_all(&s->wait);
}

/**
 * vmmig_session_shutdown - end whatever blocks on the session's sockets
 * @s: the session
 *
 * Context: Process context, may sleep.
 */
void vmmig_session_shutdown(struct vmmig_session *s)
{
	unsigned int i;

	mutex_lock(&s->sock_lock);
	for (i = 0; i < s->nr_streams; i++) {
		if (s->streams[i].sock)
			vmmig_sock_shutdown(s->streams[i].sock);
	}
	mutex_unlock(&s->sock_lock);
}

static void stream_work(struct work_struct *work)
{
	struct vmmig_stream *stream =
		container_of(work, struct vmmig_stream, work);
	struct vmmig_session *s = stream->session;

	stream->err = s->run(stream);
	if (atomic_dec_and_test(&s->working))
		wake_up_all(&s->wait);
}

/**
 * vmmig_session_run_streams - do something with all streams at once
 * @s: the session
 * @run: what; may sleep
 *
 * The first stream is served here, each other one by a work of its own. That
 * may take hours under a bandwidth limit, so the wait is an idle one:
 * flush_work() alone would be taken for a hung task (kernel/hung_task.c) and
 * count as load. Afterwards it only waits until the works have returned.
 *
 * Context: Process context, sleeps. The session's own work.
 * Return: 0, or the error of the first stream that has one.
 */
int vmmig_session_run_streams(struct vmmig_session *s,
			      int (*run)(struct vmmig_stream *stream))
{
	unsigned int i;
	int err;

	s->run = run;
	atomic_set(&s->working, s->nr_streams - 1);
	for (i = 1; i < s->nr_streams; i++)
		queue_work(vmmig_wq, &s->streams[i].work);
	err = run(&s->streams[0]);
	wait_event_idle(s->wait, !atomic_read(&s->working));
	for (i = 1; i < s->nr_streams; i++) {
		flush_work(&s->streams[i].work);
		if (!err)
			err = s->streams[i].err;
	}
	return err;
}

/**
 * vmmig_session_check_vm - does the VM's process live?
 * @s: the session
 *
 * Its RAM must not be kept after it.
 *
 * Context: Process context.
 * Return: 0 or -ESRCH, of which the session knows the reason.
 */
int vmmig_session_check_vm(struct vmmig_session *s)
{
	if (!s->kvm || !vmmig_vm_gone(s->kvm))
		return 0;
	vmmig_session_fail(s, -ESRCH, "the VM's process has exited");
	return -ESRCH;
}

static void session_kick(struct work_struct *work)
{
	struct vmmig_session *s =
		container_of(work, struct vmmig_session, kick.work);

	if (s->role == VMMIG_ROLE_DESTINATION)
		vmmig_destination_say_cancelled(s);
	vmmig_session_shutdown(s);
}

/**
 * vmmig_session_end_soon - shut the sockets down unless the session ends
 * @s: the session
 *
 * A source gets a moment to notice by itself, as it has something to say. A
 * destination is blocked in receiving.
 *
 * Context: Under the session's lock: the end cancels the kick after its state.
 */
void vmmig_session_end_soon(struct vmmig_session *s)
{
	lockdep_assert_held(&s->lock);
	if (!vmmig_state_ended(s->state))
		queue_delayed_work(vmmig_short_wq, &s->kick,
				   s->role == VMMIG_ROLE_SOURCE ? KICK_DELAY : 0);
}

/**
 * vmmig_session_hurry - a source that has failed must not linger
 * @s: the session
 *
 * Its streams may be in the middle of a chunk, under a bandwidth limit or with
 * a peer that takes nothing. After a moment their sockets are shut down.
 *
 * Context: Process context. The session's works.
 */
void vmmig_session_hurry(struct vmmig_session *s)
{
	spin_lock(&s->lock);
	vmmig_session_end_soon(s);
	spin_unlock(&s->lock);
}

static void session_watch(struct work_struct *work)
{
	struct vmmig_session *s =
		container_of(work, struct vmmig_session, watch.work);

	if (!vmmig_session_check_vm(s)) {
		queue_delayed_work(vmmig_short_wq, &s->watch, WATCH_DELAY);
		return;
	}
	spin_lock(&s->lock);
	vmmig_session_end_soon(s);
	spin_unlock(&s->lock);
}

/**
 * vmmig_session_sum - sum of the counters of all streams
 * @s: the session
 * @sum: the result
 *
 * Context: Any.
 */
void vmmig_session_sum(const struct vmmig_session *s,
		       struct vmmig_counters *sum)
{
	unsigned int i;

	memset(sum, 0, sizeof(*sum));
	for (i = 0; i < s->nr_streams; i++) {
		const struct vmmig_counters *c = &s->streams[i].count;

		sum->pages_data += READ_ONCE(c->pages_data);
		sum->pages_zero += READ_ONCE(c->pages_zero);
		sum->pages_skipped += READ_ONCE(c->pages_skipped);
		sum->bytes += READ_ONCE(c->bytes);
		sum->scan_ns += READ_ONCE(c->scan_ns);
		sum->cpu_ns += READ_ONCE(c->cpu_ns);
		sum->host_pages += READ_ONCE(c->host_pages);
		sum->pinned_pages += READ_ONCE(c->pinned_pages);
		sum->fallback_chunks += READ_ONCE(c->fallback_chunks);
	}
}

/**
 * vmmig_session_progress - compute the byte rate and tell, at most twice a second
 * @s: the session
 *
 * Context: Process context, may sleep. Stream 0's work or the session's own.
 */
void vmmig_session_progress(struct vmmig_session *s)
{
	u64 now = ktime_get_ns(), ns = now - s->rate_ns;
	struct vmmig_counters sum;

	if (ns < PROGRESS_NS)
		return;
	vmmig_session_sum(s, &sum);
	s->fig.bytes_rate = div64_u64((sum.bytes - s->rate_bytes) * 1000,
				      div_u64(ns, NSEC_PER_MSEC));
	s->rate_ns = now;
	s->rate_bytes = sum.bytes;
	vmmig_netlink_notify(s);
}

static void session_work(struct work_struct *work)
{
	struct vmmig_session *s = container_of(work, struct vmmig_session, work);

	if (s->role == VMMIG_ROLE_SOURCE)
		vmmig_source_run(s);
	else
		vmmig_destination_run(s);

	/* Somebody waits for the news, with a VM stopped: clean up later. */
	vmmig_registry_retire(s);
	session_end(s);
	cancel_delayed_work_sync(&s->watch);
	/* Nobody arms it any more in an end state. */
	cancel_delayed_work_sync(&s->kick);
	session_release(s);

	/*
	 * The reference of the work. Unloading waits for this function to
	 * return, since it destroys the workqueue after the last reference on
	 * the module is gone.
	 */
	vmmig_registry_unadmit(s);
	WRITE_ONCE(s->given_back, true);
	wake_up_all(&s->wait);
	vmmig_session_put(s);
	module_put(THIS_MODULE);
}

/**
 * vmmig_session_new - make an empty session
 * @net: network namespace
 * @role: which end
 * @nr_blocks: RAM blocks that the caller will open
 * @nr_streams: sockets that the caller will set
 *
 * Context: Process context, may sleep. Memory is charged to the caller.
 * Return: the session with one reference, or NULL.
 */
struct vmmig_session *vmmig_session_new(struct net *net, enum vmmig_role role,
					unsigned int nr_blocks,
					unsigned int nr_streams)
{
	struct vmmig_session *s;
	unsigned int i;

	s = kzalloc(sizeof(*s), GFP_KERNEL_ACCOUNT);
	if (!s)
		return NULL;
	s->blocks = kcalloc(nr_blocks, sizeof(*s->blocks), GFP_KERNEL_ACCOUNT);
	s->streams = kvcalloc(nr_streams, sizeof(*s->streams),
			      GFP_KERNEL_ACCOUNT);
	if (!s->blocks || !s->streams) {
		kfree(s->blocks);
		kvfree(s->streams);
		kfree(s);
		return NULL;
	}

	kref_init(&s->ref);
	INIT_LIST_HEAD(&s->ended);
	spin_lock_init(&s->lock);
	mutex_init(&s->sock_lock);
	mutex_init(&s->visit_lock);
	init_waitqueue_head(&s->wait);
	INIT_WORK(&s->work, session_work);
	INIT_DELAYED_WORK(&s->kick, session_kick);
	INIT_DELAYED_WORK(&s->watch, session_watch);
	s->net = get_net(net);
	s->role = role;
	s->state = role == VMMIG_ROLE_SOURCE ? VMMIG_STATE_CONNECTING :
					       VMMIG_STATE_LISTENING;
	s->nr_blocks = nr_blocks;
	s->nr_streams = nr_streams;
	s->start_ns = ktime_get_ns();
	s->rate_ns = s->start_ns;
	s->fig.kernel_bytes = sizeof(*s) + nr_blocks * sizeof(*s->blocks) +
			      nr_streams * sizeof(*s->streams);
	for (i = 0; i < nr_streams; i++) {
		s->streams[i].session = s;
		s->streams[i].nr = i;
		INIT_WORK(&s->streams[i].work, stream_work);
	}
	for (i = 0; i < nr_blocks; i++)
		s->blocks[i].nr = i;
	vmmig_mappings_init(&s->maps, s->blocks, nr_blocks);
	return s;
}

static int check_unique_ids(const struct vmmig_session *s,
			    struct netlink_ext_ack *extack)
{
	unsigned int i, j;

	for (i = 0; i < s->nr_blocks; i++) {
		for (j = 0; j < i; j++) {
			if (!strcmp(s->blocks[i].id, s->blocks[j].id)) {
				NL_SET_ERR_MSG(extack,
					       "RAM block: two blocks have the same id");
				return -EINVAL;
			}
		}
	}
	return 0;
}

/**
 * vmmig_session_check - everything that can be refused before the start
 * @s: the session, filled in by the caller
 * @extack: gets a sentence on failure
 *
 * Context: Process context, may sleep.
 * Return: 0 or a negative errno.
 */
int vmmig_session_check(struct vmmig_session *s,
			struct netlink_ext_ack *extack)
{
	unsigned int i;
	int err;

	err = vmmig_session_check_rate(s->rate_limit, extack);
	if (!err)
		err = check_unique_ids(s, extack);
	if (err)
		return err;
	err = vmmig_registry_claim(s, extack);
	if (err)
		return err;

	for (i = 0; i < s->nr_streams; i++) {
		s->streams[i].bvec = kvcalloc(VMMIG_EXTENT_PAGES,
					      sizeof(struct bio_vec),
					      GFP_KERNEL_ACCOUNT);
		if (!s->streams[i].bvec)
			return -ENOMEM;
		s->fig.kernel_bytes += VMMIG_EXTENT_PAGES *
				       sizeof(struct bio_vec);
	}

	return s->role == VMMIG_ROLE_SOURCE ?
		       vmmig_source_check(s, extack) :
		       vmmig_destination_check(s, extack);
}

/**
 * vmmig_session_start - give a session its number and let it run
 * @s: a checked session
 * @extack: gets a sentence on failure
 *
 * Context: Process context, may sleep.
 * Return: 0 or a negative errno; the session does not run then.
 */
int vmmig_session_start(struct vmmig_session *s,
			struct netlink_ext_ack *extack)
{
	int err;

	/* Sessions that run keep the module; unloading is refused. */
	if (!try_module_get(THIS_MODULE)) {
		NL_SET_ERR_MSG(extack, "the module is being unloaded");
		return -ENODEV;
	}
	err = vmmig_registry_add(s, extack);
	if (err) {
		module_put(THIS_MODULE);
		return err;
	}

	kref_get(&s->ref);	/* of the work */
	vmmig_netlink_notify(s);
	if (s->kvm)
		queue_delayed_work(vmmig_short_wq, &s->watch, WATCH_DELAY);
	queue_work(vmmig_wq, &s->work);
	return 0;
}

/**
 * vmmig_session_abandon - give back what a session holds that never ran
 * @s: the session; the caller's reference is dropped
 *
 * Context: Process context, may sleep.
 */
void vmmig_session_abandon(struct vmmig_session *s)
{
	session_release(s);
	vmmig_session_put(s);
}

/**
 * vmmig_session_init - prepare for sessions
 *
 * Context: Process context, module init.
 * Return: 0 or a negative errno.
 */
int vmmig_session_init(void)
{
	vmmig_wq = alloc_workqueue("vmmig", WQ_UNBOUND | WQ_SYSFS,
				   WQ_UNBOUND_MAX_ACTIVE);
	if (!vmmig_wq)
		return -ENOMEM;
	vmmig_short_wq = alloc_workqueue("vmmig_short",
					 WQ_UNBOUND | WQ_HIGHPRI | WQ_SYSFS, 0);
	if (!vmmig_short_wq) {
		destroy_workqueue(vmmig_wq);
		return -ENOMEM;
	}
	return 0;
}

/**
 * vmmig_session_exit - undo vmmig_session_init()
 *
 * Context: Process context, module exit. No session runs, their references
 * on the module are gone; the last work may still be on its way out.
 */
void vmmig_session_exit(void)
{
	destroy_workqueue(vmmig_wq);
	destroy_workqueue(vmmig_short_wq);
}
