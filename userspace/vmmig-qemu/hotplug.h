/* SPDX-License-Identifier: GPL-2.0 */
/* Devices that came or went since QEMU was started. */
#ifndef HOTPLUG_H
#define HOTPLUG_H

#include "vm.h"

/**
 * struct hotplug - how the VM differs from a command line
 * @lacks: devices that are not on it
 * @extra: devices on it that the VM does not have any more
 * @again: on it, but plugged in later, so perhaps with other properties
 * @nameless: QOM paths of devices without an id that were plugged in
 */
struct hotplug {
	struct strv lacks;
	struct strv extra;
	struct strv again;
	struct strv nameless;
};

/*
 * Compare the VM's devices with @args, the destination's command line. @h is
 * filled as far as QEMU answers and must be freed. 0 or the error of QMP.
 * @doubts: find @again and @nameless too, which asks QEMU once per device.
 */
int hotplug_find(struct qmp *q, const struct strv *args, bool doubts,
		 struct hotplug *h, struct vmmig_error *err);
void hotplug_free(struct hotplug *h);

/*
 * Did it change since it was found right? Devices without an id do not count,
 * no option could be told to be theirs.
 */
int hotplug_check(struct qmp *q, const struct strv *args,
		  struct vmmig_error *err);

#endif /* HOTPLUG_H */
