#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Promise: vmmigctl alone moves the RAM of any program, and tells in text, JSON
# and exit codes what happened.
# Catches: exit codes that lie, events that monitor misses, files left behind,
# tokens that let strangers in.
cd "$(dirname "$0")" || exit
# shellcheck source=lib.sh
. ./lib.sh

whole() {
	move a --name web --streams 1 || return
	until_ok 5 is_in "$SRC" iterating || return
	vmmigctl finalize --hold --wait "$SRC" >/dev/null && is_in "$SRC" synced &&
		vmmigctl finalize --wait "$SRC" >"$WORK/end" && cmp "$WORK/a.src" "$WORK/a.dst" &&
		[ "$(stat -c %a "$WORK/a.dst")" = 600 ] && is_in "$DST" complete
}

failed_exit() {
	local rc
	move a --rate-limit 1M || return
	vmmigctl monitor --until-end "$SRC" >"$WORK/mon" 2>&1 &
	vmmigctl cancel "$DST"
	wait $!
	rc=$?
	[ "$rc" = 4 ] && grep -q "cancelled" "$WORK/mon"
}

throttled() {
	move a --rate-limit 1M || return
	vmmigctl throttle "$SRC" none && vmmigctl status "$SRC" | grep -qE "rate-limit +none" &&
		until_ok 10 is_in "$SRC" iterating && vmmigctl cancel "$SRC" && until_ok 5 ended "$SRC"
}

stranger() {
	local port
	vmmigctl receive --listen 127.0.0.1 --make-token "$WORK/token" --timeout "$((20 * SLOW))" \
		--ram "ram=$WORK/t.dst,size=16M" >"$WORK/t.rx" 2>&1 &
	until_ok 5 grep -q listening "$WORK/t.rx" || return
	port=$(sed -n 's/.* port \([0-9]*\) .*/\1/p' "$WORK/t.rx")
	# Without the token nothing is received; the one with it still gets through
	timeout "$((5 * SLOW))" vmmigctl send --ram "ram=$WORK/a.src" 127.0.0.1 "$port" >"$WORK/s" 2>&1
	vmmigctl send --token-file "$WORK/token" --ram "ram=$WORK/a.src" 127.0.0.1 "$port" >"$WORK/s" || return
	wait $!
	SRC=$(sed -n 's/^session //p' "$WORK/s")
	until_ok 5 is_in "$SRC" iterating && vmmigctl finalize --wait "$SRC" >/dev/null &&
		cmp "$WORK/a.src" "$WORK/t.dst"
}

traced() {
	local dir=/sys/kernel/tracing/instances/vmmig e rc=0
	mkdir "$dir" && echo 1 >"$dir/events/vmmig/enable" && whole || rc=1
	cp "$dir/trace" "$WORK/trace"
	rmdir "$dir"
	for e in vmmig_pass_begin vmmig_pass_end vmmig_chunk_sent vmmig_state; do
		grep -q " $e: " "$WORK/trace" || { echo "# no $e"; rc=1; }
	done
	return "$rc"
}

refusal() {
	local out
	head -c 8192 /dev/zero >"$WORK/notmp"
	out=$(vmmigctl send --ram "ram=/etc/passwd" 127.0.0.1 1 2>&1) && return 1
	[[ $out = *refused* ]]
}

ktap_print_header
ktap_set_plan 8
log_mark
load
random_file a 16
check "a whole move with a confirming scan" whole
check "monitor ends with 4 when the peer cancels" failed_exit
check "throttle off lets it run" throttled
check "a stranger without the token is dropped" stranger
check "nobody listens" refusal
check "tracepoints tell of passes, chunks and states" traced
check "status as JSON" eval 'vmmigctl --json status | python3 -m json.tool >/dev/null'
quiet_log "nothing in the kernel log"
ktap_finished
