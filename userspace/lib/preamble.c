// SPDX-License-Identifier: GPL-2.0
/* magic[8] token[32] le16 stream, le16 streams, le32 zero */
#include <endian.h>
#include <string.h>

#include "preamble.h"

static const char magic[8] = { 'V', 'M', 'M', 'I', 'G', 'T', 'O', 'K' };

struct wire {
	char magic[8];
	uint8_t token[VMMIG_TOKEN_LEN];
	uint16_t stream;
	uint16_t streams;
	uint32_t zero;
};

_Static_assert(sizeof(struct wire) == PREAMBLE_LEN, "preamble with holes");

void preamble_encode(const struct preamble *p, uint8_t out[PREAMBLE_LEN])
{
	struct wire w = {
		.stream = htole16(p->stream),
		.streams = htole16(p->streams),
	};

	memcpy(w.magic, magic, sizeof(magic));
	memcpy(w.token, p->token, VMMIG_TOKEN_LEN);
	memcpy(out, &w, PREAMBLE_LEN);
}

/* The time it takes must not tell how many bytes were guessed right. */
static bool token_equal(const uint8_t *a, const uint8_t *b)
{
	volatile uint8_t diff = 0;

	for (int i = 0; i < VMMIG_TOKEN_LEN; i++)
		diff |= a[i] ^ b[i];
	return !diff;
}

const char *preamble_decode(const uint8_t in[PREAMBLE_LEN],
			    const uint8_t token[VMMIG_TOKEN_LEN],
			    unsigned int streams, struct preamble *p)
{
	struct wire w;

	memcpy(&w, in, PREAMBLE_LEN);
	if (memcmp(w.magic, magic, sizeof(magic)))
		return "did not come from vmmig";
	if (!token_equal(w.token, token))
		return "had another token";

	memcpy(p->token, w.token, VMMIG_TOKEN_LEN);
	p->stream = le16toh(w.stream);
	p->streams = le16toh(w.streams);
	if (w.zero)
		return "came from another version of vmmig";
	if (p->streams != streams)
		return "had another number of streams";
	if (p->stream >= streams)
		return "had a stream number out of range";
	return NULL;
}
