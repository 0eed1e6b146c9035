// SPDX-License-Identifier: GPL-2.0
/*
 * A line for each MiB of a RAM file that is not zero: number, checksum. Holes
 * and zero pages count as the same. Two files are compared by comparing lines.
 *
 * usage: ramsum FILE
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB	(1UL << 20)

static uint64_t words[MIB / 8];

/* Two sums that mix differently: 128 bits, position and value count */
static bool sum(uint64_t *a, uint64_t *b)
{
	bool zero = true;

	*a = 0x9e3779b97f4a7c15ULL;
	*b = 0xc2b2ae3d27d4eb4fULL;
	for (size_t i = 0; i < MIB / 8; i++) {
		zero &= !words[i];
		*a = (*a ^ words[i]) * 0xff51afd7ed558ccdULL;
		*a ^= *a >> 32;
		*b = (*b + words[i]) * 0xc4ceb9fe1a85ec53ULL;
		*b = *b << 29 | *b >> 35;
	}
	return !zero;
}

int main(int argc, char **argv)
{
	int fd = argc == 2 ? open(argv[1], O_RDONLY) : -1;
	uint64_t a, b;
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st)) {
		perror(argc == 2 ? argv[1] : "usage: ramsum FILE");
		return 1;
	}
	printf("size %lld\n", (long long)st.st_size);
	for (off_t at = 0; at < st.st_size; at += MIB) {
		off_t data = lseek(fd, at, SEEK_DATA);

		if (data < 0)
			break;
		at = data / MIB * MIB;
		n = pread(fd, words, MIB, at);
		if (n < 0) {
			perror(argv[1]);
			return 1;
		}
		for (size_t i = n; i < MIB; i++)
			((char *)words)[i] = 0;
		if (sum(&a, &b))
			printf("%lld %016llx%016llx\n", (long long)(at / MIB),
			       (unsigned long long)a, (unsigned long long)b);
	}
	return 0;
}
