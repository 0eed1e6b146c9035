// SPDX-License-Identifier: GPL-2.0
/*
 * Netlink without the module: messages are built here and parsed, and a
 * family that every kernel has gives replies and refusals.
 */
#include <errno.h>
#include <linux/ethtool_netlink.h>
#include <string.h>

#include "../lib/nl_priv.h"
#include "tap.h"

static struct nl_msg *message(void)
{
	struct nl_msg *msg = nlmsg_alloc();

	genlmsg_put(msg, 0, 0, 99, 0, 0, VMMIG_CMD_SESSION_NTF, 1);
	nla_put_u32(msg, VMMIG_A_SESSION_ID, 7);
	nla_put_u32(msg, VMMIG_A_SESSION_STATE, VMMIG_STATE_FAILED);
	return msg;
}

static int parse(struct nl_msg *msg, struct vmmig_session *s)
{
	int rc = nl_parse_session(nlmsg_hdr(msg), s);

	nlmsg_free(msg);
	return rc;
}

static void test_complete(void)
{
	struct nl_msg *msg = message();
	struct vmmig_session s;
	struct nlattr *nest;
	size_t i;

	nla_put_u32(msg, VMMIG_A_SESSION_ROLE, VMMIG_ROLE_DESTINATION);
	nla_put_u32(msg, VMMIG_A_SESSION_TRACKING, VMMIG_TRACKING_RING);
	nla_put_string(msg, VMMIG_A_SESSION_NAME, "vm1");
	nl_put_uint(msg, VMMIG_A_SESSION_RATE_LIMIT, UINT32_MAX);
	nl_put_uint(msg, VMMIG_A_SESSION_HELLO_NS, UINT32_MAX + 1ULL);
	nla_put_string(msg, VMMIG_A_SESSION_REASON, "it\033[2J broke");
	nla_put_s32(msg, VMMIG_A_SESSION_ERROR, -EPIPE);
	nla_put_u32(msg, VMMIG_A_SESSION_STREAMS, 4);
	nest = nla_nest_start(msg, VMMIG_A_SESSION_STATS);
	for (i = 1; i <= VMMIG_A_STATS_MAX; i++) {
		if (i == VMMIG_A_STATS_PASS)
			nla_put_u32(msg, i, i);
		else if (i != VMMIG_A_STATS_PAD)
			nl_put_uint(msg, i, i % 2 ? i : i << 32);
	}
	nla_nest_end(msg, nest);

	ok(nla_len(nlmsg_find_attr(nlmsg_hdr(msg), GENL_HDRLEN,
				   VMMIG_A_SESSION_RATE_LIMIT)) == 4 &&
	   nla_len(nlmsg_find_attr(nlmsg_hdr(msg), GENL_HDRLEN,
				   VMMIG_A_SESSION_HELLO_NS)) == 8,
	   "uint is sent with 4 or 8 bytes");
	ok(!parse(msg, &s), "complete message");
	ok(s.id == 7 && s.role == VMMIG_ROLE_DESTINATION &&
	   s.state == VMMIG_STATE_FAILED &&
	   s.tracking == VMMIG_TRACKING_RING && s.streams == 4 &&
	   s.error == -EPIPE && !strcmp(s.name, "vm1"), "plain attributes");
	ok(s.rate_limit == UINT32_MAX && s.hello_ns == UINT32_MAX + 1ULL,
	   "uint of 4 and of 8 bytes");
	ok(!strcmp(s.reason, "it?[2J broke"),
	   "a reason cannot control the terminal");
	for (i = 0; i < vmmig_nr_stats_fields; i++) {
		uint64_t attr = vmmig_stats_fields[i].attr;
		uint64_t v = vmmig_stats_value(&s.stats,
					       &vmmig_stats_fields[i]);

		if (v != (attr % 2 || attr == VMMIG_A_STATS_PASS ? attr : attr << 32))
			break;
	}
	ok(i == vmmig_nr_stats_fields, "every counter finds its place");
	ok(s.stats.pass == VMMIG_A_STATS_PASS &&
	   s.stats.elapsed_ns == (uint64_t)VMMIG_A_STATS_ELAPSED_NS << 32,
	   "two counters by name");
}

