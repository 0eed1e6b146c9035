// SPDX-License-Identifier: GPL-2.0
/*
 * Files that are written, synced and read back past the page cache. Each round
 * also reads a file of an earlier round, which may lie before a migration.
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

#define FILES		16
#define FILE_SIZE	65536

static _Atomic uint64_t ops, bad;
static uint64_t contents[FILES];	/* round that wrote the file, 0: none */
static uint64_t *buf;

static void make(uint64_t *to, int file, uint64_t round)
{
	uint64_t x = round << 8 | file;

	for (size_t i = 0; i < FILE_SIZE / sizeof(*to); i++)
		to[i] = x = wl_mix(x);
}

static void fail(const char *what, int file, uint64_t round)
{
	bad++;
	wl_bad("disk file %d of round %lu: %s (errno %d)", file, round, what, errno);
}

static void check_file(int file)
{
	static uint64_t want[FILE_SIZE / sizeof(uint64_t)];
	char name[32];
	int fd;

	if (!contents[file])
		return;
	errno = 0;
	snprintf(name, sizeof(name), "/data/f%d", file);
	fd = open(name, O_RDONLY | O_DIRECT);
	memset(buf, 0, FILE_SIZE);
	if (fd < 0 || pread(fd, buf, FILE_SIZE, 0) != FILE_SIZE) {
		fail("cannot be read", file, contents[file]);
	} else {
		make(want, file, contents[file]);
		if (memcmp(buf, want, FILE_SIZE))
			fail("differs", file, contents[file]);
	}
	if (fd >= 0)
		close(fd);
}

static void write_file(int file, uint64_t round)
{
	char name[32];
	int fd;

	errno = 0;
	snprintf(name, sizeof(name), "/data/f%d", file);
	make(buf, file, round);
	fd = open(name, O_RDWR | O_CREAT, 0600);
	if (fd < 0 || pwrite(fd, buf, FILE_SIZE, 0) != FILE_SIZE || fsync(fd))
		fail("cannot be written", file, round);
	else
		contents[file] = round;
	if (fd >= 0)
		close(fd);
}

static void *run(void *arg)
{
	(void)arg;
	for (uint64_t round = 1;; round++) {
		int file = round % FILES;

		write_file(file, round);
		check_file(file);
		check_file(wl_mix(round) % FILES);
		ops++;
		wl_sleep_ms(1000 / wl.disk);
	}
	return NULL;
}

void disk_start(void)
{
	if (access("/data/lost+found", F_OK))
		wl.disk = 0;	/* no disk mounted */
	if (wl.disk < 1)
		return;
	if (posix_memalign((void **)&buf, WL_PAGE, FILE_SIZE))
		exit(1);
	wl_thread(run, NULL);
}

int disk_status(char *out, size_t size)
{
	return snprintf(out, size, "\"disk_ops\":%lu,\"disk_bad\":%lu,", ops, bad);
}
