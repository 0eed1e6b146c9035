// SPDX-License-Identifier: GPL-2.0
/* Opening and closing the connection to the module. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <linux/netlink.h>

#include "nl_priv.h"

#define NL_BUFFER	(64 * 1024)

int nl_errno(int nl_err)
{
	switch (abs(nl_err)) {
	case NLE_SUCCESS:
		return 0;
	case NLE_NOMEM:
	case NLE_MSGSIZE:
		return -ENOMEM;
	case NLE_PERM:
	case NLE_NOACCESS:
		return -EPERM;
	case NLE_OBJ_NOTFOUND:
		return -ENOENT;
	case NLE_AGAIN:
		return -EAGAIN;
	case NLE_AF_NOSUPPORT:
	case NLE_PROTO_MISMATCH:
		return -EPROTONOSUPPORT;
	default:
		return -EIO;
	}
}

int nl_sock_open(struct nl_sock **out, struct vmmig_error *err)
{
	struct nl_sock *sk;
	int on = 1, rc;

	sk = nl_socket_alloc();
	if (!sk)
		return vmmig_fail(err, -ENOMEM, "netlink: out of memory");

	rc = genl_connect(sk);
	if (rc) {
		nl_socket_free(sk);
		return vmmig_fail(err, nl_errno(rc),
				  "netlink: cannot open a socket: %s",
				  nl_geterror(rc));
	}
	nl_socket_set_msg_buf_size(sk, NL_BUFFER);
	/*
	 * Sentences of the kernel, and error replies without a copy of the
	 * request. Without them only the errno is known, no reason to stop.
	 */
	setsockopt(nl_socket_get_fd(sk), SOL_NETLINK, NETLINK_EXT_ACK, &on,
		   sizeof(on));
	setsockopt(nl_socket_get_fd(sk), SOL_NETLINK, NETLINK_CAP_ACK, &on,
		   sizeof(on));
	*out = sk;
	return 0;
}

int vmmig_nl_open(struct vmmig_nl **out, struct vmmig_error *err)
{
	struct vmmig_nl *nl;
	int rc;

	nl = calloc(1, sizeof(*nl));
	if (!nl)
		return vmmig_fail(err, -ENOMEM, "netlink: out of memory");

	rc = nl_sock_open(&nl->request, err);
	if (rc)
		goto free_nl;

	nl->family = genl_ctrl_resolve(nl->request, VMMIG_FAMILY_NAME);
	if (nl->family < 0) {
		rc = nl_errno(nl->family);
		if (rc == -ENOENT)
			vmmig_fail(err, rc, "the module vmmig is not loaded; run \"modprobe vmmig\"");
		else
			vmmig_fail(err, rc, "netlink: cannot find the family vmmig: %s",
				   nl_geterror(nl->family));
		goto free_sock;
	}

	nl->group = genl_ctrl_resolve_grp(nl->request, VMMIG_FAMILY_NAME,
					  VMMIG_MCGRP_MONITOR);
	if (nl->group < 0) {
		rc = vmmig_fail(err, -EPROTONOSUPPORT,
				"the module vmmig has no group \"%s\"; it does not fit to this program, install both from one version",
				VMMIG_MCGRP_MONITOR);
		goto free_sock;
	}
	*out = nl;
	return 0;

free_sock:
	nl_socket_free(nl->request);
free_nl:
	free(nl);
	return rc;
}

void vmmig_nl_close(struct vmmig_nl *nl)
{
	if (!nl)
		return;
	if (nl->events)
		nl_socket_free(nl->events);
	nl_socket_free(nl->request);
	free(nl);
}
