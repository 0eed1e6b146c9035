// SPDX-License-Identifier: GPL-2.0
/*
 * Any bytes at all: the decoder must stay inside of them and keep its word.
 * With -DUSE_LIBFUZZER a libFuzzer target; else a loop over the same function
 * that does the same in every run.
 */
#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void fuzz_header(const uint8_t *data, size_t len)
{
	struct vmmig_msg_wire wire, again;
	struct vmmig_msg msg;

	if (len < sizeof(wire) + 1)
		return;
	memcpy(&wire, data + 1, sizeof(wire));
	if (vmmig_proto_decode(&wire, data[0] & 1, &msg))
		return;
	/* What the receiver relies on */
	assert(msg.len <= VMMIG_EXTENT_PAGES * VMMIG_PAGE_SIZE);
	assert(msg.type != VMMIG_MSG_HELLO || msg.len <= VMMIG_HELLO_LEN_MAX);
	assert(msg.type != VMMIG_MSG_ERROR || msg.len <= VMMIG_REASON_LEN);
	assert(msg.type != VMMIG_MSG_PAGES ||
	       (msg.count && msg.count <= VMMIG_EXTENT_PAGES &&
		msg.len == msg.count * VMMIG_PAGE_SIZE));
	vmmig_proto_encode(&again, &msg);
	assert(!memcmp(&wire, &again, sizeof(wire)));
}

static void fuzz_hello(const uint8_t *data, size_t len)
{
	char id[VMMIG_BLOCK_ID_LEN + 1];
	struct vmmig_block_wire block;
	struct vmmig_hello hello;
	const char *why = NULL;
	uint8_t *copy;
	u64 pages;

	/* Exactly as large as it says, so that a sanitizer sees each step beyond */
	copy = malloc(len ? len : 1);
	memcpy(copy, data, len);
	if (!vmmig_proto_decode_hello(copy, len, &hello, &why)) {
		assert(hello.nr_blocks <= VMMIG_MAX_BLOCKS);
		assert(hello.stream < hello.nr_streams && hello.nr_streams <= VMMIG_MAX_STREAMS);
		for (u32 i = 0; i < hello.nr_blocks; i++) {
			memcpy(&block, copy + sizeof(struct vmmig_hello_wire) + i * sizeof(block),
			       sizeof(block));
			if (!vmmig_proto_decode_block(&block, id, &pages))
				assert(*id && strlen(id) <= VMMIG_BLOCK_ID_LEN && pages);
		}
	} else {
		assert(why);
	}
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	fuzz_header(data, len);
	fuzz_hello(data, len);
	return 0;
}

#ifndef USE_LIBFUZZER
#define ROUNDS	2000000

static uint32_t rnd(uint32_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 17;
	*s ^= *s << 5;
	return *s;
}

int main(void)
{
	static uint8_t seed[VMMIG_HELLO_LEN_MAX], buf[VMMIG_HELLO_LEN_MAX + 64];
	struct vmmig_hello hello = { .nr_streams = 2, .nr_blocks = 3 };
	struct vmmig_msg_wire wire;
	uint32_t state = 4711;

	for (unsigned int n = 0; n < ROUNDS; n++) {
		bool is_hello = n % 2;
		size_t len = is_hello ? sizeof(struct vmmig_hello_wire) +
			3 * sizeof(struct vmmig_block_wire) : 25;
		struct vmmig_msg msg = { rnd(&state) % 10, rnd(&state) % 3, rnd(&state) % 3 * 4096,
					 rnd(&state) % 9, rnd(&state) % 4, 0 };

		memset(seed, 0, len);
		if (is_hello) {
			vmmig_proto_encode_hello((void *)seed, &hello);
			for (int i = 0; i < 3; i++)
				vmmig_proto_encode_block((struct vmmig_block_wire *)(seed +
					sizeof(struct vmmig_hello_wire)) + i, "block", i + 1);
		} else {
			seed[0] = rnd(&state);
			vmmig_proto_encode(&wire, &msg);
			memcpy(seed + 1, &wire, sizeof(wire));
		}
		memcpy(buf, seed, len);
		for (unsigned int i = rnd(&state) % 4; i; i--)
			buf[rnd(&state) % (is_hello && i % 2 ? 64 : len)] = rnd(&state);
		if (!(rnd(&state) % 8))
			len = rnd(&state) % sizeof(buf);
		LLVMFuzzerTestOneInput(buf, len);
	}
	printf("ok 1 - %u mutated inputs, each handled\n1..1\n", ROUNDS);
	return 0;
}
#endif
