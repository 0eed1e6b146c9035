// SPDX-License-Identifier: GPL-2.0
/* The requests of the family vmmig. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nl_priv.h"

/* Sessions change while they are listed; this often the list is read again. */
#define DUMP_TRIES	8
#define DUMP_MAX	65536

struct what {
	char text[32];
};

static struct what name_session(uint32_t id)
{
	struct what w;

	snprintf(w.text, sizeof(w.text), "session %u", id);
	return w;
}

static int no_memory(struct vmmig_error *err)
{
	return vmmig_fail(err, -ENOMEM, "netlink: out of memory");
}

static int bad_reply(struct vmmig_error *err)
{
	return vmmig_fail(err, -EBADMSG, "netlink: the module's reply cannot be understood; install module and tools from one version");
}

static int on_id(struct nlmsghdr *nlh, void *arg, struct vmmig_error *err)
{
	return nl_parse_id(nlh, arg) ? bad_reply(err) : 0;
}

static int on_session(struct nlmsghdr *nlh, void *arg, struct vmmig_error *err)
{
	return nl_parse_session(nlh, arg) ? bad_reply(err) : 0;
}

static int check_start(const struct vmmig_start *start, const char *what,
		       struct vmmig_error *err)
{
	size_t len;

	if (!start->nr_blocks || start->nr_blocks > VMMIG_MAX_BLOCKS)
		return vmmig_fail(err, -EINVAL, "%s: %u RAM blocks; give 1 to %u",
				  what, start->nr_blocks, VMMIG_MAX_BLOCKS);
	if (!start->nr_socks || start->nr_socks > VMMIG_MAX_STREAMS)
		return vmmig_fail(err, -EINVAL, "%s: %u streams; give 1 to %u",
				  what, start->nr_socks, VMMIG_MAX_STREAMS);
	if (start->name && strlen(start->name) > 63)
		return vmmig_fail(err, -EINVAL, "%s: the name is longer than 63 bytes; shorten it",
				  what);
	for (unsigned int i = 0; i < start->nr_blocks; i++) {
		len = strlen(start->blocks[i].id);
		if (!len || len > VMMIG_BLOCK_ID_LEN)
			return vmmig_fail(err, -EINVAL, "%s: the id of RAM block %u has %zu bytes; give 1 to %u",
					  what, i, len, VMMIG_BLOCK_ID_LEN);
	}
	return 0;
}

static int put_block(struct nl_msg *msg, const struct vmmig_block *b)
{
	struct nlattr *nest;

	/* libnl before 3.5 does not set the flag, which the kernel insists on. */
	nest = nla_nest_start(msg, VMMIG_A_SESSION_BLOCK | NLA_F_NESTED);
	if (!nest || nla_put_string(msg, VMMIG_A_BLOCK_ID, b->id) ||
	    nla_put_s32(msg, VMMIG_A_BLOCK_FD, b->fd))
		return -1;
	nla_nest_end(msg, nest);
	return 0;
}

static int put_start(struct nl_msg *msg, const struct vmmig_start *start)
{
	unsigned int i;

	if (start->name && *start->name &&
	    nla_put_string(msg, VMMIG_A_SESSION_NAME, start->name))
		return -1;
	if (start->vm_fd >= 0 &&
	    nla_put_s32(msg, VMMIG_A_SESSION_VM_FD, start->vm_fd))
		return -1;
	for (i = 0; i < start->nr_blocks; i++)
		if (put_block(msg, &start->blocks[i]))
			return -1;
	for (i = 0; i < start->nr_socks; i++)
		if (nla_put_s32(msg, VMMIG_A_SESSION_SOCK_FD, start->socks[i]))
			return -1;
	return 0;
}

static int start_session(struct vmmig_nl *nl, uint8_t cmd, const char *what,
			 const struct vmmig_start *start, uint32_t *id,
			 struct vmmig_error *err)
{
	bool source = cmd == VMMIG_CMD_SESSION_SEND;
	struct nl_msg *msg;
	int rc;

	rc = check_start(start, what, err);
	if (rc)
		return rc;

	msg = nl_request_new(nl, 0, cmd);
	if (!msg)
		return no_memory(err);
	if (put_start(msg, start) ||
	    (source && nla_put_u32(msg, VMMIG_A_SESSION_TRACKING,
				   start->tracking)) ||
	    (source && start->rate_limit &&
	     nl_put_uint(msg, VMMIG_A_SESSION_RATE_LIMIT,
			 start->rate_limit))) {
		nlmsg_free(msg);
		return no_memory(err);
	}

	*id = 0;
	rc = nl_talk(nl, msg, on_id, id, what, err);
	if (!rc && !*id)
		rc = bad_reply(err);
	return rc;
}

