/* SPDX-License-Identifier: GPL-2.0 */
/* The destination's QEMU: its RAM files, its start, its end. */
#ifndef TARGET_H
#define TARGET_H

#include "findings.h"
#include "keeper.h"
#include "plan.h"
#include "qmp.h"

/**
 * struct target - what is created at the destination
 * @program: QEMU as it will be started
 * @ram_fd: RAM files, opened for reading and writing, -1 if not made
 * @keeper: removes all of it, unless it is told to let go
 * @pid: QEMU, 0 if it does not run
 * @pidfd: readable when it ended
 * @ended: it did
 * @log: file of its output, @log_start where this run begins
 */
struct target {
	const struct plan *plan;
	struct loop *loop;
	char *program;
	uid_t uid;
	gid_t gid;
	int ram_fd[VMMIG_MAX_BLOCKS];
	struct keeper keeper;
	pid_t pid;
	int pidfd;
	bool ended;
	char *log;
	off_t log_start;
	struct qmp qmp;
};

void target_init(struct target *t, struct loop *l, const struct plan *plan);
/* Looks only; fills in the program. */
void target_check(struct target *t, struct findings *f);
int target_create_ram(struct target *t, struct vmmig_error *err);
/* Start QEMU, wait until its monitor answers. */
int target_start(struct target *t, struct vmmig_error *err);
/* QEMU ended or closed its monitor: say so with its own last words. */
int target_explain(struct target *t, struct vmmig_error *err);
/* The last lines that QEMU printed, on one line; to be freed. */
char *target_last_words(struct target *t);
/* From here on QEMU and its RAM files stay, whatever happens to us. */
void target_let_go(struct target *t);
/* Forget about it; what was not let go is ended and removed. */
void target_release(struct target *t);

#endif /* TARGET_H */
