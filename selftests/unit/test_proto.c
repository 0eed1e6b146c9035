// SPDX-License-Identifier: GPL-2.0
/*
 * Promise: what is written is read back; everything else is refused.
 * Catches: fields that are not checked, bounds that are off by one, fields of
 * the wrong width or byte order.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "proto.h"
#include "tap.h"

#define ALL	0xffffffffU
#define HELLO	sizeof(struct vmmig_hello_wire)
#define BLOCK	sizeof(struct vmmig_block_wire)
#define PAGE	VMMIG_PAGE_SIZE

struct header {
	const char *what;
	struct vmmig_msg msg;	/* type, block, len, index, count, arg */
	bool source, destination;	/* may it come from there? */
};

static const struct header headers[] = {
	{ "hello, shortest", { VMMIG_MSG_HELLO, 0, HELLO, 0, 0, 0 }, true, true },
	{ "hello, longest", { VMMIG_MSG_HELLO, 0, VMMIG_HELLO_LEN_MAX, 0, 0, 0 }, true, true },
	{ "hello, too short", { VMMIG_MSG_HELLO, 0, HELLO - 1, 0, 0, 0 }, false, false },
	{ "hello, too long", { VMMIG_MSG_HELLO, 0, VMMIG_HELLO_LEN_MAX + 1, 0, 0, 0 }, false, false },
	{ "hello with count", { VMMIG_MSG_HELLO, 0, HELLO, 0, 1, 0 }, false, false },
	{ "one page", { VMMIG_MSG_PAGES, 0, PAGE, 0, 1, 0 }, true, false },
	{ "512 pages", { VMMIG_MSG_PAGES, 65535, 512 * PAGE, ~0ULL, 512, 0 }, true, false },
	{ "513 pages", { VMMIG_MSG_PAGES, 0, 513 * PAGE, 0, 513, 0 }, false, false },
	{ "no page", { VMMIG_MSG_PAGES, 0, 0, 0, 0, 0 }, false, false },
	{ "half a page", { VMMIG_MSG_PAGES, 0, PAGE / 2, 0, 1, 0 }, false, false },
	{ "a page too much", { VMMIG_MSG_PAGES, 0, 2 * PAGE, 0, 1, 0 }, false, false },
	{ "count that wraps", { VMMIG_MSG_PAGES, 0, 0, 0, 1U << 20, 0 }, false, false },
	{ "zero pages", { VMMIG_MSG_ZERO, 3, 0, 9, ALL, 0 }, true, false },
	{ "zero pages, none", { VMMIG_MSG_ZERO, 0, 0, 0, 0, 0 }, false, false },
	{ "zero pages with content", { VMMIG_MSG_ZERO, 0, 1, 0, 1, 0 }, false, false },
	{ "pass-end", { VMMIG_MSG_PASS_END, 0, 0, 0, 0, ALL }, true, false },
	{ "pass-end with block", { VMMIG_MSG_PASS_END, 1, 0, 0, 0, 0 }, false, false },
	{ "pass-end with index", { VMMIG_MSG_PASS_END, 0, 0, 1, 0, 0 }, false, false },
	{ "pass-end with content", { VMMIG_MSG_PASS_END, 0, 1, 0, 0, 0 }, false, false },
	{ "pass-ack", { VMMIG_MSG_PASS_ACK, 0, 0, 0, 0, 5 }, false, true },
	{ "pass-ack with content", { VMMIG_MSG_PASS_ACK, 0, 4, 0, 0, 5 }, false, false },
	{ "end", { VMMIG_MSG_END, 0, 16, 0, 0, 0 }, true, false },
	{ "end, too short", { VMMIG_MSG_END, 0, 15, 0, 0, 0 }, false, false },
	{ "end, too long", { VMMIG_MSG_END, 0, 17, 0, 0, 0 }, false, false },
	{ "end-ack", { VMMIG_MSG_END_ACK, 0, 0, 0, 0, 0 }, false, true },
	{ "error without words", { VMMIG_MSG_ERROR, 0, 0, 0, 0, 5 }, true, true },
	{ "error with most words", { VMMIG_MSG_ERROR, 0, VMMIG_REASON_LEN, 0, 0, 5 }, true, true },
	{ "error with too many", { VMMIG_MSG_ERROR, 0, VMMIG_REASON_LEN + 1, 0, 0, 5 }, false, false },
	{ "type 0", { 0, 0, 0, 0, 0, 0 }, false, false },
	{ "type 9", { 9, 0, 0, 0, 0, 0 }, false, false },
	{ "type 65535", { 65535, 0, 0, 0, 0, 0 }, false, false },
};

static void test_headers(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(headers); i++) {
		const struct header *h = &headers[i];
		struct vmmig_msg_wire wire;
		struct vmmig_msg msg;
		bool source, destination;

		memset(&wire, 0xee, sizeof(wire));
		vmmig_proto_encode(&wire, &h->msg);
		source = !vmmig_proto_decode(&wire, true, &msg);
		destination = !vmmig_proto_decode(&wire, false, &msg);
		ok(source == h->source && destination == h->destination,
		   "header: %s: from source %s, from destination %s", h->what,
		   h->source ? "taken" : "refused", h->destination ? "taken" : "refused");
		ok(msg.type == h->msg.type && msg.block == h->msg.block &&
		   msg.len == h->msg.len && msg.index == h->msg.index &&
		   msg.count == h->msg.count && msg.arg == h->msg.arg,
		   "header: %s: read as written", h->what);
	}
}

