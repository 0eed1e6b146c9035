/* SPDX-License-Identifier: GPL-2.0 */
/* --ram ID=WHERE: parse and open. */
#ifndef VMMIGCTL_RAM_H
#define VMMIGCTL_RAM_H

#include "vmmig.h"

/**
 * struct ram_spec - one RAM block as given on the command line
 * @kind: where the file comes from
 * @id: name of the block
 * @path: RAM_PATH, the file
 * @size: RAM_PATH, make the file with this size; 0: it must exist
 * @fd: RAM_FD and RAM_PROCESS, number of the descriptor
 * @pid: RAM_PROCESS, whose descriptor
 */
struct ram_spec {
	enum { RAM_PATH, RAM_FD, RAM_PROCESS } kind;
	char id[VMMIG_BLOCK_ID_LEN + 1];
	const char *path;
	char *path_copy;
	uint64_t size;
	int fd;
	int pid;
};

/**
 * struct ram_set - all blocks of a session
 * @specs: what was asked for
 * @blocks: what was opened, for vmmig_start
 * @nr: number of specs
 * @nr_open: number of blocks
 */
struct ram_set {
	struct ram_spec specs[VMMIG_MAX_BLOCKS];
	struct vmmig_block blocks[VMMIG_MAX_BLOCKS];
	unsigned int nr;
	unsigned int nr_open;
};

/* Pure. may_create: accept ",size=". */
int ram_spec_parse(const char *text, bool may_create, struct ram_spec *spec,
		   struct vmmig_error *err);

int ram_set_add(struct ram_set *set, const char *text, bool may_create,
		struct vmmig_error *err);
int ram_set_open(struct ram_set *set, bool writable, struct vmmig_error *err);
/* The session has the files now: do not remove those that were made. */
void ram_set_keep(struct ram_set *set);
void ram_set_close(struct ram_set *set);

#endif /* VMMIGCTL_RAM_H */
