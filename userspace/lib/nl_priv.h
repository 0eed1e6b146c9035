/* SPDX-License-Identifier: GPL-2.0 */
/* Shared by the nl_*.c files only. */
#ifndef VMMIG_NL_PRIV_H
#define VMMIG_NL_PRIV_H

#include <netlink/netlink.h>
#include <netlink/genl/genl.h>
#include <netlink/genl/ctrl.h>

#include "vmmig.h"

/**
 * struct vmmig_nl - connection to the module
 * @request: socket for requests and their replies, blocking
 * @events: socket that is a member of the monitor group, non-blocking;
 *	NULL before vmmig_nl_subscribe()
 * @family: number of the generic netlink family
 * @group: number of the multicast group "monitor"
 */
struct vmmig_nl {
	struct nl_sock *request;
	struct nl_sock *events;
	int family;
	int group;
};

/* nl.c: open a socket with the options that both sockets need. */
int nl_sock_open(struct nl_sock **sk, struct vmmig_error *err);
/* nl.c: libnl's error number as a negative errno. */
int nl_errno(int nl_err);

/* nl_talk.c */
typedef int (*nl_reply_cb)(struct nlmsghdr *nlh, void *arg,
			   struct vmmig_error *err);

struct nl_msg *nl_request_new(const struct vmmig_nl *nl, int flags,
			      uint8_t cmd);
/*
 * Sends msg, frees it, and handles every reply up to the acknowledgement.
 * what begins the error sentence, for example "session 3".
 */
int nl_talk(struct vmmig_nl *nl, struct nl_msg *msg, nl_reply_cb cb,
	    void *arg, const char *what, struct vmmig_error *err);

/* nl_parse.c */
int nl_put_uint(struct nl_msg *msg, int attr, uint64_t value);
void nl_get_text(char *dst, const struct nlattr *a, size_t size);
int nl_parse_session(struct nlmsghdr *nlh, struct vmmig_session *s);
int nl_parse_id(struct nlmsghdr *nlh, uint32_t *id);

#endif /* VMMIG_NL_PRIV_H */
