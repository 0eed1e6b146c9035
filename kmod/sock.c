// SPDX-License-Identifier: GPL-2.0
/*
 * The TCP sockets that a session was given.
 *
 * Userspace connects and accepts; the module takes the socket over by file
 * descriptor and uses it in blocking mode from its own context. A blocked
 * call is ended by shutting the socket down.
 */

#include <linux/file.h>
#include <linux/net.h>
#include <linux/netlink.h>
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <linux/uio.h>
#include <net/genetlink.h>
#include <net/inet_connection_sock.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "sock.h"

/* A peer that does not acknowledge for so long is lost. */
#define USER_TIMEOUT_MS		20000
/* An idle peer is asked after so many seconds, this often, so many times. */
#define KEEPALIVE_IDLE_S	5
#define KEEPALIVE_INTERVAL_S	3
#define KEEPALIVE_PROBES	4
/*
 * Room for what is on its way on a long fat network: 100 ms at 2.5 Gbit/s.
 * What waits to be sent is bounded apart from that, since it would have to go
 * out first when the VM is stopped. The pages are not copied, so the room
 * takes no memory.
 */
#define SEND_BUFFER		SZ_32M
#define NOT_SENT		SZ_1M

/**
 * vmmig_sock_get - take over a connected TCP socket
 * @fd: descriptor of the current process
 * @net: network namespace that the socket must belong to
 * @extack: gets a sentence on failure
 *
 * Context: Process context, may sleep.
 * Return: the socket, to be released with vmmig_sock_put(), or an ERR_PTR.
 */
struct socket *vmmig_sock_get(int fd, struct net *net,
			      struct netlink_ext_ack *extack)
{
	struct socket *sock;
	int err;

	sock = sockfd_lookup(fd, &err);
	if (!sock) {
		NL_SET_ERR_MSG(extack, "socket: the file descriptor is not an open socket");
		return ERR_PTR(err);
	}

	err = -EPROTOTYPE;
	if (sock->sk->sk_protocol != IPPROTO_TCP ||
	    sock->sk->sk_type != SOCK_STREAM ||
	    (sock->sk->sk_family != AF_INET && sock->sk->sk_family != AF_INET6)) {
		NL_SET_ERR_MSG(extack, "socket: not a TCP socket");
		goto put;
	}
	err = -EOPNOTSUPP;
	if (inet_csk_has_ulp(sock->sk)) {
		NL_SET_ERR_MSG(extack, "socket: TLS and other upper layers are not supported");
		goto put;
	}
	err = -ENOTCONN;
	if (READ_ONCE(sock->sk->sk_state) != TCP_ESTABLISHED) {
		NL_SET_ERR_MSG(extack, "socket: not connected");
		goto put;
	}
	err = -EXDEV;
	if (sock_net(sock->sk) != net) {
		NL_SET_ERR_MSG(extack,
			       "socket: belongs to another network namespace than the request");
		goto put;
	}
	return sock;

put:
	sockfd_put(sock);
	return ERR_PTR(err);
}

/**
 * vmmig_sock_put - release a socket
 * @sock: from vmmig_sock_get(), or NULL
 *
 * Context: Process context, may sleep.
 */
void vmmig_sock_put(struct socket *sock)
{
	if (sock)
		sockfd_put(sock);
}

/**
 * vmmig_sock_prepare - set the options that a session needs
 * @sock: the socket
 *
 * The connection must notice a dead peer by itself, no request is waiting at
 * a terminal. The size of the receive buffer is for whoever made the
 * connection to set: the window scale is fixed by then.
 *
 * Context: Process context, may sleep.
 */
