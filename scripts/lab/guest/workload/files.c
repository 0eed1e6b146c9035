// SPDX-License-Identifier: GPL-2.0
/*
 * A file of the host, read over virtio-fs past the page cache, so that the
 * daemon at the other end writes straight into our buffer. The first round
 * tells what each piece must be ever after; the buffer is looked at again
 * before its next use, as a migration may lie between.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wl.h"

#define FILE_PATH	"/shared/data"
#define PIECES		64
#define PIECE_SIZE	65536

static _Atomic uint64_t reads, bad;
static uint64_t sums[PIECES];
static uint64_t *buf;

static uint64_t sum(void)
{
	uint64_t x = 1;

	for (size_t i = 0; i < PIECE_SIZE / sizeof(*buf); i++)
		x = wl_mix(x ^ buf[i]);
	return x;
}

static void fail(const char *what, int piece)
{
	bad++;
	wl_bad("piece %d of the host's file %s (errno %d)", piece, what, errno);
}

static bool read_piece(int fd, int piece)
{
	errno = 0;
	memset(buf, 0, PIECE_SIZE);
	if (pread(fd, buf, PIECE_SIZE, (off_t)piece * PIECE_SIZE) == PIECE_SIZE)
		return true;
	fail("cannot be read", piece);
	return false;
}

static void *run(void *arg)
{
	int fd = *(int *)arg;

	for (int piece = 0; piece < PIECES; piece++)
		if (read_piece(fd, piece))
			sums[piece] = sum();
	for (uint64_t round = 1;; round++) {
		int piece = wl_mix(round) % PIECES;

		if (read_piece(fd, piece)) {
			if (sum() != sums[piece])
				fail("differs", piece);
			wl_sleep_ms(1000 / wl.files);
			if (sum() != sums[piece])
				fail("has changed in memory", piece);
			reads++;
		} else {
			wl_sleep_ms(1000);
		}
	}
	return NULL;
}

void files_start(void)
{
	static int fd = -1;

	if (wl.files > 0)
		fd = open(FILE_PATH, O_RDONLY | O_DIRECT);
	if (fd < 0)
		return;
	if (posix_memalign((void **)&buf, WL_PAGE, PIECE_SIZE))
		exit(1);
	wl_thread(run, &fd);
}

int files_status(char *out, size_t size)
{
	return snprintf(out, size, "\"file_reads\":%lu,\"files_bad\":%lu,", reads, bad);
}
