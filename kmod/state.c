// SPDX-License-Identifier: GPL-2.0
/* States of a session and the allowed transitions. */

#ifdef __KERNEL__
#include <linux/bits.h>
#include <linux/kernel.h>
#endif

#include "state.h"

#define TO(state)	BIT(VMMIG_STATE_##state)
#define TO_LOST		(TO(FAILED) | TO(CANCELLED))

static const struct {
	const char *name;
	unsigned long next;
} states[] = {
	/* source */
	[VMMIG_STATE_CONNECTING] = { "connecting", TO(BULK) | TO_LOST },
	[VMMIG_STATE_BULK] = { "bulk", TO(ITERATING) | TO(STOPPED) | TO_LOST },
	[VMMIG_STATE_ITERATING] = { "iterating", TO(STOPPED) | TO_LOST },
	[VMMIG_STATE_STOPPED] = { "stopped", TO(SYNCED) | TO(DONE) | TO_LOST },
	[VMMIG_STATE_SYNCED] = { "synced", TO(STOPPED) | TO_LOST },
	[VMMIG_STATE_DONE] = { "done", 0 },
	/* destination */
	[VMMIG_STATE_LISTENING] = { "listening", TO(RECEIVING) | TO_LOST },
	[VMMIG_STATE_RECEIVING] = { "receiving", TO(COMPLETE) | TO_LOST },
	[VMMIG_STATE_COMPLETE] = { "complete", 0 },
	/* both */
	[VMMIG_STATE_FAILED] = { "failed", 0 },
	[VMMIG_STATE_CANCELLED] = { "cancelled", 0 },
};

/**
 * vmmig_state_allowed - may a session go from one state to another?
 * @from: state now
 * @to: state wanted
 *
 * Return: true if the table has that transition.
 */
bool vmmig_state_allowed(enum vmmig_state from, enum vmmig_state to)
{
	if ((unsigned int)from >= ARRAY_SIZE(states) ||
	    (unsigned int)to >= ARRAY_SIZE(states))
		return false;
	return states[from].next & BIT(to);
}

/**
 * vmmig_state_ended - has a session in this state ended?
 * @state: the state
 *
 * Return: true if no transition leads out of @state.
 */
bool vmmig_state_ended(enum vmmig_state state)
{
	return (unsigned int)state < ARRAY_SIZE(states) && !states[state].next;
}

/**
 * vmmig_state_name - name of a state, as in the netlink spec
 * @state: the state
 *
 * Return: a static string, never NULL.
 */
const char *vmmig_state_name(enum vmmig_state state)
{
	if ((unsigned int)state >= ARRAY_SIZE(states))
		return "unknown";
	return states[state].name;
}
