# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Promise: a failure at any step before the commit leaves the source running as
# before and nothing at the destination; never do two copies run.
# Catches: VMs that stay stopped, QEMUs and RAM files that stay behind, a
# destination that goes on alone or has other devices.

STEPS="checks destination precopy migrate stop final devstate confirm load ready"

qmp_says() { vm qmp g "{\"execute\":\"$1\"}" | grep -qF "$2"; }

# Whoever uses this QEMU afterwards must not inherit what a migration has set
settings_as_before() {
	local now
	now=$(vm qmp g '{"execute":"query-migrate-capabilities"}' '{"execute":"query-migrate-parameters"}' '{"execute":"query-vcpu-dirty-limit"}')
	[[ $now = *'"state": false, "capability": "x-ignore-shared"'* && $now = *'"downtime-limit": '* &&
		$now != *'"downtime-limit": 10,'* && $now = *'"return": []'* ]] && return
	echo "QEMU's settings are not as before"
	return 1
}

# A tool that was killed can undo nothing; troubleshooting.rst tells how
after_kill() {
	vm qmp g '{"execute":"cont"}' '{"execute":"cancel-vcpu-dirty-limit"}' \
		'{"execute":"migrate-set-parameters","arguments":{"downtime-limit":300}}' \
		'{"execute":"migrate-set-capabilities","arguments":{"capabilities":[{"capability":"x-ignore-shared","state":false},{"capability":"pause-before-switchover","state":false}]}}' >/dev/null
	qmp_says query-status '"running": true' || echo "the VM does not run"
}

# fails_at OPTION...: exit code is not 0, and all is as it was
fails_at() {
	local rc=0
	# shellcheck disable=SC2086
	timeout $((100 * SLOW)) vmmig-qemu migrate --qmp /run/g.qmp --quiet $EASY "$@" hostb >/run/fail.out 2>&1 || rc=$?
	[ "$rc" != 0 ] || { echo "it did not fail"; return 1; }
	echo "exit code $rc: $(tail -n 1 /run/fail.out)"
	case "$1 ${2:-}" in
	*fail-at\ kill:*) ;;
	*fail-at\ *) [ "$rc" = 1 ] && grep -q "after step '$2'" /run/fail.out || { echo "not at the step"; return 1; } ;;
	esac
	until_ok 15 nothing_left b >/dev/null || { nothing_left b; return 1; }
	case "$*" in
	*--fail-at\ kill:*) after_kill ;;
	*) qmp_says query-status '"running": true' || { echo "the VM does not run"; return 1; } ;;
	esac
	settings_as_before || return
	[[ $* != *system_reset* ]] || vm wait g $((60 * SLOW)) >/dev/null || return
	healthy a
}

# Handed over, and then silence: stopped here, and told so
after_commit() {
	local rc=0
	timeout 100 vmmig-qemu migrate --qmp /run/g.qmp --quiet --fail-at commit hostb >/run/fail.out 2>&1 || rc=$?
	cat /run/fail.out
	[ "$rc" = 5 ] || return
	! qmp_says query-status '"running": true' && settings_as_before && healthy b
}

# Nobody knows whether a destination that is killed here took the VM: it stays
# stopped until somebody has looked
killed_before_it_took() {
	local rc=0
	timeout 100 vmmig-qemu migrate --qmp /run/g.qmp --quiet --dest-fail-at kill:take hostb >/run/fail.out 2>&1 || rc=$?
	cat /run/fail.out
	[ "$rc" = 5 ] || { echo "exit code $rc"; return 1; }
	! qmp_says query-status '"running": true' || { echo "the VM runs"; return 1; }
	until_ok 15 nothing_left b >/dev/null || { nothing_left b; return 1; }
	settings_as_before && qmp_g '{"execute":"cont"}' && healthy a
}