static void test_layout(void)
{
	static const unsigned char want[24] = {
		2, 0, 0x34, 0x12, 0, 0x10, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1,
		1, 0, 0, 0, 0x78, 0x56, 0x34, 0x12,
	};
	struct vmmig_msg msg = { 2, 0x1234, 4096, 0x0102030405060708ULL, 1, 0x12345678 };
	struct vmmig_msg_wire wire;

	vmmig_proto_encode(&wire, &msg);
	ok(sizeof(wire) == 24 && !memcmp(&wire, want, 24), "layout: header is little-endian");
	ok(HELLO == 32 && BLOCK == 272 && sizeof(struct vmmig_end_wire) == 16,
	   "layout: sizes of what follows");
}

struct hello_case {
	const char *what;
	size_t at, size;
	uint64_t value;
	int err;
};

#define F(f)	offsetof(struct vmmig_hello_wire, f), sizeof(((struct vmmig_hello_wire *)0)->f)

static const struct hello_case hellos[] = {
	{ "as written", F(magic), VMMIG_PROTO_MAGIC, 0 },
	{ "other magic", F(magic), VMMIG_PROTO_MAGIC + 1, -EPROTO },
	{ "newer, speaks ours", F(version), 2, 0 },
	{ "much newer, speaks ours", F(version), 65535, 0 },
	{ "older", F(version), 0, -EPROTONOSUPPORT },
	{ "newer only", F(version_min), 2, -EPROTONOSUPPORT },
	{ "older too", F(version_min), 0, 0 },
	{ "features that nobody knows", F(features), ~0ULL, 0 },
	{ "huge pages", F(page_size), 2 << 20, -EPROTONOSUPPORT },
	{ "no streams", F(nr_streams), 0, -EPROTO },
	{ "one stream", F(nr_streams), 1, -EPROTO },
	{ "eight streams", F(nr_streams), 8, 0 },
	{ "nine streams", F(nr_streams), 9, -EPROTO },
	{ "last stream", F(stream), 3, 0 },
	{ "stream behind the last", F(stream), 4, -EPROTO },
	{ "one block less", F(nr_blocks), 1, -EPROTO },
	{ "one block more", F(nr_blocks), 3, -EPROTO },
	{ "17 blocks", F(nr_blocks), 17, -EPROTO },
	{ "blocks that wrap", F(nr_blocks), 0xf0f0f0f1, -EPROTO },
};

static void test_hello(void)
{
	struct vmmig_hello hello = { .stream = 1, .nr_streams = 4, .nr_blocks = 2 }, back;
	unsigned char buf[HELLO + 2 * BLOCK];
	const char *why;

	for (size_t i = 0; i < ARRAY_SIZE(hellos); i++) {
		const struct hello_case *c = &hellos[i];

		memset(buf, 0, sizeof(buf));
		vmmig_proto_encode_hello((void *)buf, &hello);
		memcpy(buf + c->at, &c->value, c->size);
		why = NULL;
		ok(vmmig_proto_decode_hello(buf, sizeof(buf), &back, &why) == c->err &&
		   !c->err == !why, "hello: %s: %s", c->what, why ? why : "taken");
	}
	vmmig_proto_encode_hello((void *)buf, &hello);
	for (size_t len = 0; len < HELLO; len++)
		if (!vmmig_proto_decode_hello(buf, len, &back, &why))
			ok(false, "hello: %zu bytes are enough?", len);
	ok(vmmig_proto_decode_hello(buf, sizeof(buf) - 1, &back, &why) == -EPROTO,
	   "hello: a byte is missing");
	ok(!vmmig_proto_decode_hello(buf, sizeof(buf), &back, &why) && back.version == 1 &&
	   back.stream == 1 && back.nr_streams == 4 && back.nr_blocks == 2, "hello: read as written");
}

static void test_blocks(void)
{
	static const struct {
		const char *what;
		uint64_t size;
		uint32_t page_size;
		uint16_t id_len;
		const char *id;
		int err;
	} cases[] = {
		{ "a page", 4096, 4096, 3, "ram", 0 },
		{ "the largest", 1ULL << 52, 4096, 3, "ram", 0 },
		{ "too large", (1ULL << 52) + 4096, 4096, 3, "ram", -EPROTO },
		{ "size 0", 0, 4096, 3, "ram", -EPROTO },
		{ "odd size", 4097, 4096, 3, "ram", -EPROTO },
		{ "other pages", 1 << 21, 1 << 21, 3, "ram", -EPROTO },
		{ "no id", 4096, 4096, 0, "", -EPROTO },
		{ "zero in the id", 4096, 4096, 4, "ram", -EPROTO },
		{ "id too long", 4096, 4096, 256, "ram", -EPROTO },
		{ "id enormous", 4096, 4096, 65535, "ram", -EPROTO },
	};
	char id[VMMIG_BLOCK_ID_LEN + 1], longest[VMMIG_BLOCK_ID_LEN + 10];
	struct vmmig_block_wire wire;
	u64 pages;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		memset(&wire, 0, sizeof(wire));
		wire.size = cpu_to_le64(cases[i].size);
		wire.page_size = cpu_to_le32(cases[i].page_size);
		wire.id_len = cpu_to_le16(cases[i].id_len);
		memcpy(wire.id, cases[i].id, strlen(cases[i].id));
		ok(vmmig_proto_decode_block(&wire, id, &pages) == cases[i].err,
		   "block: %s: %s", cases[i].what, cases[i].err ? "refused" : "taken");
	}
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	vmmig_proto_encode_block(&wire, longest, 77);
	ok(!vmmig_proto_decode_block(&wire, id, &pages) && pages == 77 &&
	   strlen(id) == VMMIG_BLOCK_ID_LEN, "block: the longest id, read as written");
}

int main(void)
{
	test_layout();
	test_headers();
	test_hello();
	test_blocks();
	for (unsigned int t = 0; t < 12; t++)
		if (!vmmig_proto_name(t))
			ok(false, "name of type %u", t);
	return tap_end();
}
