/* SPDX-License-Identifier: GPL-2.0 */
/* Can this VM be migrated? Nothing is changed to find out. */
#ifndef CHECK_H
#define CHECK_H

#include "findings.h"
#include "vm.h"

/* This host: permission, module. Tries to load the module. */
void check_host(struct findings *f, const char *where);
/* The VM: state, RAM, devices. @args: the destination's command line. */
void check_vm(struct vm *vm, const struct strv *args, struct findings *f);
/* Part of that: disks that only this host can see, or the destination cannot. */
void check_disks(struct vm *vm, const struct strv *args, struct findings *f);
/* Did a disk's image change since all was found right? */
int check_disks_again(struct vm *vm, const struct strv *args,
		      struct vmmig_error *err);

#endif /* CHECK_H */
