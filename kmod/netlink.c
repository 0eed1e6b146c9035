// SPDX-License-Identifier: GPL-2.0
/* Requests over generic netlink; Documentation/netlink/specs/vmmig.yaml. */

#include <linux/capability.h>
#include <linux/file.h>
#include <net/genetlink.h>
#include <net/sock.h>

#include "netlink-gen.h"
#include "session.h"
#include "sock.h"
#include "state.h"

/*
 * Not the capability of a user namespace: anybody can make one, and this
 * changes how other processes' mappings of the RAM files behave.
 */
static int check_permission(struct sk_buff *skb, struct genl_info *info)
{
	if (netlink_capable(skb, CAP_SYS_ADMIN))
		return 0;
	NL_SET_ERR_MSG(info->extack,
		       "needs CAP_SYS_ADMIN, since it reads or writes a VM's memory; run as root");
	return -EPERM;
}

/**
 * vmmig_nl_pre_doit - find the session that a request names
 * @ops: the operation
 * @skb: the request
 * @info: info->user_ptr[0] gets the session, with a reference
 *
 * Context: Process context, may sleep.
 * Return: 0 or a negative errno.
 */
int vmmig_nl_pre_doit(const struct genl_split_ops *ops, struct sk_buff *skb,
		      struct genl_info *info)
{
	struct vmmig_session *s;
	int err;

	if (ops->cmd != VMMIG_CMD_SESSION_GET) {
		err = check_permission(skb, info);
		if (err)
			return err;
	}
	if (GENL_REQ_ATTR_CHECK(info, VMMIG_A_SESSION_ID)) {
		NL_SET_ERR_MSG(info->extack, "the session's id is missing");
		return -EINVAL;
	}
	s = vmmig_session_get(genl_info_net(info),
			      nla_get_u32(info->attrs[VMMIG_A_SESSION_ID]));
	if (!s) {
		NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[VMMIG_A_SESSION_ID],
				    "no session of that id in this network namespace; see the list of sessions");
		return -ENOENT;
	}
	info->user_ptr[0] = s;
	return 0;
}

/**
 * vmmig_nl_post_doit - drop the reference that vmmig_nl_pre_doit() took
 * @ops: the operation
 * @skb: the request
 * @info: the request's details
 *
 * Context: Process context, may sleep.
 */
void vmmig_nl_post_doit(const struct genl_split_ops *ops, struct sk_buff *skb,
			struct genl_info *info)
{
	vmmig_session_put(info->user_ptr[0]);
}

/**
 * struct figure - one entry of the attribute set "stats"
 * @attr: the attribute
 * @value: its value
 */
struct figure {
	int attr;
	u64 value;
};

