// SPDX-License-Identifier: GPL-2.0
/* Which sessions there are: by number, those that have ended, what they hold. */

#include <linux/cpumask.h>
#include <linux/mutex.h>
#include <linux/netlink.h>
#include <linux/xarray.h>
#include <net/genetlink.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>

#include "session.h"
#include "state.h"

/* Ended sessions whose figures stay readable, per network namespace. */
#define MAX_ENDED	128
/* Sessions that run, on the whole host. */
#define MAX_RUNNING	32

/**
 * struct vmmig_net - the sessions of a network namespace
 * @lock: protects the rest, and with it that a session found by its id lives
 * @sessions: by id, ended ones too
 * @ended: ended sessions, oldest first
 * @nr_ended: entries in @ended
 * @next_id: hint for the next id
 */
struct vmmig_net {
	struct mutex lock;	/* protects all of this */
	struct xarray sessions;
	struct list_head ended;
	unsigned int nr_ended;
	u32 next_id;
};

static unsigned int vmmig_net_id;
static atomic_t nr_running;
static atomic_t nr_works;

/*
 * One RAM file is in one running session at most, on either side. Protects
 * busy_mappings; taken inside nothing.
 */
static DEFINE_MUTEX(busy_lock);
static DEFINE_XARRAY(busy_mappings);

/**
 * vmmig_registry_unclaim - the RAM files are free again
 * @s: the session, whose blocks are open; may have claimed none
 *
 * Context: Process context, may sleep. Takes busy_lock.
 */
void vmmig_registry_unclaim(struct vmmig_session *s)
{
	unsigned int i;

	mutex_lock(&busy_lock);
	for (i = 0; i < s->nr_blocks; i++) {
		unsigned long key = (unsigned long)s->blocks[i].mapping;

		if (key && xa_load(&busy_mappings, key) == s)
			xa_erase(&busy_mappings, key);
	}
	mutex_unlock(&busy_lock);
}

/* A reference on a session that has ended but not given back everything. */
static struct vmmig_session *ending_session(struct vmmig_session *s)
{
	if (!vmmig_state_ended(vmmig_session_state(s)))
		return NULL;
	kref_get(&s->ref);
	return s;
}

/**
 * vmmig_registry_claim - no other session may use these RAM files
 * @s: a session whose blocks are open
 * @extack: gets a sentence on failure
 *
 * Waits for a session that has ended and still holds one of them.
 *
 * Context: Process context, may sleep. Takes busy_lock.
 * Return: 0, -EINTR if the task is killed, or another negative errno; some
 *	blocks may be claimed even then.
 */
int vmmig_registry_claim(struct vmmig_session *s,
			 struct netlink_ext_ack *extack)
{
	struct vmmig_session *owner = NULL;
	unsigned int i;
	int err = 0;

	mutex_lock(&busy_lock);
	for (i = 0; i < s->nr_blocks && !err; i++) {
		unsigned long key = (unsigned long)s->blocks[i].mapping;

		err = xa_insert(&busy_mappings, key, s, GFP_KERNEL);
		if (err == -EBUSY)
			owner = ending_session(xa_load(&busy_mappings, key));
	}
	mutex_unlock(&busy_lock);

	if (owner) {
		/* It gives back what it holds, wait for that and try again. */
		vmmig_registry_unclaim(s);
		err = wait_event_killable(owner->wait,
					  READ_ONCE(owner->given_back));
		vmmig_session_put(owner);
		return err ? -EINTR : vmmig_registry_claim(s, extack);
	}

	if (err == -EBUSY)
		NL_SET_ERR_MSG(extack,
			       "RAM block: the file is in another session, or twice in this one; see the list of sessions");
	return err;
}

/*
 * Works of all sessions together. Each stream has a slot of the workqueue for
 * the session's whole life, the first one that of the session. An unbound queue
 * divides its slots among the nodes by their CPUs, and all of our works may
 * come from the smallest one (wq_update_node_max_active(), kernel/workqueue.c).
 */
static int max_works(void)
{
	unsigned int cpus, least = num_online_cpus();
	int node;

	for_each_online_node(node) {
		cpus = cpumask_weight_and(cpumask_of_node(node),
					  cpu_online_mask);
		if (cpus)
			least = min(least, cpus);
	}
	return max_t(int, WQ_UNBOUND_MAX_ACTIVE * least / num_online_cpus(),
		     WQ_DFL_MIN_ACTIVE);
}

/* Is there room for another one? */
static bool admit(const struct vmmig_session *s)
{
	int works = s->nr_streams;

	if (!atomic_add_unless(&nr_running, 1, MAX_RUNNING))
		return false;
	if (atomic_add_return(works, &nr_works) <= max_works())
		return true;
	atomic_sub(works, &nr_works);
	atomic_dec(&nr_running);
	return false;
}

/**
 * vmmig_registry_unadmit - make room for another session
 * @s: a session that vmmig_registry_add() has admitted
 *
 * Context: Any.
 */
