# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Promise: what somebody does to a VM, or to its QEMU, while it moves ends the
# migration with a sentence, and the VM goes on at the source.
# Catches: a destination with other devices or disks than the VM has by then,
# RAM that nobody tracks, VMs that stay stopped.

ctrl_c() {
	local pid rc=0
	# A background job would ignore SIGINT
	timeout $((100 * SLOW)) env --default-signal=INT vmmig-qemu migrate --qmp /run/g.qmp --quiet \
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
	# shellcheck disable=SC2086
	timeout $((100 * SLOW)) vmmig-qemu migrate --qmp "/run/$name.qmp" --quiet $EASY "$@" hostb >/run/fail.out 2>&1 || rc=$?
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

guest_with_daemon() {
	APPEND=$CALM start_guest --machine q35 --vhost-user --qemu "-m 256M,slots=1,maxmem=1G"
}

# For the guest of failures.sh, of which it leaves nothing
meanwhile() {
	f "Ctrl-C while pages are sent" ctrl_c
	f "the destination's QEMU dies" its_qemu_dies
	f "a device that was plugged in" plugged_before
	f "a device that is plugged in meanwhile" plugged_meanwhile
	f "a medium that is changed meanwhile" medium_meanwhile
	f "a device that is plugged in when the VM is stopped" plugged_at_the_end
	f "somebody else resumes the stopped VM" meddled cont resumed
	f "somebody else resets the stopped VM" meddled system_reset reset
	f "a device that was unplugged" unplugged_before
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