static int put_stats(struct sk_buff *skb, struct vmmig_session *s)
{
	const struct vmmig_figures *fig = &s->fig;
	u64 end = READ_ONCE(s->end_ns), ram_pages = 0, before, planned;
	struct vmmig_counters sum;
	struct nlattr *nest;
	unsigned int i;

	/* Read before the sum, so that the difference is never negative. */
	spin_lock(&s->lock);
	before = s->pass.before.pages_data + s->pass.before.pages_zero;
	planned = s->pass.planned;
	spin_unlock(&s->lock);
	vmmig_session_sum(s, &sum);
	for (i = 0; i < s->nr_blocks; i++)
		ram_pages += s->blocks[i].nr_pages;

	const struct figure figures[] = {
		{ VMMIG_A_STATS_ELAPSED_NS,
		  (end ? end : ktime_get_ns()) - s->start_ns },
		{ VMMIG_A_STATS_RAM_PAGES, ram_pages },
		{ VMMIG_A_STATS_PAGES_DATA, sum.pages_data },
		{ VMMIG_A_STATS_PAGES_ZERO, sum.pages_zero },
		{ VMMIG_A_STATS_PAGES_SKIPPED, sum.pages_skipped },
		{ VMMIG_A_STATS_BYTES, sum.bytes },
		{ VMMIG_A_STATS_PASS_PAGES,
		  sum.pages_data + sum.pages_zero - before },
		{ VMMIG_A_STATS_PASS_PLANNED, planned },
		{ VMMIG_A_STATS_PAGES_REMAINING, READ_ONCE(fig->pages_remaining) },
		{ VMMIG_A_STATS_DIRTY_PAGES_RATE, READ_ONCE(fig->dirty_pages_rate) },
		{ VMMIG_A_STATS_BYTES_RATE, READ_ONCE(fig->bytes_rate) },
		{ VMMIG_A_STATS_SCAN_NS, READ_ONCE(fig->scan_ns) },
		{ VMMIG_A_STATS_FINAL_NS, READ_ONCE(fig->final_ns) },
		{ VMMIG_A_STATS_FINAL_SCAN_NS, READ_ONCE(fig->final_scan_ns) },
		{ VMMIG_A_STATS_FINAL_PAGES, READ_ONCE(fig->final_pages) },
		{ VMMIG_A_STATS_CONFIRM_NS, READ_ONCE(fig->confirm_ns) },
		{ VMMIG_A_STATS_CONFIRM_PAGES, READ_ONCE(fig->confirm_pages) },
		{ VMMIG_A_STATS_CPU_NS, sum.cpu_ns },
		{ VMMIG_A_STATS_KERNEL_BYTES, READ_ONCE(fig->kernel_bytes) },
		{ VMMIG_A_STATS_RING_EVENTS, READ_ONCE(fig->ring_events) },
		{ VMMIG_A_STATS_HOST_PAGES, sum.host_pages },
		{ VMMIG_A_STATS_UNMAPPED_PAGES, READ_ONCE(fig->unmapped_pages) },
		{ VMMIG_A_STATS_PINNED_PAGES, sum.pinned_pages },
		{ VMMIG_A_STATS_FALLBACK_CHUNKS, sum.fallback_chunks },
	};

	nest = nla_nest_start(skb, VMMIG_A_SESSION_STATS);
	if (!nest)
		return -EMSGSIZE;
	if (nla_put_u32(skb, VMMIG_A_STATS_PASS, READ_ONCE(s->pass.nr)))
		return -EMSGSIZE;
	for (i = 0; i < ARRAY_SIZE(figures); i++) {
		if (nla_put_uint(skb, figures[i].attr, figures[i].value))
			return -EMSGSIZE;
	}
	nla_nest_end(skb, nest);
	return 0;
}

static int put_session(struct sk_buff *skb, struct vmmig_session *s,
		       u32 portid, u32 seq, int flags, u8 cmd)
{
	char reason[VMMIG_REASON_LEN + 1];
	enum vmmig_state state;
	int error;
	void *hdr;

	hdr = genlmsg_put(skb, portid, seq, &vmmig_nl_family, flags, cmd);
	if (!hdr)
		return -EMSGSIZE;

	spin_lock(&s->lock);
	state = s->state;
	error = s->error;
	strscpy(reason, s->reason, sizeof(reason));
	spin_unlock(&s->lock);

	if (nla_put_u32(skb, VMMIG_A_SESSION_ID, s->id) ||
	    nla_put_u32(skb, VMMIG_A_SESSION_ROLE, s->role) ||
	    nla_put_u32(skb, VMMIG_A_SESSION_STATE, state) ||
	    nla_put_string(skb, VMMIG_A_SESSION_NAME, s->name) ||
	    nla_put_u32(skb, VMMIG_A_SESSION_STREAMS, s->nr_streams) ||
	    nla_put_uint(skb, VMMIG_A_SESSION_HELLO_NS,
			 READ_ONCE(s->fig.hello_ns)))
		goto cancel;
	if (s->role == VMMIG_ROLE_SOURCE &&
	    (nla_put_u32(skb, VMMIG_A_SESSION_TRACKING, s->tracking) ||
	     nla_put_uint(skb, VMMIG_A_SESSION_RATE_LIMIT,
			  READ_ONCE(s->rate_limit))))
		goto cancel;
	if (error && (nla_put_s32(skb, VMMIG_A_SESSION_ERROR, error) ||
		      nla_put_string(skb, VMMIG_A_SESSION_REASON, reason)))
		goto cancel;
	if (put_stats(skb, s))
		goto cancel;
	genlmsg_end(skb, hdr);
	return 0;

cancel:
	genlmsg_cancel(skb, hdr);
	return -EMSGSIZE;
}