void vmmig_registry_unadmit(const struct vmmig_session *s)
{
	atomic_sub(s->nr_streams, &nr_works);
	atomic_dec(&nr_running);
}

/**
 * vmmig_registry_add - admit a session and give it its number
 * @s: a checked session
 * @extack: gets a sentence on failure
 *
 * From here on requests find it. The table has a reference on it.
 *
 * Context: Process context, may sleep.
 * Return: 0, -EUSERS if too many sessions run, or another negative errno.
 */
int vmmig_registry_add(struct vmmig_session *s,
		       struct netlink_ext_ack *extack)
{
	struct vmmig_net *vnet = net_generic(s->net, vmmig_net_id);
	int err;

	if (!admit(s)) {
		NL_SET_ERR_MSG(extack,
			       "too many sessions run on this host; wait until one has ended");
		return -EUSERS;
	}

	mutex_lock(&vnet->lock);
	err = xa_alloc_cyclic(&vnet->sessions, &s->id, s,
			      XA_LIMIT(1, INT_MAX), &vnet->next_id,
			      GFP_KERNEL_ACCOUNT);
	if (err >= 0)
		kref_get(&s->ref);
	mutex_unlock(&vnet->lock);
	if (err < 0) {
		vmmig_registry_unadmit(s);
		return err;
	}
	return 0;
}

/**
 * vmmig_registry_retire - an ending session stays readable, an old one goes
 * @s: the session, not released
 *
 * Context: Process context, may sleep. The session's own work.
 */
void vmmig_registry_retire(struct vmmig_session *s)
{
	struct vmmig_net *vnet = net_generic(s->net, vmmig_net_id);
	struct vmmig_session *oldest = NULL;

	mutex_lock(&vnet->lock);
	list_add_tail(&s->ended, &vnet->ended);
	if (++vnet->nr_ended > MAX_ENDED) {
		oldest = list_first_entry(&vnet->ended, struct vmmig_session,
					  ended);
		list_del(&oldest->ended);
		vnet->nr_ended--;
		xa_erase(&vnet->sessions, oldest->id);
	}
	mutex_unlock(&vnet->lock);
	if (oldest)
		vmmig_session_put(oldest);
}

/**
 * vmmig_session_get - find a session
 * @net: network namespace
 * @id: number
 *
 * Context: Process context, may sleep.
 * Return: the session with a reference, or NULL.
 */
struct vmmig_session *vmmig_session_get(struct net *net, u32 id)
{
	struct vmmig_net *vnet = net_generic(net, vmmig_net_id);
	struct vmmig_session *s;

	mutex_lock(&vnet->lock);
	s = xa_load(&vnet->sessions, id);
	if (s)
		kref_get(&s->ref);
	mutex_unlock(&vnet->lock);
	return s;
}

/**
 * vmmig_session_next - walk over all sessions
 * @net: network namespace
 * @id: number to begin with; set to the one found
 *
 * Context: Process context, may sleep.
 * Return: the session with a reference, or NULL at the end.
 */
struct vmmig_session *vmmig_session_next(struct net *net, unsigned long *id)
{
	struct vmmig_net *vnet = net_generic(net, vmmig_net_id);
	struct vmmig_session *s;

	mutex_lock(&vnet->lock);
	s = xa_find(&vnet->sessions, id, ULONG_MAX, XA_PRESENT);
	if (s)
		kref_get(&s->ref);
	mutex_unlock(&vnet->lock);
	return s;
}

static int __net_init net_init(struct net *net)
{
	struct vmmig_net *vnet = net_generic(net, vmmig_net_id);

	mutex_init(&vnet->lock);
	xa_init_flags(&vnet->sessions, XA_FLAGS_ALLOC1);
	INIT_LIST_HEAD(&vnet->ended);
	return 0;
}

/* Sessions that run hold the namespace, so only ended ones are left. */
static void __net_exit net_exit(struct net *net)
{
	struct vmmig_net *vnet = net_generic(net, vmmig_net_id);
	struct vmmig_session *s, *next;

	list_for_each_entry_safe(s, next, &vnet->ended, ended) {
		xa_erase(&vnet->sessions, s->id);
		vmmig_session_put(s);
	}
	WARN_ON_ONCE(!xa_empty(&vnet->sessions));
	xa_destroy(&vnet->sessions);
}

static struct pernet_operations net_ops = {
	.init = net_init,
	.exit = net_exit,
	.id = &vmmig_net_id,
	.size = sizeof(struct vmmig_net),
};

/**
 * vmmig_registry_init - prepare the tables
 *
 * Context: Process context, module init.
 * Return: 0 or a negative errno.
 */
int vmmig_registry_init(void)
{
	return register_pernet_subsys(&net_ops);
}

/**
 * vmmig_registry_exit - drop what is remembered
 *
 * Context: Process context, module exit. No session runs.
 */
void vmmig_registry_exit(void)
{
	unregister_pernet_subsys(&net_ops);
	WARN_ON_ONCE(!xa_empty(&busy_mappings));
}
