// SPDX-License-Identifier: GPL-2.0
/*
 * Promise: a session takes only these ways, and none leads out of an end.
 * Catches: transitions that were added or lost by accident.
 */
#include <stdbool.h>
#include <stdio.h>

#include "state.h"
#include "tap.h"

#define S(state)	VMMIG_STATE_##state
#define NR		(VMMIG_STATE_CANCELLED + 1)

static const struct { enum vmmig_state from, to; } ways[] = {
	{ S(CONNECTING), S(BULK) },
	{ S(BULK), S(ITERATING) },
	{ S(BULK), S(STOPPED) },
	{ S(ITERATING), S(STOPPED) },
	{ S(STOPPED), S(SYNCED) },
	{ S(STOPPED), S(DONE) },
	{ S(SYNCED), S(STOPPED) },
	{ S(LISTENING), S(RECEIVING) },
	{ S(RECEIVING), S(COMPLETE) },
};

static bool is_end(int s)
{
	return s == S(DONE) || s == S(COMPLETE) || s == S(FAILED) || s == S(CANCELLED);
}

static bool expected(int from, int to)
{
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
		if (ways[i].from == (enum vmmig_state)from && ways[i].to == (enum vmmig_state)to)
			return true;
	return !is_end(from) && (to == S(FAILED) || to == S(CANCELLED));
}

int main(void)
{
	for (int from = 0; from < NR; from++) {
		int wrong = 0;

		for (int to = -1; to < NR + 2; to++)
			wrong += vmmig_state_allowed(from, to) !=
				(to >= 0 && to < NR && expected(from, to));
		ok(!wrong, "ways out of %s", vmmig_state_name(from));
		ok(vmmig_state_ended(from) == is_end(from), "%s is %san end",
		   vmmig_state_name(from), is_end(from) ? "" : "not ");
	}
	ok(!vmmig_state_allowed(-1, S(FAILED)) && !vmmig_state_allowed(NR, S(FAILED)) &&
	   !vmmig_state_allowed(1000, 0), "states that do not exist lead nowhere");
	ok(vmmig_state_name(-1) && vmmig_state_name(NR), "they have a name nevertheless");
	return tap_end();
}