static void test_broken(void)
{
	char text[VMMIG_REASON_LEN + 100];
	struct vmmig_session s;
	struct nl_msg *msg;
	struct nlattr *nest;

	ok(!parse(message(), &s) && !s.streams && !s.reason[0],
	   "what was not sent is zero");

	msg = nlmsg_alloc();
	genlmsg_put(msg, 0, 0, 99, 0, 0, VMMIG_CMD_SESSION_NTF, 1);
	ok(parse(msg, &s) == -EBADMSG, "message without an id");

	msg = nlmsg_alloc();
	nlmsg_put(msg, 0, 0, 99, 0, 0);
	ok(parse(msg, &s) == -EBADMSG, "message without a genetlink header");

	msg = message();
	nla_put_u16(msg, VMMIG_A_SESSION_HELLO_NS, 1);
	ok(parse(msg, &s), "uint of 2 bytes");

	msg = message();
	nla_put(msg, VMMIG_A_SESSION_RATE_LIMIT, 6, "123456");
	ok(parse(msg, &s), "uint of 6 bytes");

	msg = message();
	nest = nla_nest_start(msg, VMMIG_A_SESSION_STATS);
	nla_put(msg, VMMIG_A_STATS_BYTES, 12, "123456789012");
	nla_nest_end(msg, nest);
	ok(parse(msg, &s), "counter of 12 bytes");

	/* Longer than our field, and without a terminating zero. */
	memset(text, 'x', sizeof(text));
	msg = message();
	nla_put(msg, VMMIG_A_SESSION_REASON, sizeof(text), text);
	nla_put(msg, VMMIG_A_SESSION_NAME, 100, text);
	ok(!parse(msg, &s) && strlen(s.reason) == VMMIG_REASON_LEN &&
	   strlen(s.name) == 63, "long texts are cut");

	msg = message();
	nla_put(msg, VMMIG_A_SESSION_REASON, 0, NULL);
	ok(!parse(msg, &s) && !s.reason[0], "empty text without a zero");

	msg = message();
	nla_put_u32(msg, VMMIG_A_SESSION_MAX + 5, 1);
	ok(!parse(msg, &s), "attribute of a newer module");
}

static int count(struct nlmsghdr *nlh, void *arg, struct vmmig_error *err)
{
	(void)nlh;
	(void)err;
	++*(int *)arg;
	return 0;
}

static int refuse(struct nlmsghdr *nlh, void *arg, struct vmmig_error *err)
{
	(void)nlh;
	(void)arg;
	return vmmig_fail(err, -EBADMSG, "refused");
}

static void test_talk(void)
{
	struct vmmig_nl nl = { .family = GENL_ID_CTRL };
	struct vmmig_error err = { "" };
	struct nl_msg *msg;
	int nr = 0, rc, family;

	if (nl_sock_open(&nl.request, &err)) {
		skip("requests", "no netlink here");
		return;
	}
	msg = nl_request_new(&nl, NLM_F_DUMP, CTRL_CMD_GETFAMILY);
	ok(!nl_talk(&nl, msg, count, &nr, "x", &err) && nr > 1,
	   "dump has several replies");

	msg = nl_request_new(&nl, NLM_F_DUMP, CTRL_CMD_GETFAMILY);
	ok(nl_talk(&nl, msg, refuse, NULL, "x", &err) == -EBADMSG,
	   "failed callback ends a dump");

	nr = 0;
	msg = nl_request_new(&nl, 0, CTRL_CMD_GETFAMILY);
	nla_put_string(msg, CTRL_ATTR_FAMILY_NAME, "nlctrl");
	ok(!nl_talk(&nl, msg, count, &nr, "x", &err) && nr == 1,
	   "one reply, and nothing left of the dump before");

	msg = nl_request_new(&nl, 0, CTRL_CMD_GETFAMILY);
	nla_put_string(msg, CTRL_ATTR_FAMILY_NAME, "vmmig-none");
	ok(nl_talk(&nl, msg, count, &nr, "session 9", &err) == -ENOENT &&
	   !strncmp(err.text, "session 9: does not exist; ", 27),
	   "refusal without a sentence gets one: %s", err.text);

	msg = nl_request_new(&nl, 0, 250);
	ok(nl_talk(&nl, msg, NULL, NULL, "x", &err) == -EOPNOTSUPP &&
	   strstr(err.text, "one version"), "unknown request: %s", err.text);

	/* Strict policy, so the kernel names what is wrong. */
	family = genl_ctrl_resolve(nl.request, "ethtool");
	if (family < 0) {
		skip("sentence of the kernel", "no family ethtool");
	} else {
		nl.family = family;
		msg = nl_request_new(&nl, 0, ETHTOOL_MSG_LINKINFO_GET);
		rc = nl_talk(&nl, msg, NULL, NULL, "x", &err);
		ok(rc == -EINVAL && err.text[0] == 'x' && err.text[1] == ':',
		   "missing attribute: %s", err.text);

		msg = nl_request_new(&nl, 0, ETHTOOL_MSG_LINKINFO_GET);
		nla_put_u32(msg, 1000, 1);
		rc = nl_talk(&nl, msg, NULL, NULL, "x", &err);
		ok(rc == -EINVAL && strstr(err.text, "nknown attribute"),
		   "sentence of the kernel: %s", err.text);
	}
	nl_socket_free(nl.request);
}

static void test_open(void)
{
	struct vmmig_error err = { "" };
	struct vmmig_nl *nl = NULL;
	int rc = vmmig_nl_open(&nl, &err);

	if (!rc) {
		skip("missing module is told", "it is there");
		vmmig_nl_close(nl);
		return;
	}
	ok(strstr(err.text, "modprobe vmmig") != NULL,
	   "missing module is told: %s", err.text);
	vmmig_nl_close(NULL);
}

int main(void)
{
	test_complete();
	test_broken();
	test_talk();
	test_open();
	return tap_end();
}
