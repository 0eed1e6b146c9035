/* SPDX-License-Identifier: GPL-2.0 */
/* States of a session and the allowed transitions. Pure code. */
#ifndef VMMIG_STATE_H
#define VMMIG_STATE_H

#ifdef __KERNEL__
#include <linux/types.h>
#include <uapi/linux/vmmig.h>
#else
#include "proto_user.h"
#endif

bool vmmig_state_allowed(enum vmmig_state from, enum vmmig_state to);
bool vmmig_state_ended(enum vmmig_state state);
const char *vmmig_state_name(enum vmmig_state state);

#endif /* VMMIG_STATE_H */