void vmmig_sock_prepare(struct socket *sock)
{
	int send_buffer = SEND_BUFFER, not_sent = NOT_SENT;
	struct sock *sk = sock->sk;

	/* Can't fail: levels, options and sizes are right. */
	sock_setsockopt(sock, SOL_SOCKET, SO_SNDBUFFORCE,
			KERNEL_SOCKPTR(&send_buffer), sizeof(send_buffer));
	READ_ONCE(sock->ops)->setsockopt(sock, SOL_TCP, TCP_NOTSENT_LOWAT,
					 KERNEL_SOCKPTR(&not_sent),
					 sizeof(not_sent));
	tcp_sock_set_nodelay(sk);
	tcp_sock_set_user_timeout(sk, USER_TIMEOUT_MS);
	tcp_sock_set_keepidle(sk, KEEPALIVE_IDLE_S);
	tcp_sock_set_keepintvl(sk, KEEPALIVE_INTERVAL_S);
	tcp_sock_set_keepcnt(sk, KEEPALIVE_PROBES);
	sock_set_keepalive(sk);
}

/**
 * vmmig_sock_shutdown - end whatever blocks on a socket
 * @sock: the socket
 *
 * Context: Process context, may sleep. From any task.
 */
void vmmig_sock_shutdown(struct socket *sock)
{
	kernel_sock_shutdown(sock, SHUT_RDWR);
}

/**
 * vmmig_sock_set_rate - limit the bandwidth of a socket
 * @sock: the socket
 * @rate: bytes per second, 0 for no limit
 *
 * TCP's own pacing; takes effect with the next packet.
 *
 * Context: Process context, may sleep.
 */
void vmmig_sock_set_rate(struct socket *sock, u64 rate)
{
	unsigned long value = rate ? rate : ~0UL;

	/* Can't fail: level, option and size are right. */
	sock_setsockopt(sock, SOL_SOCKET, SO_MAX_PACING_RATE,
			KERNEL_SOCKPTR(&value), sizeof(value));
}

static int send_all(struct socket *sock, struct msghdr *msg)
{
	while (msg_data_left(msg)) {
		int n = sock_sendmsg(sock, msg);

		if (n < 0)
			return n;
	}
	return 0;
}

/**
 * vmmig_sock_send_pages - send pages without copying
 * @sock: the socket
 * @bvec: the pages; TCP takes references of its own
 * @nr: entries
 * @len: bytes
 *
 * A page that is written while TCP holds it goes out with old or new content,
 * or torn; the tracker finds the write, and the page is sent again.
 *
 * Context: Process context, sleeps until there is room.
 * Return: 0 or a negative errno.
 */
int vmmig_sock_send_pages(struct socket *sock, const struct bio_vec *bvec,
			  unsigned int nr, size_t len)
{
	struct msghdr msg = {
		.msg_flags = MSG_NOSIGNAL | MSG_MORE | MSG_SPLICE_PAGES,
	};

	iov_iter_bvec(&msg.msg_iter, ITER_SOURCE, bvec, nr, len);
	return send_all(sock, &msg);
}

static int recv_all(struct socket *sock, struct msghdr *msg)
{
	while (msg_data_left(msg)) {
		int n = sock_recvmsg(sock, msg, MSG_WAITALL | MSG_NOSIGNAL);

		if (n < 0)
			return n;
		if (!n)
			return -ECONNRESET;
	}
	return 0;
}

/**
 * vmmig_sock_recv - receive bytes
 * @sock: the socket
 * @buf: where to
 * @len: how many, no less
 *
 * Context: Process context, sleeps until all is there.
 * Return: 0, -ECONNRESET at the end of the stream, or a negative errno.
 */
int vmmig_sock_recv(struct socket *sock, void *buf, size_t len)
{
	struct kvec kvec = { .iov_base = buf, .iov_len = len };
	struct msghdr msg = { };

	iov_iter_kvec(&msg.msg_iter, ITER_DEST, &kvec, 1, len);
	return recv_all(sock, &msg);
}

/**
 * vmmig_sock_recv_pages - receive straight into pages
 * @sock: the socket
 * @bvec: the pages
 * @nr: entries
 * @len: bytes, no less
 *
 * Context: Process context, sleeps until all is there.
 * Return: 0, -ECONNRESET at the end of the stream, or a negative errno.
 */
