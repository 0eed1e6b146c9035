/* SPDX-License-Identifier: GPL-2.0 */
/* A peer that speaks the protocol by hand, so that it can speak it wrongly. */
#ifndef VMMIG_TEST_PEER_H
#define VMMIG_TEST_PEER_H

#undef ARRAY_SIZE	/* kselftest has one of its own */
#include "proto.h"

#define BLOCK_ID	"ram"

struct hello_wire {
	struct vmmig_msg_wire head;
	struct vmmig_hello_wire hello;
	struct vmmig_block_wire block[2];
};

void peer_timeout(int fd, int seconds);
int peer_write(int fd, const void *buf, size_t len);
int peer_read(int fd, void *buf, size_t len);

int peer_send(int fd, uint16_t type, uint16_t block, uint64_t index,
	      uint32_t count, uint32_t len, uint32_t arg);
int peer_send_pages(int fd, uint16_t block, uint64_t index, uint32_t count,
		    int byte);
/* A valid hello with one block of so many pages; returns its length */
size_t peer_hello(struct hello_wire *h, uint64_t pages);
/* Skips nothing: next message, its payload in text as far as that has room */
int peer_recv(int fd, struct vmmig_msg *msg, char *text, size_t size);
/* Reads on until an error message comes or the connection ends */
int peer_recv_reason(int fd, char *text, size_t size);

#endif /* VMMIG_TEST_PEER_H */
