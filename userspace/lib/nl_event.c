// SPDX-License-Identifier: GPL-2.0
/* Multicast events of the group "monitor". */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "nl_priv.h"

#define EVENT_RCVBUF	(1024 * 1024)
/* One call handles this many datagrams, so that its caller stays in charge. */
#define EVENT_BATCH	1024

int vmmig_nl_subscribe(struct vmmig_nl *nl, struct vmmig_error *err)
{
	struct nl_sock *sk;
	int rc;

	if (nl->events)
		return 0;
	rc = nl_sock_open(&sk, err);
	if (rc)
		return rc;

	nl_socket_set_buffer_size(sk, EVENT_RCVBUF, 0);
	rc = nl_socket_set_nonblocking(sk);
	if (!rc)
		rc = nl_socket_add_membership(sk, nl->group);
	if (rc) {
		nl_socket_free(sk);
		return vmmig_fail(err, nl_errno(rc),
				  "netlink: cannot listen for events: %s",
				  nl_geterror(rc));
	}
	nl->events = sk;
	return 0;
}

int vmmig_nl_event_fd(const struct vmmig_nl *nl)
{
	return nl->events ? nl_socket_get_fd(nl->events) : -1;
}

static void handle(const struct vmmig_nl *nl, void *buf, size_t len,
		   vmmig_session_cb cb, void *arg)
{
	struct nlmsghdr *nlh = buf;
	struct vmmig_session s;
	int left = (int)len;

	for (; nlmsg_ok(nlh, left); nlh = nlmsg_next(nlh, &left)) {
		if (nlh->nlmsg_type != nl->family ||
		    !genlmsg_valid_hdr(nlh, 0) ||
		    genlmsg_hdr(nlh)->cmd != VMMIG_CMD_SESSION_NTF)
			continue;
		/* One that cannot be read is no reason to miss the others. */
		if (!nl_parse_session(nlh, &s))
			cb(&s, arg);
	}
}

/* Not over libnl, which reports a lost event (ENOBUFS) as lack of memory. */
int vmmig_nl_events(struct vmmig_nl *nl, vmmig_session_cb cb, void *arg,
		    struct vmmig_error *err)
{
	union {
		struct nlmsghdr align;
		char bytes[32 * 1024];
	} buf;
	struct sockaddr_nl from;
	socklen_t from_len;
	ssize_t got;

	if (!nl->events)
		return vmmig_fail(err, -ENOTCONN, "netlink: not subscribed to events");

	for (int i = 0; i < EVENT_BATCH; i++) {
		from_len = sizeof(from);
		got = recvfrom(nl_socket_get_fd(nl->events), &buf, sizeof(buf),
			       MSG_DONTWAIT | MSG_TRUNC,
			       (struct sockaddr *)&from, &from_len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return 0;
		if (got < 0 && errno == ENOBUFS)
			return vmmig_fail(err, -ENOBUFS, "netlink: events were lost");
		if (got < 0)
			return vmmig_fail(err, -errno, "netlink: cannot read events: %s",
					  strerror(errno));
		/* Only the kernel speaks for the module. */
		if (from_len != sizeof(from) || from.nl_pid)
			continue;
		if ((size_t)got > sizeof(buf))
			return vmmig_fail(err, -ENOBUFS, "netlink: an event was too long, events were lost");
		handle(nl, &buf, got, cb, arg);
	}
	return 0;
}
