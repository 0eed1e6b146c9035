#!/bin/bash
# shellcheck disable=SC2016  # eval of check() expands
# SPDX-License-Identifier: GPL-2.0
# Promise: the module can be loaded and unloaded at any time, with KVM there or
# not; not while a session runs.
# Catches: leftovers of init and exit, a tracepoint of a KVM that has gone,
# modules that vanish under a running session.
cd "$(dirname "$0")" || exit
# shellcheck source=lib.sh
. ./lib.sh

cleanup() { modprobe -a kvm_amd 2>/dev/null; load; }

loops() {
	local i
	for ((i = 0; i < 5; i++)); do
		insmod "$MODULE" && rmmod vmmig || return
	done
}

# KVM's modules, the outer first
kvm_out() { rmmod kvm_amd kvm_intel 2>/dev/null; rmmod kvm; }

ring_is_seen() {
	local out
	out=$(./ring -v of_1024 -t nothing_is_missed) && return
	printf '%s\n' "$out" | sed 's/^/# /'
	return 1
}

refused_while_running() {
	local out
	load && random_file a 8 && move a --rate-limit 1M || return
	out=$(rmmod vmmig 2>&1)
	echo "# $out"
	[[ $out = *"in use"* ]] && module_in &&
		vmmigctl cancel "$SRC" && until_ok 5 ended "$SRC" && until_ok 5 ended "$DST" && unload
}

# Whatever a session holds is given back when rmmod has worked
straight_after() {
	local i
	for ((i = 0; i < 3; i++)); do
		load && random_file a 1 && move a || return
		until_ok 5 is_in "$SRC" iterating || return
		vmmigctl finalize --wait "$SRC" >/dev/null || return
		cmp "$WORK/a.src" "$WORK/a.dst" && unload || return
	done
}

ktap_print_header
ktap_set_plan 8
log_mark
unload
check "five times in and out" loops
if kvm_out 2>/dev/null; then
	check "without KVM" loops
	check "KVM loaded after it, its rings are seen" eval 'insmod "$MODULE" && modprobe kvm_amd && ring_is_seen'
	check "KVM unloaded before it" eval 'kvm_out && rmmod vmmig && modprobe kvm_amd'
else
	for t in "without KVM" "KVM loaded after it, its rings are seen" "KVM unloaded before it"; do
		ktap_test_skip "$t"
	done
fi
check "unloading is refused while a session runs" refused_while_running
check "unloading works straight after the end" straight_after
check "rmmod and insmod at the same time" eval \
	'load; for i in 1 2 3 4 5 6; do rmmod vmmig 2>/dev/null & insmod "$MODULE" 2>/dev/null & done; wait; unload && load'
quiet_log "nothing in the kernel log"
ktap_finished
