// SPDX-License-Identifier: GPL-2.0
/* Wire format: one table of messages, and the checks on what comes in. */

#ifdef __KERNEL__
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>
#endif

#include "proto.h"

/**
 * struct vmmig_msg_rule - what a message of one type must look like
 * @name: for messages to people
 * @from_source: who may send it
 * @from_destination: who may send it
 * @has_pages: block, index and count are in use
 * @min_len: smallest number of bytes that follow, unless @content
 * @max_len: largest
 * @content: exactly count pages follow
 */
struct vmmig_msg_rule {
	const char *name;
	bool from_source;
	bool from_destination;
	bool has_pages;
	bool content;
	u32 min_len;
	u32 max_len;
};

static const struct vmmig_msg_rule rules[] = {
	[VMMIG_MSG_HELLO] = { "hello", true, true,
			      .min_len = sizeof(struct vmmig_hello_wire),
			      .max_len = VMMIG_HELLO_LEN_MAX },
	[VMMIG_MSG_PAGES] = { "pages", true, false, .has_pages = true,
			      .content = true },
	[VMMIG_MSG_ZERO] = { "zero", true, false, .has_pages = true },
	[VMMIG_MSG_PASS_END] = { "pass-end", true, false },
	[VMMIG_MSG_PASS_ACK] = { "pass-ack", false, true },
	[VMMIG_MSG_END] = { "end", true, false,
			    .min_len = sizeof(struct vmmig_end_wire),
			    .max_len = sizeof(struct vmmig_end_wire) },
	[VMMIG_MSG_END_ACK] = { "end-ack", false, true },
	[VMMIG_MSG_ERROR] = { "error", true, true,
			      .max_len = VMMIG_REASON_LEN },
};

static const struct vmmig_msg_rule *rule_of(u16 type)
{
	if (type >= ARRAY_SIZE(rules) || !rules[type].name)
		return NULL;
	return &rules[type];
}

/**
 * vmmig_proto_name - name of a message type
 * @type: enum vmmig_msg_type, may be out of range
 *
 * Return: a static string, never NULL.
 */
const char *vmmig_proto_name(u16 type)
{
	const struct vmmig_msg_rule *rule = rule_of(type);

	return rule ? rule->name : "unknown";
}

/**
 * vmmig_proto_encode - write a header
 * @wire: where to
 * @msg: what
 */
void vmmig_proto_encode(struct vmmig_msg_wire *wire,
			const struct vmmig_msg *msg)
{
	wire->type = cpu_to_le16(msg->type);
	wire->block = cpu_to_le16(msg->block);
	wire->len = cpu_to_le32(msg->len);
	wire->index = cpu_to_le64(msg->index);
	wire->count = cpu_to_le32(msg->count);
	wire->arg = cpu_to_le32(msg->arg);
}

/**
 * vmmig_proto_decode - read a header and check it against the table
 * @wire: what came in
 * @from_source: true if the peer is the source of the migration
 * @msg: the result
 *
 * Whether block and index exist is for the caller to check, it knows the
 * block table. After success msg->len is bounded: at most
 * VMMIG_EXTENT_PAGES pages, VMMIG_HELLO_LEN_MAX or VMMIG_REASON_LEN.
 *
 * Return: 0, or -EPROTO.
 */
int vmmig_proto_decode(const struct vmmig_msg_wire *wire, bool from_source,
		       struct vmmig_msg *msg)
{
	const struct vmmig_msg_rule *rule;

	msg->type = le16_to_cpu(wire->type);
	msg->block = le16_to_cpu(wire->block);
	msg->len = le32_to_cpu(wire->len);
	msg->index = le64_to_cpu(wire->index);
	msg->count = le32_to_cpu(wire->count);
	msg->arg = le32_to_cpu(wire->arg);

	rule = rule_of(msg->type);
	if (!rule)
		return -EPROTO;
	if (from_source ? !rule->from_source : !rule->from_destination)
		return -EPROTO;

	if (!rule->has_pages) {
		if (msg->block || msg->index || msg->count)
			return -EPROTO;
	} else if (!msg->count) {
		return -EPROTO;
	}

	if (rule->content) {
		if (msg->count > VMMIG_EXTENT_PAGES ||
		    msg->len != msg->count * VMMIG_PAGE_SIZE)
			return -EPROTO;
	} else if (msg->len < rule->min_len || msg->len > rule->max_len) {
		return -EPROTO;
	}

	return 0;
}

/**
 * vmmig_proto_encode_hello - write a hello message without its block table
 * @wire: where to
 * @hello: what; version is ignored, ours is sent
 */
