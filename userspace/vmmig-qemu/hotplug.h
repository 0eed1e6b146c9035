/* SPDX-License-Identifier: GPL-2.0 */
/* Devices that came or went since QEMU was started. */
#ifndef HOTPLUG_H
#define HOTPLUG_H

#include "vm.h"

/*
 * What @args, the destination's command line, would get wrong: @lacks gets
 * devices of the VM that are not on it, @extra those on it that the VM does
 * not have any more. A QEMU that does not answer adds nothing.
 */
void hotplug_find(struct qmp *q, const struct strv *args, struct strv *lacks,
		  struct strv *extra);

/* The same in one sentence: 0, or -EREMOTEIO with the reason in @err. */
int hotplug_check(struct qmp *q, const struct strv *args,
		  struct vmmig_error *err);

#endif /* HOTPLUG_H */
