/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/vmmig.yaml */
/* YNL-GEN kernel header */

#ifndef _LINUX_VMMIG_GEN_H
#define _LINUX_VMMIG_GEN_H

#include <net/netlink.h>
#include <net/genetlink.h>

#include <uapi/linux/vmmig.h>

/* Common nested types */
extern const struct nla_policy vmmig_block_nl_policy[VMMIG_A_BLOCK_FD + 1];

int vmmig_nl_pre_doit(const struct genl_split_ops *ops, struct sk_buff *skb,
		      struct genl_info *info);
void
vmmig_nl_post_doit(const struct genl_split_ops *ops, struct sk_buff *skb,
		   struct genl_info *info);

int vmmig_nl_session_get_doit(struct sk_buff *skb, struct genl_info *info);
int vmmig_nl_session_get_dumpit(struct sk_buff *skb,
				struct netlink_callback *cb);
int vmmig_nl_session_send_doit(struct sk_buff *skb, struct genl_info *info);
int vmmig_nl_session_receive_doit(struct sk_buff *skb, struct genl_info *info);
int vmmig_nl_session_set_doit(struct sk_buff *skb, struct genl_info *info);
int vmmig_nl_session_finalize_doit(struct sk_buff *skb, struct genl_info *info);
int vmmig_nl_session_cancel_doit(struct sk_buff *skb, struct genl_info *info);

enum {
	VMMIG_NLGRP_MONITOR,
};

extern struct genl_family vmmig_nl_family;

#endif /* _LINUX_VMMIG_GEN_H */
