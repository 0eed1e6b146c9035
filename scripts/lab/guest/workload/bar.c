// SPDX-License-Identifier: GPL-2.0
/*
 * Moves the memory of the display to another address and back, as a system does
 * that assigns its PCI resources anew: each step changes KVM's memory slots.
 */
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "wl.h"

#define COMMAND		0x04
#define COMMAND_MEMORY	0x02
#define BAR_0		0x10
/* In the window of SeaBIOS (from 0xc0000000) and of OVMF (up to 0xdfffffff) */
#define ELSEWHERE	0xd0000000u
#define DISPLAYS	"/sys/bus/pci/devices/*"

static int open_display(void)
{
	int fd = -1;
	glob_t g;

	if (glob(DISPLAYS, 0, NULL, &g))
		return -1;
	for (size_t i = 0; i < g.gl_pathc && fd < 0; i++) {
		char path[256];
		unsigned int class = 0;
		FILE *f;

		snprintf(path, sizeof(path), "%s/class", g.gl_pathv[i]);
		f = fopen(path, "r");
		if (!f)
			continue;
		if (fscanf(f, "%x", &class) == 1 && class >> 16 == 3) {
			snprintf(path, sizeof(path), "%s/config", g.gl_pathv[i]);
			fd = open(path, O_RDWR);
		}
		fclose(f);
	}
	globfree(&g);
	return fd;
}

static bool put(int fd, uint16_t command, uint32_t bar)
{
	uint16_t off = command & ~COMMAND_MEMORY;

	return pwrite(fd, &off, sizeof(off), COMMAND) == sizeof(off) &&
		pwrite(fd, &bar, sizeof(bar), BAR_0) == sizeof(bar) &&
		pwrite(fd, &command, sizeof(command), COMMAND) == sizeof(command);
}

const char *bar_move(void)
{
	int fd = open_display();
	uint16_t command;
	uint32_t bar;
	bool ok;

	if (fd < 0)
		return "no display";
	ok = pread(fd, &command, sizeof(command), COMMAND) == sizeof(command) &&
		pread(fd, &bar, sizeof(bar), BAR_0) == sizeof(bar) &&
		put(fd, command, ELSEWHERE | (bar & 0xf));
	if (ok) {
		wl_sleep_ms(5);
		ok = put(fd, command, bar);
	}
	close(fd);
	return ok ? "ok" : "cannot be moved";
}
