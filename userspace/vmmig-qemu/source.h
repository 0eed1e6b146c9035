/* SPDX-License-Identifier: GPL-2.0 */
/* What is changed in the source's QEMU, and how it is changed back. */
#ifndef SOURCE_H
#define SOURCE_H

#include "vm.h"

/**
 * struct source - the changes
 * @caps: capabilities as they were, NULL: not changed
 * @params: parameters as they were, NULL: not changed
 * @dirty_limit: our set-vcpu-dirty-limit is in force
 * @limits: those of vCPUs before it, NULL: none
 */
struct source {
	struct vm *vm;
	struct json_object *caps;
	struct json_object *params;
	bool dirty_limit;
	struct json_object *limits;
};

void source_init(struct source *s, struct vm *vm);
/* Capabilities and parameters for a stream of device state only. */
int source_prepare(struct source *s, struct vmmig_error *err);
/* The stream does not get shorter by itself: QEMU shall stop the VM anyway. */
int source_switch_now(struct source *s, struct vmmig_error *err);
/* Dirty logging on; @mb 0: without slowing anybody down. MB/s per vCPU. */
int source_set_dirty_limit(struct source *s, uint64_t mb,
			   struct vmmig_error *err);
/* Everything as it was; goes on after errors and returns the first. */
int source_restore(struct source *s, struct vmmig_error *err);
/* End QEMU and wait for its end. */
int source_quit(struct source *s, struct vmmig_error *err);
void source_free(struct source *s);

#endif /* SOURCE_H */