int vmmig_nl_send(struct vmmig_nl *nl, const struct vmmig_start *start,
		  uint32_t *id, struct vmmig_error *err)
{
	return start_session(nl, VMMIG_CMD_SESSION_SEND, "send", start, id,
			     err);
}

int vmmig_nl_receive(struct vmmig_nl *nl, const struct vmmig_start *start,
		     uint32_t *id, struct vmmig_error *err)
{
	return start_session(nl, VMMIG_CMD_SESSION_RECEIVE, "receive", start,
			     id, err);
}

static struct nl_msg *session_request(struct vmmig_nl *nl, uint8_t cmd,
				      uint32_t id)
{
	struct nl_msg *msg = nl_request_new(nl, 0, cmd);

	if (msg && nla_put_u32(msg, VMMIG_A_SESSION_ID, id)) {
		nlmsg_free(msg);
		return NULL;
	}
	return msg;
}

int vmmig_nl_set_rate(struct vmmig_nl *nl, uint32_t id, uint64_t rate,
		      struct vmmig_error *err)
{
	struct nl_msg *msg = session_request(nl, VMMIG_CMD_SESSION_SET, id);

	if (!msg)
		return no_memory(err);
	if (nl_put_uint(msg, VMMIG_A_SESSION_RATE_LIMIT, rate)) {
		nlmsg_free(msg);
		return no_memory(err);
	}
	return nl_talk(nl, msg, NULL, NULL, name_session(id).text, err);
}

int vmmig_nl_finalize(struct vmmig_nl *nl, uint32_t id, bool hold,
		      struct vmmig_error *err)
{
	struct nl_msg *msg;

	msg = session_request(nl, VMMIG_CMD_SESSION_FINALIZE, id);
	if (!msg)
		return no_memory(err);
	if (hold && nla_put_flag(msg, VMMIG_A_SESSION_HOLD)) {
		nlmsg_free(msg);
		return no_memory(err);
	}
	return nl_talk(nl, msg, NULL, NULL, name_session(id).text, err);
}

int vmmig_nl_cancel(struct vmmig_nl *nl, uint32_t id, struct vmmig_error *err)
{
	struct nl_msg *msg = session_request(nl, VMMIG_CMD_SESSION_CANCEL, id);

	if (!msg)
		return no_memory(err);
	return nl_talk(nl, msg, NULL, NULL, name_session(id).text, err);
}

int vmmig_nl_get(struct vmmig_nl *nl, uint32_t id, struct vmmig_session *s,
		 struct vmmig_error *err)
{
	struct nl_msg *msg = session_request(nl, VMMIG_CMD_SESSION_GET, id);
	int rc;

	if (!msg)
		return no_memory(err);
	memset(s, 0, sizeof(*s));
	rc = nl_talk(nl, msg, on_session, s, name_session(id).text, err);
	if (!rc && s->id != id)
		rc = bad_reply(err);
	return rc;
}

struct list {
	struct vmmig_session *all;
	size_t nr, room;
};

static int on_dump(struct nlmsghdr *nlh, void *arg, struct vmmig_error *err)
{
	struct vmmig_session *bigger;
	struct list *list = arg;
	size_t room;

	if (list->nr == list->room) {
		room = list->room ? 2 * list->room : 16;
		if (room > DUMP_MAX)
			return vmmig_fail(err, -E2BIG, "sessions: too many to list");
		bigger = realloc(list->all, room * sizeof(*bigger));
		if (!bigger)
			return no_memory(err);
		list->all = bigger;
		list->room = room;
	}
	if (nl_parse_session(nlh, &list->all[list->nr]))
		return bad_reply(err);
	list->nr++;
	return 0;
}

/*
 * The list is complete before the first cb: an interrupted one is read again
 * without anybody seeing it, and cb may make requests itself.
 */
int vmmig_nl_dump(struct vmmig_nl *nl, vmmig_session_cb cb, void *arg,
		  struct vmmig_error *err)
{
	struct list list = { 0 };
	struct nl_msg *msg;
	int rc = -EAGAIN;

	for (int i = 0; i < DUMP_TRIES && rc == -EAGAIN; i++) {
		msg = nl_request_new(nl, NLM_F_DUMP, VMMIG_CMD_SESSION_GET);
		if (!msg) {
			rc = no_memory(err);
			break;
		}
		list.nr = 0;
		rc = nl_talk(nl, msg, on_dump, &list, "sessions", err);
	}
	for (size_t i = 0; !rc && i < list.nr; i++)
		cb(&list.all[i], arg);
	free(list.all);
	return rc;
}