# The destination has taken the VM and fails to start it: it is kept, stopped.
# The VM is at B since the test before.
taken_not_started() {
	local rc=0 out
	vm stop g
	rm -f /dev/shm/g.ram
	make_room a || return
	out=$(b timeout 100 vmmig-qemu migrate --qmp /run/g.qmp --quiet --dest-fail-at commit hosta 2>&1) || rc=$?
	echo "$out"
	[ "$rc" = 5 ] && grep -q "has the VM but could not start it" <<<"$out" || return
	! b "vm qmp g '{\"execute\":\"query-status\"}'" | grep -q '"running": true' && pgrep -f 'qemu-system.*-incoming' >/dev/null
}

# The judge itself: one byte that differs must be found
one_byte_differs() {
	fails_at --hook-stopped "$HERE/spoil" && cat /run/fail.out && grep -q 'RAM block .*: 1 bytes differ' /run/fail.out
}

# The destination lacks the last device, so its QEMU finds state of nobody
state_is_refused() {
	fails_at --dest-replace 'virtio-rng-pci=>' && cat /run/fail.out && grep -q "could not load the device state" /run/fail.out
}

# Pages must not go where the destination's QEMU does not look
ram_elsewhere() {
	b rm -f /run/g.ram	# nobody's, when it is over
	fails_at --dest-qemu "$HERE/qemu_elsewhere" && cat /run/fail.out && grep -q "RAM block mem: QEMU does not use /dev/shm/g.ram" /run/fail.out
}

# Nobody resumes it, so its disks must be taken back without that
was_paused() {
	local rc=0
	qmp_g '{"execute":"stop"}' || return
	timeout 100 vmmig-qemu migrate --qmp /run/g.qmp --quiet --fail-at ready hostb >/run/fail.out 2>&1 || rc=$?
	cat /run/fail.out
	[ "$rc" = 1 ] || { echo "exit code $rc"; return 1; }
	vm qmp g '{"execute":"query-status"}' | grep -q '"running": false' || { echo "the VM runs"; return 1; }
	vm qmp g '{"execute":"query-named-block-nodes"}' >/run/nodes
	grep -q '"active": true' /run/nodes && ! grep -o '"active": false' /run/nodes || return
	qmp_g '{"execute":"cont"}' && until_ok 15 nothing_left b && healthy a
}

# With little to copy and to do, as that is done so often
CALM="wl.rate=4 wl.verify=2 wl.mem=32M wl.tick=50 wl.disk=1 wl.beat=100 wl.udp=100 wl.tcp=100"
guest_that_fails() {
	truncate -s 1M /run/one.img && b truncate -s 1M /run/one.img || return
	APPEND=$CALM start_guest --machine q35 --smp 2 \
		--qemu "-chardev null,id=sparec -device virtserialport,chardev=sparec,id=spare -device virtio-rng-pci -drive if=none,id=one,media=cdrom,format=raw,file=/run/one.img -device ide-cd,drive=one,id=cd"
}

# It is one guest for all of them: if the emulator has lost it, another one
twice() {
	"$@" && return
	platforms_fault a && echo "once more" && stop_guest && guest_that_fails && "$@"
}

f() {
	local text=$1
	shift
	t "$text" twice "$@"
}

failures() {
	local s
	t "failures: guest starts" guest_that_fails || return
	for s in $STEPS; do f "fails after '$s'" fails_at --fail-at "$s"; done
	for s in destination load ready; do f "destination fails after '$s'" fails_at --dest-fail-at "$s"; done
	f "destination fails when it should take the VM" fails_at --dest-fail-at take
	f "destination killed when it should take the VM" killed_before_it_took
	for s in precopy final ready; do f "killed after '$s'" fails_at --fail-at "kill:$s"; done
	for s in destination load; do f "destination killed after '$s'" fails_at --dest-fail-at "kill:$s"; done
	f "the destination's QEMU refuses the state" state_is_refused
	f "the destination's QEMU maps another file" ram_elsewhere
	f "a hook that fails" fails_at --hook-stopped false
	f "one byte differs at the destination" one_byte_differs
	f "a VM that was paused" was_paused
	t "it moves; silence after the commit" after_commit &&
		t "taken and not started" taken_not_started
	stop_guest >/dev/null 2>&1
}