int vmmig_sock_recv_pages(struct socket *sock, const struct bio_vec *bvec,
			  unsigned int nr, size_t len)
{
	struct msghdr msg = { };

	iov_iter_bvec(&msg.msg_iter, ITER_DEST, bvec, nr, len);
	return recv_all(sock, &msg);
}

/**
 * vmmig_sock_readable - has the peer said something?
 * @sock: the socket
 *
 * Context: Any.
 * Return: true if there is something to read, the end of the stream included.
 */
bool vmmig_sock_readable(struct socket *sock)
{
	struct sock *sk = sock->sk;

	return !skb_queue_empty_lockless(&sk->sk_receive_queue) ||
	       READ_ONCE(sk->sk_err) ||
	       (READ_ONCE(sk->sk_shutdown) & RCV_SHUTDOWN);
}

/**
 * vmmig_sock_drain - throw away what the peer still sends
 * @sock: the socket, nothing is sent on it any more
 * @ms: for how long
 *
 * Closing a socket with unread data resets the connection, and the peer may
 * lose our last message, the one that tells why.
 *
 * Context: Process context, sleeps.
 */
void vmmig_sock_drain(struct socket *sock, unsigned int ms)
{
	unsigned long end = jiffies + msecs_to_jiffies(ms);
	struct sock *sk = sock->sk;

	kernel_sock_shutdown(sock, SHUT_WR);
	while (time_before(jiffies, end)) {
		struct msghdr msg = { };
		int n;

		iov_iter_discard(&msg.msg_iter, ITER_DEST, SZ_1M);
		n = sock_recvmsg(sock, &msg, MSG_DONTWAIT);
		if (n == -EAGAIN)
			wait_event_interruptible_timeout(*sk_sleep(sk),
							 vmmig_sock_readable(sock),
							 msecs_to_jiffies(100));
		else if (n <= 0)
			break;
		cond_resched();
	}
}

/**
 * vmmig_sock_send_msg - send a message
 * @sock: the socket
 * @msg: the header
 * @payload: msg->len bytes, or NULL if the caller sends them
 * @more: more follows at once, do not push
 *
 * Short messages go in one piece, so that two tasks may send them.
 *
 * Context: Process context, sleeps until there is room.
 * Return: 0 or a negative errno.
 */
int vmmig_sock_send_msg(struct socket *sock, const struct vmmig_msg *msg,
			const void *payload, bool more)
{
	struct vmmig_msg_wire wire;
	struct kvec kvec[] = {
		{ .iov_base = &wire, .iov_len = sizeof(wire) },
		{ .iov_base = (void *)payload, .iov_len = msg->len },
	};
	size_t len = sizeof(wire) + (payload ? msg->len : 0);
	struct msghdr hdr = {
		.msg_flags = MSG_NOSIGNAL | (more ? MSG_MORE : 0),
	};

	vmmig_proto_encode(&wire, msg);
	iov_iter_kvec(&hdr.msg_iter, ITER_SOURCE, kvec, payload ? 2 : 1, len);
	return send_all(sock, &hdr);
}

/**
 * vmmig_sock_recv_msg - receive and check a header
 * @sock: the socket
 * @from_source: true if the peer is the source
 * @msg: the result; msg->len bytes follow in the stream
 *
 * Context: Process context, sleeps until it is there.
 * Return: 0, -EPROTO, -ECONNRESET at the end of the stream, or another
 *	negative errno.
 */
int vmmig_sock_recv_msg(struct socket *sock, bool from_source,
			struct vmmig_msg *msg)
{
	struct vmmig_msg_wire wire;
	int err;

	err = vmmig_sock_recv(sock, &wire, sizeof(wire));
	return err ? err : vmmig_proto_decode(&wire, from_source, msg);
}
