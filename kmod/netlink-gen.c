// SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause)
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/vmmig.yaml */
/* YNL-GEN kernel source */

#include <net/netlink.h>
#include <net/genetlink.h>

#include "netlink-gen.h"

#include <uapi/linux/vmmig.h>

/* Common nested types */
const struct nla_policy vmmig_block_nl_policy[VMMIG_A_BLOCK_FD + 1] = {
	[VMMIG_A_BLOCK_ID] = { .type = NLA_NUL_STRING, .len = VMMIG_BLOCK_ID_LEN, },
	[VMMIG_A_BLOCK_FD] = NLA_POLICY_MIN(NLA_S32, 0),
};

/* VMMIG_CMD_SESSION_GET - do */
static const struct nla_policy vmmig_session_get_nl_policy[VMMIG_A_SESSION_ID + 1] = {
	[VMMIG_A_SESSION_ID] = NLA_POLICY_MIN(NLA_U32, 1),
};

/* VMMIG_CMD_SESSION_SEND - do */
static const struct nla_policy vmmig_session_send_nl_policy[VMMIG_A_SESSION_RATE_LIMIT + 1] = {
	[VMMIG_A_SESSION_NAME] = { .type = NLA_NUL_STRING, .len = 63, },
	[VMMIG_A_SESSION_VM_FD] = NLA_POLICY_MIN(NLA_S32, 0),
	[VMMIG_A_SESSION_BLOCK] = NLA_POLICY_NESTED(vmmig_block_nl_policy),
	[VMMIG_A_SESSION_SOCK_FD] = NLA_POLICY_MIN(NLA_S32, 0),
	[VMMIG_A_SESSION_TRACKING] = NLA_POLICY_MAX(NLA_U32, 2),
	[VMMIG_A_SESSION_RATE_LIMIT] = { .type = NLA_UINT, },
};

/* VMMIG_CMD_SESSION_RECEIVE - do */
static const struct nla_policy vmmig_session_receive_nl_policy[VMMIG_A_SESSION_SOCK_FD + 1] = {
	[VMMIG_A_SESSION_NAME] = { .type = NLA_NUL_STRING, .len = 63, },
	[VMMIG_A_SESSION_VM_FD] = NLA_POLICY_MIN(NLA_S32, 0),
	[VMMIG_A_SESSION_BLOCK] = NLA_POLICY_NESTED(vmmig_block_nl_policy),
	[VMMIG_A_SESSION_SOCK_FD] = NLA_POLICY_MIN(NLA_S32, 0),
};

/* VMMIG_CMD_SESSION_SET - do */
static const struct nla_policy vmmig_session_set_nl_policy[VMMIG_A_SESSION_RATE_LIMIT + 1] = {
	[VMMIG_A_SESSION_ID] = NLA_POLICY_MIN(NLA_U32, 1),
	[VMMIG_A_SESSION_RATE_LIMIT] = { .type = NLA_UINT, },
};

/* VMMIG_CMD_SESSION_FINALIZE - do */
static const struct nla_policy vmmig_session_finalize_nl_policy[VMMIG_A_SESSION_HOLD + 1] = {
	[VMMIG_A_SESSION_ID] = NLA_POLICY_MIN(NLA_U32, 1),
	[VMMIG_A_SESSION_HOLD] = { .type = NLA_FLAG, },
};

/* VMMIG_CMD_SESSION_CANCEL - do */
static const struct nla_policy vmmig_session_cancel_nl_policy[VMMIG_A_SESSION_ID + 1] = {
	[VMMIG_A_SESSION_ID] = NLA_POLICY_MIN(NLA_U32, 1),
};

/* Ops table for vmmig */
static const struct genl_split_ops vmmig_nl_ops[] = {
	{
		.cmd		= VMMIG_CMD_SESSION_GET,
		.pre_doit	= vmmig_nl_pre_doit,
		.doit		= vmmig_nl_session_get_doit,
		.post_doit	= vmmig_nl_post_doit,
		.policy		= vmmig_session_get_nl_policy,
		.maxattr	= VMMIG_A_SESSION_ID,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd	= VMMIG_CMD_SESSION_GET,
		.dumpit	= vmmig_nl_session_get_dumpit,
		.flags	= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= VMMIG_CMD_SESSION_SEND,
		.doit		= vmmig_nl_session_send_doit,
		.policy		= vmmig_session_send_nl_policy,
		.maxattr	= VMMIG_A_SESSION_RATE_LIMIT,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= VMMIG_CMD_SESSION_RECEIVE,
		.doit		= vmmig_nl_session_receive_doit,
		.policy		= vmmig_session_receive_nl_policy,
		.maxattr	= VMMIG_A_SESSION_SOCK_FD,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= VMMIG_CMD_SESSION_SET,
		.pre_doit	= vmmig_nl_pre_doit,
		.doit		= vmmig_nl_session_set_doit,
		.post_doit	= vmmig_nl_post_doit,
		.policy		= vmmig_session_set_nl_policy,
		.maxattr	= VMMIG_A_SESSION_RATE_LIMIT,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= VMMIG_CMD_SESSION_FINALIZE,
		.pre_doit	= vmmig_nl_pre_doit,
		.doit		= vmmig_nl_session_finalize_doit,
		.post_doit	= vmmig_nl_post_doit,
		.policy		= vmmig_session_finalize_nl_policy,
		.maxattr	= VMMIG_A_SESSION_HOLD,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= VMMIG_CMD_SESSION_CANCEL,
		.pre_doit	= vmmig_nl_pre_doit,
		.doit		= vmmig_nl_session_cancel_doit,
		.post_doit	= vmmig_nl_post_doit,
		.policy		= vmmig_session_cancel_nl_policy,
		.maxattr	= VMMIG_A_SESSION_ID,
		.flags		= GENL_CMD_CAP_DO,
	},
};

static const struct genl_multicast_group vmmig_nl_mcgrps[] = {
	[VMMIG_NLGRP_MONITOR] = { "monitor", },
};

struct genl_family vmmig_nl_family __ro_after_init = {
	.name		= VMMIG_FAMILY_NAME,
	.version	= VMMIG_FAMILY_VERSION,
	.netnsok	= true,
	.parallel_ops	= true,
	.module		= THIS_MODULE,
	.split_ops	= vmmig_nl_ops,
	.n_split_ops	= ARRAY_SIZE(vmmig_nl_ops),
	.mcgrps		= vmmig_nl_mcgrps,
	.n_mcgrps	= ARRAY_SIZE(vmmig_nl_mcgrps),
};