/**
 * vmmig_netlink_notify - tell everybody who listens how a session is doing
 * @s: the session, not released
 *
 * Context: Process context, may sleep.
 */
void vmmig_netlink_notify(struct vmmig_session *s)
{
	struct sk_buff *skb;

	if (!genl_has_listeners(&vmmig_nl_family, s->net, VMMIG_NLGRP_MONITOR))
		return;
	skb = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!skb)
		return;
	if (put_session(skb, s, 0, 0, 0, VMMIG_CMD_SESSION_NTF)) {
		nlmsg_free(skb);
		return;
	}
	genlmsg_multicast_netns(&vmmig_nl_family, s->net, skb, 0,
				VMMIG_NLGRP_MONITOR, GFP_KERNEL);
}

/**
 * vmmig_nl_session_get_doit - show one session
 * @skb: the request
 * @info: its details
 *
 * Return: 0 or a negative errno.
 */
int vmmig_nl_session_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct sk_buff *reply;
	int err;

	reply = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!reply)
		return -ENOMEM;
	err = put_session(reply, info->user_ptr[0], info->snd_portid,
			  info->snd_seq, 0, VMMIG_CMD_SESSION_GET);
	if (err) {
		nlmsg_free(reply);
		return err;
	}
	return genlmsg_reply(reply, info);
}

/**
 * vmmig_nl_session_get_dumpit - show all sessions of the network namespace
 * @skb: the reply
 * @cb: state of the dump
 *
 * Return: bytes in @skb or a negative errno.
 */
int vmmig_nl_session_get_dumpit(struct sk_buff *skb,
				struct netlink_callback *cb)
{
	struct net *net = sock_net(skb->sk);
	unsigned long id = cb->args[0];
	struct vmmig_session *s;
	int err = 0;

	while ((s = vmmig_session_next(net, &id))) {
		err = put_session(skb, s, NETLINK_CB(cb->skb).portid,
				  cb->nlh->nlmsg_seq, NLM_F_MULTI,
				  VMMIG_CMD_SESSION_GET);
		vmmig_session_put(s);
		if (err)
			break;
		id++;
	}
	cb->args[0] = id;
	return skb->len ? skb->len : err;
}

#define for_each_request_attr(attr, type, info, rem)			\
	nla_for_each_attr_type(attr, type,				\
			       genlmsg_data((info)->genlhdr),		\
			       genlmsg_len((info)->genlhdr), rem)

static unsigned int count_attrs(struct genl_info *info, int type)
{
	struct nlattr *attr;
	unsigned int nr = 0;
	int rem;

	for_each_request_attr(attr, type, info, rem)
		nr++;
	return nr;
}

