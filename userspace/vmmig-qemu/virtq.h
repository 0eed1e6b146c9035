/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sizes of virtqueues, which have to do with QEMU's version: stable releases
 * before 11.1 give every queue 1024 entries whatever the device asks for
 * (virtio_add_queue()), 11.1 allocates what it asks for and refuses to load
 * more. What QEMU would only say when it loads the device state is said here
 * before pre-copy.
 */
#ifndef VIRTQ_H
#define VIRTQ_H

#include "qmp.h"

/*
 * [{"path", "name", "entries"}...]: the first queue of each virtio device. One
 * stands for all of a device, a rule about versions does not know them apart.
 * Empty if this QEMU cannot be asked.
 */
struct json_object *virtq_sizes(struct qmp *q);

/*
 * Can the devices of @q load queues of @sizes (NULL: none)? -EPERM: no. What
 * cannot be compared passes.
 */
int virtq_check(struct qmp *q, struct json_object *sizes,
		struct vmmig_error *err);

#endif /* VIRTQ_H */
