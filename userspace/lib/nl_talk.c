// SPDX-License-Identifier: GPL-2.0
/* One request and its replies; the kernel's sentence if it refuses. */
#include <errno.h>
#include <string.h>
#include <linux/netlink.h>

#include "nl_priv.h"

/* NLMSGERR_ATTR_MISS_TYPE, which headers before 6.1 lack. */
#define MISS_TYPE	5

struct talk {
	nl_reply_cb cb;
	void *arg;
	const char *what;
	struct vmmig_error *err;
	bool done;
	bool interrupted;
	int rc;
};

struct nl_msg *nl_request_new(const struct vmmig_nl *nl, int flags, uint8_t cmd)
{
	struct nl_msg *msg = nlmsg_alloc_size(16 * 1024);

	if (!msg)
		return NULL;
	if (!genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, nl->family, 0,
			 flags, cmd, VMMIG_FAMILY_VERSION)) {
		nlmsg_free(msg);
		return NULL;
	}
	return msg;
}

/* For refusals that come without a sentence, mostly from genetlink itself. */
static void explain(struct talk *t, int code)
{
	switch (-code) {
	case EPERM:
	case EACCES:
		vmmig_fail(t->err, code, "%s: no permission; run it as root of the host; CAP_SYS_ADMIN of a container is not enough",
			   t->what);
		break;
	case ENOENT:
	case ESRCH:
		vmmig_fail(t->err, code, "%s: does not exist; \"vmmigctl status\" lists those that do",
			   t->what);
		break;
	case EOPNOTSUPP:
		vmmig_fail(t->err, code, "%s: the module does not know this request; install module and tools from one version",
			   t->what);
		break;
	default:
		vmmig_fail(t->err, code, "%s: %s; the kernel log may tell more",
			   t->what, strerror(-code));
	}
}

/* attrs: what follows the error number in an NLMSG_ERROR or NLMSG_DONE. */
static void refuse(struct talk *t, int code, struct nlattr *attrs, int len)
{
	struct nlattr *msg = NULL, *missing = NULL;
	char text[sizeof(t->err->text)];

	t->rc = code;
	t->done = true;
	if (len > 0) {
		msg = nla_find(attrs, len, NLMSGERR_ATTR_MSG);
		missing = nla_find(attrs, len, MISS_TYPE);
	}
	if (!msg && missing && nla_len(missing) >= (int)sizeof(uint32_t)) {
		vmmig_fail(t->err, code, "%s: the module misses attribute %u in the request; install module and tools from one version",
			   t->what, nla_get_u32(missing));
		return;
	}
	if (!msg) {
		explain(t, code);
		return;
	}
	nl_get_text(text, msg, sizeof(text));
	vmmig_fail(t->err, code, "%s: %s", t->what, text);
}

static int on_error(struct sockaddr_nl *from, struct nlmsgerr *e, void *arg)
{
	struct nlmsghdr *nlh = (struct nlmsghdr *)e - 1;
	size_t off = sizeof(*e), len = nlmsg_datalen(nlh);

	(void)from;
	/* The copy of the request sits between the number and the attributes. */
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED) &&
	    e->msg.nlmsg_len >= sizeof(e->msg))
		off += e->msg.nlmsg_len - sizeof(e->msg);
	off = NLMSG_ALIGN(off);
	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS) || off > len)
		off = len;
	refuse(arg, e->error, (struct nlattr *)((char *)e + off), len - off);
	return NL_STOP;
}

static int on_ack(struct nl_msg *msg, void *arg)
{
	struct talk *t = arg;

	(void)msg;
	t->done = true;
	return NL_STOP;
}

static int on_finish(struct nl_msg *msg, void *arg)
{
	struct nlmsghdr *nlh = nlmsg_hdr(msg);
	struct talk *t = arg;
	int code = 0, len = nlmsg_datalen(nlh);

	t->done = true;
	if (len >= (int)sizeof(code))
		memcpy(&code, nlmsg_data(nlh), sizeof(code));
	if (code < 0)
		refuse(t, code,
		       (struct nlattr *)((char *)nlmsg_data(nlh) + NLMSG_ALIGN(sizeof(code))),
		       len - (int)NLMSG_ALIGN(sizeof(code)));
	return NL_STOP;
}

static int on_interrupted(struct nl_msg *msg, void *arg)
{
	(void)msg;
	((struct talk *)arg)->interrupted = true;
	return NL_OK;
}

static int on_valid(struct nl_msg *msg, void *arg)
{
	struct talk *t = arg;
	int rc;

	if (t->cb && !t->rc) {
		rc = t->cb(nlmsg_hdr(msg), t->arg, t->err);
		if (rc)
			t->rc = rc;
	}
	return NL_OK;
}

int nl_talk(struct vmmig_nl *nl, struct nl_msg *msg, nl_reply_cb cb, void *arg,
	    const char *what, struct vmmig_error *err)
{
	struct talk t = { .cb = cb, .arg = arg, .what = what, .err = err };
	struct nl_cb *set = nl_cb_alloc(NL_CB_DEFAULT);
	int rc;

	if (!set) {
		nlmsg_free(msg);
		return vmmig_fail(err, -ENOMEM, "netlink: out of memory");
	}
	nl_cb_err(set, NL_CB_CUSTOM, on_error, &t);
	nl_cb_set(set, NL_CB_ACK, NL_CB_CUSTOM, on_ack, &t);
	nl_cb_set(set, NL_CB_FINISH, NL_CB_CUSTOM, on_finish, &t);
	nl_cb_set(set, NL_CB_VALID, NL_CB_CUSTOM, on_valid, &t);
	nl_cb_set(set, NL_CB_DUMP_INTR, NL_CB_CUSTOM, on_interrupted, &t);

	rc = nl_send_auto(nl->request, msg);
	nlmsg_free(msg);
	while (rc >= 0 && !t.done)
		rc = nl_recvmsgs(nl->request, set);
	nl_cb_put(set);

	if (t.rc)
		return t.rc;
	if (rc < 0)
		return vmmig_fail(err, nl_errno(rc), "%s: netlink: %s", what,
				  nl_geterror(rc));
	if (t.interrupted)
		return vmmig_fail(err, -EAGAIN, "%s: the list changed while it was read; try again",
				  what);
	return 0;
}