static int add_blocks(struct vmmig_session *s, struct genl_info *info)
{
	struct vmmig_block *block = s->blocks;
	struct nlattr *attr;
	int rem, err;

	for_each_request_attr(attr, VMMIG_A_SESSION_BLOCK, info, rem) {
		struct nlattr *tb[VMMIG_A_BLOCK_MAX + 1];

		err = nla_parse_nested(tb, VMMIG_A_BLOCK_MAX, attr,
				       vmmig_block_nl_policy, info->extack);
		if (err)
			return err;
		if (!tb[VMMIG_A_BLOCK_ID] || !tb[VMMIG_A_BLOCK_FD] ||
		    !nla_len(tb[VMMIG_A_BLOCK_ID])) {
			NL_SET_ERR_MSG_ATTR(info->extack, attr,
					    "RAM block: needs an id and a file descriptor");
			return -EINVAL;
		}
		nla_strscpy(block->id, tb[VMMIG_A_BLOCK_ID], sizeof(block->id));
		if (!block->id[0]) {
			NL_SET_ERR_MSG_ATTR(info->extack, attr,
					    "RAM block: the id is empty");
			return -EINVAL;
		}
		err = vmmig_block_open(block, nla_get_s32(tb[VMMIG_A_BLOCK_FD]),
				       s->role == VMMIG_ROLE_DESTINATION,
				       info->extack);
		if (err)
			return err;
		block++;
	}
	return 0;
}

static int add_sockets(struct vmmig_session *s, struct genl_info *info)
{
	struct vmmig_stream *stream = s->streams, *other;
	struct nlattr *attr;
	int rem;

	for_each_request_attr(attr, VMMIG_A_SESSION_SOCK_FD, info, rem) {
		struct socket *sock;

		sock = vmmig_sock_get(nla_get_s32(attr), genl_info_net(info),
				      info->extack);
		if (IS_ERR(sock))
			return PTR_ERR(sock);
		stream->sock = sock;
		for (other = s->streams; other < stream; other++) {
			if (other->sock == sock) {
				NL_SET_ERR_MSG_ATTR(info->extack, attr,
						    "socket: given twice");
				return -EINVAL;
			}
		}
		stream++;
	}
	return 0;
}

static int add_vm(struct vmmig_session *s, struct genl_info *info)
{
	struct nlattr *attr = info->attrs[VMMIG_A_SESSION_VM_FD];

	if (!attr)
		return 0;
	s->vm_file = fget(nla_get_s32(attr));
	if (!s->vm_file) {
		NL_SET_ERR_MSG_ATTR(info->extack, attr,
				    "VM: not an open file descriptor");
		return -EBADF;
	}
	s->kvm = vmmig_vm_from_file(s->vm_file);
	if (!s->kvm) {
		NL_SET_ERR_MSG_ATTR(info->extack, attr,
				    "VM: the file descriptor is not a KVM VM (anon_inode:kvm-vm)");
		return -EINVAL;
	}
	if (vmmig_vm_gone(s->kvm)) {
		NL_SET_ERR_MSG_ATTR(info->extack, attr,
				    "VM: its process has exited");
		return -ESRCH;
	}
	return 0;
}

#define NO_MEMORY "no memory for the session on this host; free some and try again"

static int start_session(struct sk_buff *skb, struct genl_info *info,
			 enum vmmig_role role)
{
	unsigned int nr_blocks = count_attrs(info, VMMIG_A_SESSION_BLOCK);
	unsigned int nr_socks = count_attrs(info, VMMIG_A_SESSION_SOCK_FD);
	struct vmmig_session *s;
	struct sk_buff *reply;
	void *hdr;
	int err;

	err = check_permission(skb, info);
	if (err)
		return err;
	if (!nr_blocks || nr_blocks > VMMIG_MAX_BLOCKS) {
		NL_SET_ERR_MSG(info->extack, "give 1 to 16 RAM blocks");
		return -EINVAL;
	}
	if (!nr_socks || nr_socks > VMMIG_MAX_STREAMS) {
		NL_SET_ERR_MSG(info->extack, "give 1 to 8 connected sockets");
		return -EINVAL;
	}