void vmmig_proto_encode_hello(struct vmmig_hello_wire *wire,
			      const struct vmmig_hello *hello)
{
	wire->magic = cpu_to_le64(VMMIG_PROTO_MAGIC);
	wire->version = cpu_to_le16(VMMIG_PROTO_VERSION);
	wire->version_min = cpu_to_le16(VMMIG_PROTO_VERSION);
	wire->stream = cpu_to_le16(hello->stream);
	wire->nr_streams = cpu_to_le16(hello->nr_streams);
	wire->features = 0;
	wire->page_size = cpu_to_le32(VMMIG_PAGE_SIZE);
	wire->nr_blocks = cpu_to_le32(hello->nr_blocks);
}

/**
 * vmmig_proto_decode_hello - read a hello message
 * @buf: what followed the header
 * @len: bytes in @buf
 * @hello: the result
 * @why: on failure a sentence that the peer can print
 *
 * Unknown feature bits are ignored: a feature is used only if both sides
 * announce it.
 *
 * Return: 0, -EPROTO (not our protocol) or -EPROTONOSUPPORT (other version,
 * other page size).
 */
int vmmig_proto_decode_hello(const void *buf, u32 len,
			     struct vmmig_hello *hello, const char **why)
{
	const struct vmmig_hello_wire *wire = buf;
	u16 version, version_min;

	if (len < sizeof(*wire) ||
	    le64_to_cpu(wire->magic) != VMMIG_PROTO_MAGIC) {
		*why = "the peer does not speak the vmmig protocol";
		return -EPROTO;
	}

	version = le16_to_cpu(wire->version);
	version_min = le16_to_cpu(wire->version_min);
	if (version_min > VMMIG_PROTO_VERSION ||
	    version < VMMIG_PROTO_VERSION) {
		*why = "no protocol version in common, update vmmig on the older host";
		return -EPROTONOSUPPORT;
	}
	if (le32_to_cpu(wire->page_size) != VMMIG_PAGE_SIZE) {
		*why = "page sizes differ";
		return -EPROTONOSUPPORT;
	}

	hello->version = VMMIG_PROTO_VERSION;
	hello->stream = le16_to_cpu(wire->stream);
	hello->nr_streams = le16_to_cpu(wire->nr_streams);
	hello->nr_blocks = le32_to_cpu(wire->nr_blocks);

	if (!hello->nr_streams || hello->nr_streams > VMMIG_MAX_STREAMS ||
	    hello->stream >= hello->nr_streams) {
		*why = "number of streams is out of range";
		return -EPROTO;
	}
	if (hello->nr_blocks > VMMIG_MAX_BLOCKS ||
	    len != sizeof(*wire) +
		   hello->nr_blocks * sizeof(struct vmmig_block_wire)) {
		*why = "block table is malformed";
		return -EPROTO;
	}

	return 0;
}

/**
 * vmmig_proto_encode_block - write one entry of the block table
 * @wire: where to
 * @id: name of the block, at most VMMIG_BLOCK_ID_LEN bytes
 * @nr_pages: size
 */
void vmmig_proto_encode_block(struct vmmig_block_wire *wire, const char *id,
			      u64 nr_pages)
{
	size_t len = strlen(id);

	memset(wire, 0, sizeof(*wire));
	if (len > VMMIG_BLOCK_ID_LEN)
		len = VMMIG_BLOCK_ID_LEN;
	wire->size = cpu_to_le64(nr_pages * VMMIG_PAGE_SIZE);
	wire->page_size = cpu_to_le32(VMMIG_PAGE_SIZE);
	wire->id_len = cpu_to_le16(len);
	memcpy(wire->id, id, len);
}

/**
 * vmmig_proto_decode_block - read one entry of the block table
 * @wire: what came in
 * @id: the name, room for VMMIG_BLOCK_ID_LEN + 1 bytes
 * @nr_pages: size
 *
 * Return: 0 or -EPROTO.
 */
int vmmig_proto_decode_block(const struct vmmig_block_wire *wire, char *id,
			     u64 *nr_pages)
{
	u16 len = le16_to_cpu(wire->id_len);
	u64 size = le64_to_cpu(wire->size);

	if (!len || len > VMMIG_BLOCK_ID_LEN || memchr(wire->id, 0, len))
		return -EPROTO;
	if (le32_to_cpu(wire->page_size) != VMMIG_PAGE_SIZE)
		return -EPROTO;
	if (!size || size % VMMIG_PAGE_SIZE || size > (1ULL << 52))
		return -EPROTO;

	memcpy(id, wire->id, len);
	id[len] = '\0';
	*nr_pages = size / VMMIG_PAGE_SIZE;
	return 0;
}
