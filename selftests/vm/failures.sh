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
	timeout 100 vmmig-qemu migrate --qmp /run/g.qmp --quiet "$@" hostb >/run/fail.out 2>&1 || rc=$?
	[ "$rc" != 0 ] || { echo "it did not fail"; return 1; }
	echo "exit code $rc: $(tail -n 1 /run/fail.out)"
	until_ok 15 nothing_left b >/dev/null || { nothing_left b; return 1; }
	case "$*" in
	*--fail-at\ kill:*) after_kill ;;
	*) qmp_says query-status '"running": true' || { echo "the VM does not run"; return 1; } ;;
	esac
	settings_as_before || return
	# It may have been reset
	vm wait g 60 >/dev/null && healthy a
}

# Handed over, and then silence: stopped here, and told so
after_commit() {
	local rc=0
	timeout 100 vmmig-qemu migrate --qmp /run/g.qmp --quiet --fail-at commit hostb >/run/fail.out 2>&1 || rc=$?
	cat /run/fail.out
	[ "$rc" = 5 ] || return
	! qmp_says query-status '"running": true' && settings_as_before && healthy b
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

ctrl_c() {
	local pid rc=0
	# A background job would ignore SIGINT
	timeout 100 env --default-signal=INT vmmig-qemu migrate --qmp /run/g.qmp --quiet \
		--bandwidth 2M hostb >/run/fail.out 2>&1 &
	pid=$!
	until_ok 20 eval 'vmmigctl status | grep -q bulk' || return
	pkill -INT -P "$pid" vmmig-qemu
	wait "$pid" || rc=$?
	echo "exit code $rc: $(tail -n 1 /run/fail.out)"
	[ "$rc" = 4 ] && until_ok 15 nothing_left b && healthy a
}

# qemu_dies HOST NAME CODE OPTION...: in the middle of the RAM
qemu_dies() {
	local where=$1 name=$2 code=$3 rc=0 kill
	shift 3
	{ until_ok 20 eval 'vmmigctl status | grep -q bulk' && on "$where" pkill -9 -f "qemu-system.*-name $name( |,)"; } &
	kill=$!
	timeout 100 vmmig-qemu migrate --qmp "/run/$name.qmp" --quiet "$@" hostb >/run/fail.out 2>&1 || rc=$?
	cat /run/fail.out
	wait "$kill" && [ "$rc" = "$code" ]
}

its_qemu_dies() { qemu_dies b g 1 --bandwidth 2M && until_ok 15 nothing_left b && settings_as_before && healthy a; }

# It needs no guest for that
vm_dies() {
	rm -f /run/x.* /dev/shm/x
	qemu-system-x86_64 -name x -nodefaults -display none -daemonize -pidfile /run/x.pid -qmp unix:/run/x.qmp,server=on,wait=off \
		-m 64M -accel kvm,dirty-ring-size=4096 -machine q35,memory-backend=m \
		-object memory-backend-file,id=m,size=64M,mem-path=/dev/shm/x,share=on &&
		qemu_dies a x 6 --bandwidth 64K && rm /dev/shm/x &&
		until_ok 15 b '! pgrep -f "qemu-system.*-name x( |,)" && [ ! -e /dev/shm/x ]'
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

PLUG='{"execute":"device_add","arguments":{"driver":"virtserialport","id":"hot","chardev":"hotc"}}'
UNPLUG='{"execute":"device_del","arguments":{"id":"hot"}}'

plugged_before() {
	local rc=0
	qmp_g '{"execute":"chardev-add","arguments":{"id":"hotc","backend":{"type":"null","data":{}}}}' && qmp_g "$PLUG" || return
	refused 3 "device hot was added" hostb || rc=1
	qmp_g "$UNPLUG" && return "$rc"
}

plugged_meanwhile() {
	local rc=0 plug
	{ until_ok 20 eval 'vmmigctl status | grep -q bulk' && qmp_g "$PLUG"; } &
	plug=$!
	fails_at --bandwidth 16M --timeout 6 --timeout-action stop && grep -q "device hot was plugged in meanwhile" /run/fail.out || rc=1
	wait "$plug"
	qmp_g "$UNPLUG" && return "$rc"
}

medium() {
	qmp_g "{\"execute\":\"blockdev-change-medium\",\"arguments\":{\"id\":\"cd\",\"filename\":\"/run/$1.img\",\"format\":\"raw\"}}"
}

# The destination has opened what the command line names
medium_meanwhile() {
	local change rc=0
	truncate -s 1M /run/two.img
	{ until_ok 20 eval 'vmmigctl status | grep -q bulk' && medium two; } &
	change=$!
	fails_at --bandwidth 16M --timeout 6 --timeout-action stop && grep "disk /run/two.img came into use meanwhile" /run/fail.out || rc=1
	wait "$change" && medium one && return "$rc"
}

# Whoever has another monitor can use it while the VM stands still
meddled() {	# COMMAND WHAT_IT_DOES
	fails_at --hook-stopped "vm qmp g '{\"execute\":\"$1\"}'" && grep "the VM was $2 while" /run/fail.out
}

plugged_at_the_end() {
	local rc=0
	fails_at --hook-stopped "vm qmp g '$PLUG'" && grep "device hot was plugged in meanwhile" /run/fail.out || rc=1
	qmp_g "$UNPLUG" && return "$rc"
}

# RAM that nobody tracks, as it was not there at the start
dimm_meanwhile() {
	local plug
	{ until_ok 20 eval 'vmmigctl status | grep -q bulk' &&
		qmp_g '{"execute":"object-add","arguments":{"qom-type":"memory-backend-file","id":"dimm","share":true,"mem-path":"/dev/shm/g.dimm","size":134217728}}' &&
		qmp_g '{"execute":"device_add","arguments":{"driver":"pc-dimm","id":"dimm1","memdev":"dimm"}}'; } &
	plug=$!
	fails_at --bandwidth 16M --timeout 6 --timeout-action stop && wait "$plug" && grep -q "device dimm1 was plugged in meanwhile" /run/fail.out &&
		refused 3 "RAM block dimm was added" hostb
}

unplugged_before() {
	qmp_g '{"execute":"device_del","arguments":{"id":"spare"}}' && refused 3 "device spare .* was unplugged" hostb || return
	vmmig-qemu check --qmp /run/g.qmp --dest-replace 'virtserialport,chardev=sparec,id=spare=>' hostb || return
	qmp_g '{"execute":"device_add","arguments":{"driver":"virtserialport","id":"spare","chardev":"sparec"}}'
}

# With little to copy and to do, as that is done so often
CALM="wl.rate=4 wl.verify=2 wl.mem=32M wl.beat=50 wl.udp=50 wl.tcp=50"
guest_that_fails() {
	truncate -s 1M /run/one.img && b truncate -s 1M /run/one.img || return
	APPEND=$CALM start_guest --machine q35 --smp 2 \
		--qemu "-chardev null,id=sparec -device virtserialport,chardev=sparec,id=spare -device virtio-rng-pci -drive if=none,id=one,media=cdrom,format=raw,file=/run/one.img -device ide-cd,drive=one,id=cd"
}

guest_with_daemon() {
	APPEND=$CALM start_guest --machine q35 --vhost-user --qemu "-m 256M,slots=1,maxmem=1G"
}

# It is one guest for all of them: if the emulator has lost it, another one
twice() {
	"$@" && return
	mixed_up a && echo "once more" && stop_guest && guest_that_fails && "$@"
}

f() {
	local text=$1
	shift
	t "$text" twice "$@"
}

failures() {
	local s
	t "failures: guest starts" guest_that_fails || return
	refusals
	for s in $STEPS; do f "fails after '$s'" fails_at --fail-at "$s"; done
	for s in destination load ready; do f "destination fails after '$s'" fails_at --dest-fail-at "$s"; done
	for s in precopy final ready; do f "killed after '$s'" fails_at --fail-at "kill:$s"; done
	for s in destination load; do f "destination killed after '$s'" fails_at --dest-fail-at "kill:$s"; done
	f "the destination's QEMU refuses the state" state_is_refused
	f "a hook that fails" fails_at --hook-stopped false
	f "one byte differs at the destination" one_byte_differs
	f "the destination's QEMU maps another file" ram_elsewhere
	f "a VM that was paused" was_paused
	f "Ctrl-C while pages are sent" ctrl_c
	f "the destination's QEMU dies" its_qemu_dies
	f "a device that was plugged in" plugged_before
	f "a device that is plugged in meanwhile" plugged_meanwhile
	f "a medium that is changed meanwhile" medium_meanwhile
	f "a device that is plugged in when the VM is stopped" plugged_at_the_end
	f "somebody else resumes the stopped VM" meddled cont resumed
	f "somebody else resets the stopped VM" meddled system_reset reset
	f "a device that was unplugged" unplugged_before
	t "and then it moves; silence after the commit" after_commit &&
		t "taken and not started" taken_not_started
	stop_guest >/dev/null 2>&1
	t "the VM dies while it moves" vm_dies
	# Some questions to QEMU stop what a vhost-user daemon does
	# shellcheck disable=SC2034  # used in lib.sh
	GUEST_NEEDS=vhost-user
	t "vhost-user: guest starts" guest_with_daemon &&
		t "vhost-user: fails after 'destination', the disk goes on" fails_at --fail-at destination &&
		t "memory that is plugged in meanwhile" dimm_meanwhile
	stop_guest >/dev/null 2>&1
	# shellcheck disable=SC2034
	GUEST_NEEDS=''
}
