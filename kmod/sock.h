/* SPDX-License-Identifier: GPL-2.0 */
/* The TCP sockets that a session was given. */
#ifndef VMMIG_SOCK_H
#define VMMIG_SOCK_H

#include <linux/bvec.h>
#include <linux/types.h>

#include "proto.h"

struct net;
struct netlink_ext_ack;
struct socket;

struct socket *vmmig_sock_get(int fd, struct net *net,
			      struct netlink_ext_ack *extack);
void vmmig_sock_put(struct socket *sock);
void vmmig_sock_prepare(struct socket *sock);
void vmmig_sock_shutdown(struct socket *sock);
void vmmig_sock_set_rate(struct socket *sock, u64 rate);

int vmmig_sock_send_pages(struct socket *sock, const struct bio_vec *bvec,
			  unsigned int nr, size_t len);
int vmmig_sock_recv(struct socket *sock, void *buf, size_t len);
int vmmig_sock_recv_pages(struct socket *sock, const struct bio_vec *bvec,
			  unsigned int nr, size_t len);
bool vmmig_sock_readable(struct socket *sock);
void vmmig_sock_drain(struct socket *sock, unsigned int ms);

int vmmig_sock_send_msg(struct socket *sock, const struct vmmig_msg *msg,
			const void *payload, bool more);
int vmmig_sock_recv_msg(struct socket *sock, bool from_source,
			struct vmmig_msg *msg);

#endif /* VMMIG_SOCK_H */
