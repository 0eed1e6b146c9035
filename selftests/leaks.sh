#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Promise: the module can come and go any number of times, and nothing that it
# allocated is without an owner after all other tests.
# Catches: leaks of error paths, leftovers of an unloaded module.
# Needs kmemleak; run last.
. "$(dirname "$0")/lib.sh"

ROUNDS=30

come_and_go() {
	local i
	for ((i = 0; i < ROUNDS; i++)); do unload && load || return; done
}

none_lost() {
	local found
	found=$("$(dirname "$0")/kmemleak.sh" 2>&1) || { sed 's/^/# /' <<<"$found"; return 1; }
}

ktap_print_header
[ -e /sys/kernel/debug/kmemleak ] || skip_all "the kernel has no kmemleak"
ktap_set_plan 3
log_mark
check "$ROUNDS times unloaded and loaded" come_and_go
check "kmemleak finds nothing" none_lost
quiet_log "nothing in the kernel's log"
ktap_finished
