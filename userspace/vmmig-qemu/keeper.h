/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A small process beside the receiver that removes what was created at the
 * destination as soon as the receiver is gone, however it went: also after
 * SIGKILL or when memory ran out. The commit lets everything live.
 */
#ifndef KEEPER_H
#define KEEPER_H

#include <stdbool.h>
#include <sys/types.h>

#include "plan.h"

/**
 * struct keeper - the receiver's end
 * @pid: the keeper, 0 if there is none
 * @fd: where it is told
 */
struct keeper {
	pid_t pid;
	int fd;
};

void keeper_init(struct keeper *k);
/* Before anything is created. @plan says where the RAM files are. */
int keeper_start(struct keeper *k, const struct plan *plan,
		 struct vmmig_error *err);
/* The plan's next RAM file exists. */
int keeper_has_ram(struct keeper *k, struct vmmig_error *err);
/* Called by QEMU's process itself before it becomes QEMU: -errno or 0. */
int keeper_has_qemu(struct keeper *k);
/* The VM is ours now. A keeper that was killed removes nothing either. */
void keeper_let_go(struct keeper *k);
/*
 * Returns when all that was not let go is removed; false if the keeper was
 * killed and nobody has removed anything.
 */
bool keeper_finish(struct keeper *k);

#endif /* KEEPER_H */