	s = vmmig_session_new(genl_info_net(info), role, nr_blocks, nr_socks);
	if (!s) {
		NL_SET_ERR_MSG(info->extack, NO_MEMORY);
		return -ENOMEM;
	}
	if (info->attrs[VMMIG_A_SESSION_NAME])
		nla_strscpy(s->name, info->attrs[VMMIG_A_SESSION_NAME],
			    sizeof(s->name));
	if (role == VMMIG_ROLE_SOURCE) {
		if (info->attrs[VMMIG_A_SESSION_TRACKING])
			s->tracking = nla_get_u32(info->attrs[VMMIG_A_SESSION_TRACKING]);
		if (info->attrs[VMMIG_A_SESSION_RATE_LIMIT])
			s->rate_limit = nla_get_uint(info->attrs[VMMIG_A_SESSION_RATE_LIMIT]);
	}

	err = add_vm(s, info);
	if (!err)
		err = add_blocks(s, info);
	if (!err)
		err = add_sockets(s, info);
	if (!err)
		err = vmmig_session_check(s, info->extack);
	if (err)
		goto abandon;

	/* Before the start: who gets no reply must not have a session. */
	err = -ENOMEM;
	reply = genlmsg_new(nla_total_size(sizeof(u32)), GFP_KERNEL);
	if (!reply)
		goto abandon;
	hdr = genlmsg_put_reply(reply, info, &vmmig_nl_family, 0,
				info->genlhdr->cmd);
	err = hdr ? vmmig_session_start(s, info->extack) : -EMSGSIZE;
	if (err)
		goto free_reply;

	/* There is room for it. */
	WARN_ON_ONCE(nla_put_u32(reply, VMMIG_A_SESSION_ID, s->id));
	vmmig_session_put(s);
	genlmsg_end(reply, hdr);
	return genlmsg_reply(reply, info);

free_reply:
	nlmsg_free(reply);
abandon:
	if (err == -ENOMEM)
		NL_SET_ERR_MSG(info->extack, NO_MEMORY);
	vmmig_session_abandon(s);
	return err;
}

/**
 * vmmig_nl_session_send_doit - make a session at the source
 * @skb: the request
 * @info: its details
 *
 * Return: 0 or a negative errno.
 */
int vmmig_nl_session_send_doit(struct sk_buff *skb, struct genl_info *info)
{
	return start_session(skb, info, VMMIG_ROLE_SOURCE);
}

/**
 * vmmig_nl_session_receive_doit - make a session at the destination
 * @skb: the request
 * @info: its details
 *
 * Return: 0 or a negative errno.
 */
int vmmig_nl_session_receive_doit(struct sk_buff *skb, struct genl_info *info)
{
	return start_session(skb, info, VMMIG_ROLE_DESTINATION);
}

/**
 * vmmig_nl_session_set_doit - change a running session
 * @skb: the request
 * @info: its details
 *
 * Return: 0 or a negative errno.
 */
int vmmig_nl_session_set_doit(struct sk_buff *skb, struct genl_info *info)
{
	if (GENL_REQ_ATTR_CHECK(info, VMMIG_A_SESSION_RATE_LIMIT)) {
		NL_SET_ERR_MSG(info->extack, "nothing to change, give a bandwidth limit");
		return -EINVAL;
	}
	return vmmig_session_set_rate(info->user_ptr[0],
				      nla_get_uint(info->attrs[VMMIG_A_SESSION_RATE_LIMIT]),
				      info->extack);
}

/**
 * vmmig_nl_session_finalize_doit - ask for the final sync
 * @skb: the request
 * @info: its details
 *
 * Return: 0 or a negative errno.
 */
int vmmig_nl_session_finalize_doit(struct sk_buff *skb, struct genl_info *info)
{
	return vmmig_session_finalize(info->user_ptr[0],
				      info->attrs[VMMIG_A_SESSION_HOLD],
				      info->extack);
}

/**
 * vmmig_nl_session_cancel_doit - ask for the end
 * @skb: the request
 * @info: its details
 *
 * Return: 0 or a negative errno.
 */
int vmmig_nl_session_cancel_doit(struct sk_buff *skb, struct genl_info *info)
{
	return vmmig_session_cancel(info->user_ptr[0], info->extack);
}
