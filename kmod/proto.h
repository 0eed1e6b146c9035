/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Wire format. Pure code: it also builds in userspace, for tests and fuzzing.
 *
 * All fields are little-endian. A message is one header, then msg.len bytes.
 * See Documentation/protocol.rst for the order of messages.
 */
#ifndef VMMIG_PROTO_H
#define VMMIG_PROTO_H

#ifdef __KERNEL__
#include <linux/types.h>
#include <uapi/linux/vmmig.h>
#else
#include "proto_user.h"
#endif

#define VMMIG_PROTO_MAGIC	0x4d415247494d4d56ULL	/* "VMMIGRAM" */
#define VMMIG_PROTO_VERSION	1
#define VMMIG_PAGE_SIZE		4096
/* Longest run of pages in one message. */
#define VMMIG_EXTENT_PAGES	512

enum vmmig_msg_type {
	VMMIG_MSG_HELLO = 1,
	VMMIG_MSG_PAGES,
	VMMIG_MSG_ZERO,
	VMMIG_MSG_PASS_END,
	VMMIG_MSG_PASS_ACK,
	VMMIG_MSG_END,
	VMMIG_MSG_END_ACK,
	VMMIG_MSG_ERROR,
};

/*
 * Header of every message.
 *
 * PAGES     block, index, count: count pages of content follow
 * ZERO      block, index, count: these pages are zero now, nothing follows
 * PASS_END  arg: number of the pass. Answered by PASS_ACK with the same arg,
 *           after all that came before is placed
 * END       a struct vmmig_end_wire follows. Answered by END_ACK
 * ERROR     arg: errno as a positive number, a sentence follows (no zero)
 * HELLO     a struct vmmig_hello_wire and the block table follow
 */
struct vmmig_msg_wire {
	__le16 type;
	__le16 block;
	__le32 len;
	__le64 index;
	__le32 count;
	__le32 arg;
};

/*
 * First message in each direction on every stream. A side speaks all versions
 * from version_min to version. The block table is empty on streams other
 * than the first.
 */
struct vmmig_hello_wire {
	__le64 magic;
	__le16 version;
	__le16 version_min;
	__le16 stream;
	__le16 nr_streams;
	__le64 features;
	__le32 page_size;
	__le32 nr_blocks;
};

struct vmmig_block_wire {
	__le64 size;
	__le32 page_size;
	__le16 id_len;
	__le16 zero;
	__u8 id[VMMIG_BLOCK_ID_LEN + 1];
};

/* What one stream carried; both sides must have counted the same. */
struct vmmig_end_wire {
	__le64 pages_data;
	__le64 pages_zero;
};

#define VMMIG_HELLO_LEN_MAX	(sizeof(struct vmmig_hello_wire) + \
				 VMMIG_MAX_BLOCKS * \
				 sizeof(struct vmmig_block_wire))

/**
 * struct vmmig_msg - a decoded header
 * @type: enum vmmig_msg_type
 * @block: number of the block in the source's table
 * @len: bytes that follow
 * @index: first page
 * @count: pages
 * @arg: pass or errno
 */
struct vmmig_msg {
	u16 type;
	u16 block;
	u32 len;
	u64 index;
	u32 count;
	u32 arg;
};

/**
 * struct vmmig_hello - a decoded hello message
 * @version: version to speak, the highest that both sides know
 * @stream: number of the stream
 * @nr_streams: number of streams of the session
 * @nr_blocks: entries of the block table
 */
struct vmmig_hello {
	u16 version;
	u16 stream;
	u16 nr_streams;
	u32 nr_blocks;
};

void vmmig_proto_encode(struct vmmig_msg_wire *wire,
			const struct vmmig_msg *msg);
int vmmig_proto_decode(const struct vmmig_msg_wire *wire, bool from_source,
		       struct vmmig_msg *msg);
const char *vmmig_proto_name(u16 type);

void vmmig_proto_encode_hello(struct vmmig_hello_wire *wire,
			      const struct vmmig_hello *hello);
int vmmig_proto_decode_hello(const void *buf, u32 len,
			     struct vmmig_hello *hello, const char **why);
void vmmig_proto_encode_block(struct vmmig_block_wire *wire, const char *id,
			      u64 nr_pages);
int vmmig_proto_decode_block(const struct vmmig_block_wire *wire, char *id,
			     u64 *nr_pages);

#endif /* VMMIG_PROTO_H */
