/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sizes of virtqueues, which have to do with QEMU's version: late stable
 * releases before 11.1, such as 10.0.13, give every queue 1024 entries whatever
 * the device asks for (virtio_add_queue()); 11.1 allocates what it asks for and
 * refuses to load more. That would only show with the VM stopped, so it is
 * looked for before pre-copy. A sample: the load itself decides.
 */
#ifndef VIRTQ_H
#define VIRTQ_H

#include "qmp.h"

/*
 * [{"path", "name", "entries"}...]: the first queue of each virtio device that
 * may be asked. Not one that may run over vhost: x-query-virtio-queue-status
 * asks the back-end for its position then, and a vhost-user back-end stops the
 * queue for that (VHOST_USER_GET_VRING_BASE).
 */
struct json_object *virtq_sizes(struct qmp *q);

/*
 * Can the devices of @q, a QEMU that waits for its state, load queues of @sizes
 * (NULL: none)? -EPERM: no. What cannot be compared passes.
 */
int virtq_check(struct qmp *q, struct json_object *sizes,
		struct vmmig_error *err);

#endif /* VIRTQ_H */
