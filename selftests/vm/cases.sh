# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# The matrix: which guest moves where. Sourced by run.
#
# Promise: RAM files are equal at every stop, the guest's own checks are clean
# afterwards, its TCP connection lives, the source is gone.
# Catches: whatever the tracking misses with real devices, and device state
# that does not fit the RAM.

there() { migrate a "$@" && healthy b && nothing_left a; }
back() { migrate b "$@" && healthy a && nothing_left b; }

# Whoever comes from elsewhere boots like any other
reset_here() {
	vm qmp g '{"execute":"system_reset"}' >/dev/null || return
	if ! vm wait g >/dev/null; then
		post_mortem a "reset.$NR"
		once_more && vm qmp g '{"execute":"system_reset"}' >/dev/null && vm qmp g '{"execute":"cont"}' >/dev/null && vm wait g >/dev/null || return
	fi
	healthy a
}

# The options of the last set below did what they say
arrived_elsewhere() {
	[ -e /run/rsh.used ] && rm /run/rsh.used && b '[ -e /dev/shm/g.moved ] && [ ! -e /dev/shm/g.ram ]'
}

# move_case MACHINE SMP RING WAYS [OPTION of migrate...], guest with DEVICES; WAYS:
# 1, 2 for there and back, "reset" for that and a reset after it, "paused" to come
# back so, or "elsewhere"
DEVICES=
move_case() {
	local machine=$1 smp=$2 ring=$3 ways=$4 what
	shift 4
	what="$machine, $smp vCPU, ring $ring${DEVICES:+, $DEVICES}${IP6:+, IPv6}${*:+, $*}"
	if t "$what: guest starts" start_guest --machine "$machine" --smp "$smp" --ring "$ring" $DEVICES; then
		if t "$what: there" there "$@"; then
			case $ways in
			2 | reset) t "$what: and back" back "$@" && { [ "$ways" = 2 ] || t "$what: and is reset" reset_here; } ;;
			paused) t "$what: back, paused, and goes on" paused_back ;;
			elsewhere) t "$what: arrived elsewhere" arrived_elsewhere ;;
			esac
		fi
	fi
	stop_guest >/dev/null 2>&1
}

# A VM that somebody has paused arrives paused
paused_back() {
	b "vm qmp g '{\"execute\":\"stop\"}'" >/dev/null && migrate b || return
	vm qmp g '{"execute":"query-status"}' | grep -q '"status": "paused"' || { echo "it does not stand still"; return 1; }
	vm qmp g '{"execute":"cont"}' >/dev/null && healthy a && nothing_left b
}

# Written faster than it is sent: vCPUs must be slowed down
throttled_there() {
	there --auto-converge --bandwidth 4M --timeout 150 || return
	[ "$(field throttle-mb "$REPORT")" -gt 0 ] || { echo "it was not throttled"; return 1; }
	echo "vCPUs were held to $(field throttle-mb "$REPORT") MB/s each"
}

# refused_between_versions WHY OPTION...: nothing has changed, and the reason is
# told. No guest is needed for that, so the VM is stopped before it has booted.
refused_between_versions() {
	local why=$1 out rc=0
	shift
	vm start g "$@" && qmp_g '{"execute":"stop"}' && make_room b || return
	out=$(timeout 60 vmmig-qemu migrate --qmp /run/g.qmp --quiet hostb 2>&1) || rc=$?
	echo "$rc: $out"
	[ "$rc" = 3 ] && grep -q "$why" <<<"$out" && nothing_left b &&
		vm qmp g '{"execute":"query-status"}' | grep -q '"status": "paused"'
}

# microvm has no versions, so QEMUs of two releases refuse each other's
microvm_refused() {
	t "microvm between versions is refused" refused_between_versions "has no version" --machine microvm
	stop_guest >/dev/null 2>&1
}

# QEMU 11.1 loads no virtio device of 10.0.13 (virtq.h), but all others
virtio_refused() {
	t "virtio to a newer QEMU is refused" refused_between_versions "queue has 1024 entries" --machine q35
	stop_guest >/dev/null 2>&1
}

# The newest machine type of the source's QEMU, which the older one does not have
machine_refused() {
	local newest
	newest=$(qemu-system-x86_64 -machine help | sed -n 's/.*(alias of \(pc-q35-[^)]*\)).*/\1/p')
	t "machine type $newest to an older QEMU is refused" refused_between_versions "does not know the VM's machine type" --machine "$newest"
	stop_guest >/dev/null 2>&1
}

# mixed_case SMP RING
mixed_case() {
	if older_first; then
		DEVICES=--emulated move_case q35 "$1" "$2" 1
	else
		move_case q35 "$1" "$2" 1
	fi
}

older_first() { [[ $(uname -r) < $(ssh hostb uname -r) ]]; }

# What cannot go from one release of QEMU to the other
mixed_refused() {
	if older_first; then virtio_refused; else machine_refused; fi
	microvm_refused
}

# Calmer than in the matrix, as it is done so often
CHECK_LOAD="wl.rate=8 wl.verify=4 wl.tick=20 wl.disk=2 wl.beat=10 wl.udp=20 wl.tcp=20"
set_check_same() {
	IP6=6 APPEND=$CHECK_LOAD move_case microvm 1 4096 paused
	APPEND=$CHECK_LOAD move_case q35 2 0 2 --streams 2
}
set_check_same_new() {
	APPEND=$CHECK_LOAD move_case q35 4 4096 reset
	APPEND=$CHECK_LOAD move_case microvm 2 0 elsewhere \
		--rsh 'sh -c "touch /run/rsh.used; exec ssh \"\$@\"" sh' --dest-ram mem=/dev/shm/g.moved
}
set_check_mixed() {
	APPEND=$CHECK_LOAD mixed_case 2 4096
	mixed_refused
}

set_matrix_same() {
	local m s r
	for m in microvm q35; do
		for s in 1 2 4; do
			for r in 0 4096; do move_case "$m" "$s" "$r" 1; done
		done
	done
	APPEND="wl.rate=max" move_case q35 2 4096 reset --streams 4 --auto-converge
	t "throttling: guest starts" eval 'APPEND="wl.rate=max wl.mem=48M" start_guest --machine q35 --smp 2 --ring 4096 --mem 160M' &&
		t "throttling: there" throttled_there
	stop_guest >/dev/null 2>&1
	move_case q35 2 4096 1 --tracking scan
}
set_matrix_same_new() { set_matrix_same; }
set_matrix_mixed() {
	local s r
	for s in 1 2 4; do
		for r in 0 4096; do mixed_case "$s" "$r"; done
	done
	mixed_refused
}
