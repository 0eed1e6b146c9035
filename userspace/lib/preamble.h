/* SPDX-License-Identifier: GPL-2.0 */
/* The first bytes on every connection; pure code, no I/O. */
#ifndef VMMIG_PREAMBLE_H
#define VMMIG_PREAMBLE_H

#include "vmmig.h"

#define PREAMBLE_LEN	48

/**
 * struct preamble - who connects, and which stream this is
 * @token: equal on both sides
 * @stream: number of this connection, from 0
 * @streams: how many there are
 */
struct preamble {
	uint8_t token[VMMIG_TOKEN_LEN];
	uint16_t stream;
	uint16_t streams;
};

void preamble_encode(const struct preamble *p, uint8_t out[PREAMBLE_LEN]);

/*
 * Checks in against what is expected, fills p. Returns NULL, or what is wrong
 * with it as half a sentence.
 */
const char *preamble_decode(const uint8_t in[PREAMBLE_LEN],
			    const uint8_t token[VMMIG_TOKEN_LEN],
			    unsigned int streams, struct preamble *p);

#endif /* VMMIG_PREAMBLE_H */
