#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Promise: the module can come and go any number of times, and nothing that it
# allocated is without an owner after all other tests.
# Catches: leaks of error paths, leftovers of an unloaded module.
# Needs kmemleak; run last.
. "$(dirname "$0")/lib.sh"

LEAKS=/sys/kernel/debug/kmemleak
ROUNDS=30

come_and_go() {
	local i
	for ((i = 0; i < ROUNDS; i++)); do unload && load || return; done
}

# An object counts as lost when it is older than 5 s and two scans missed it. No
# scan is possible where kmemleak has given up, for want of memory
none_lost() {
	local i
	for i in 1 2 3; do
		echo scan >"$LEAKS" || return
		[ "$i" = 3 ] || read -r -t 6 <> <(:) || true
	done
	[ -z "$(cat "$LEAKS")" ] || { sed 's/^/# /' "$LEAKS" | head -n 60; return 1; }
}

ktap_print_header
[ -e "$LEAKS" ] || skip_all "the kernel has no kmemleak"
ktap_set_plan 3
log_mark
check "$ROUNDS times unloaded and loaded" come_and_go
check "kmemleak finds nothing" none_lost
quiet_log "nothing in the kernel's log"
ktap_finished
