# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Promise: whatever writes, changes and presses while a guest moves, RAM is
# equal at every stop and the guest's own checks are clean.
# Catches: combinations that nobody thought of.
#
# A seed decides everything: which guest, and for each move its options and what
# is done to both hosts meanwhile. The same seed makes the same plan again.

# pick WORD...: one of them; the draw is in $PICK, as a subshell would repeat it
pick() { local n=$((RANDOM % $# + 1)); PICK=${!n}; }

HELP=$HERE/pressure

# What is done while RAM travels, on the host that is named. Each runs until it is
# killed, as a shell of its own which knows these functions and HELP.
q() { vm qmp g "{'execute':'$1','arguments':{${2:-}}}"; }
# A device that comes or goes writes to RAM: not while that is compared
runs() { q query-status | grep -q '"running": true'; }

d_nothing() { sleep 600; }
d_compact() { while :; do echo 1 >/proc/sys/vm/compact_memory; sleep 0.3; done; }
d_caches() { while :; do echo 3 >/proc/sys/vm/drop_caches; sleep 0.5; done; }
d_huge() {
	local h
	while :; do
		for h in always advise within_size never; do
			echo "$h" >/sys/kernel/mm/transparent_hugepage/shmem_enabled
			sleep 0.2
		done
	done
}
d_cpus() {
	cd /sys/devices/system/cpu/cpu1 || return
	while :; do echo 0 >online; sleep 0.5; echo 1 >online; sleep 0.5; done
}
d_pin() {
	local t n=0
	while :; do
		for t in /proc/"$(cat /run/g.pid)"/task/*; do taskset -pc $((n++ % 2)) "${t##*/}"; done
		sleep 0.2
	done
}
d_read() { while :; do dd if=/dev/shm/g.ram of=/dev/null bs=1M; done; }
d_pageout() { exec python3 "$HELP" pageout "$(cat /run/g.pid)" /dev/shm/g.ram; }
d_map() { exec python3 "$HELP" map /dev/shm/g.ram; }
d_logging() { while :; do q calc-dirty-rate "'calc-time':1"; sleep 1.2; done; }
d_bitmap() { while :; do q set-vcpu-dirty-limit "'dirty-rate':100000"; q cancel-vcpu-dirty-limit; sleep 0.4; done; }
d_balloon() {
	local m
	while :; do
		for m in 208 256; do q balloon "'value':$((m << 20))"; sleep 0.7; done
	done
}
d_vmem() {
	local m
	while :; do
		for m in 0 64 128 32; do
			q qom-set "'path':'/machine/peripheral/vmem0','property':'requested-size','value':$((m << 20))"
			sleep 0.8
		done
	done
}
in_and_out() {	# DEVICE SECONDS
	while :; do
		! runs || q device_add "'id':'hot',$1"
		sleep "$2"
		! runs || q device_del "'id':'hot'"
		sleep "$2"
	done
}
d_plug() {
	q chardev-add "'id':'hotc','backend':{'type':'null','data':{}}"
	in_and_out "'driver':'virtserialport','chardev':'hotc'" 0.5
}
d_disk() {
	q blockdev-add "'driver':'null-co','node-name':'hotb','size':1048576,'read-zeroes':true"
	in_and_out "'driver':'virtio-blk-pci','bus':'hotslot','drive':'hotb'" 1
}
d_remap() { while :; do vm cmd g remap; sleep 0.3; done; }
d_reset() { sleep 0.7; ! runs || q system_reset; sleep 600; }
d_reboot() { sleep 0.7; vm cmd g reboot; sleep 600; }

# A VM may be refused or rolled back then, and must go on where it is
MAY_FAIL=" map bitmap logging plug disk reset reboot "
ALL="nothing compact caches huge cpus pin read pageout map logging balloon vmem plug disk remap reset reboot bitmap"

disturb() {	# HOST WHAT: in the background, pid in $!
	on "$1" timeout 300 setsid -w bash -c "PATH=$PATH; HELP=$HELP; $(declare -f q runs in_and_out "d_$2"); d_$2" \
		</dev/null >/dev/null 2>&1 &
}

# The guest has to agree before a PCI device is gone
unplugged() { ! on "$1" vm qmp g '{"execute":"qom-list","arguments":{"path":"/machine/peripheral"}}' 2>/dev/null | grep -q '"hot"'; }

calm() {	# HOST: ends what disturb began there
	on "$1" sh -c 'pkill -f "^timeout 300 setsid"; pkill -f "[v]m/pressure"; echo 1 >/sys/devices/system/cpu/cpu1/online
		echo never >/sys/kernel/mm/transparent_hugepage/shmem_enabled
		vm qmp g "{\"execute\":\"device_del\",\"arguments\":{\"id\":\"hot\"}}"' >/dev/null 2>&1
	until_ok 10 unplugged "$1"
}

# disturbed_move HERE THERE OPTION...: what is done on the VM's host and on the
# other one. t runs it in a subshell, so where the VM is comes from a file
disturbed_move() {
	local here=$1 there=$2 from to rc=0
	shift 2
	from=$(cat /run/where)
	to=$(other "$from")
	disturb "$from" "$here"
	disturb "$to" "$there"
	migrate "$from" "$@" >/run/moved || rc=$?
	cat /run/moved
	calm "$from"
	calm "$to"
	wait
	if [ "$rc" = 0 ]; then
		from=$to
		echo "$from" >/run/where
	elif grep -q "bytes differ" /run/moved || [[ $MAY_FAIL != *" $here "* ]]; then
		return 1
	fi
	on "$from" vm wait g $((60 * SLOW)) >/dev/null || { post_mortem "$from"; return 1; }
	healthy "$from" && nothing_left "$(other "$from")"
}

stress_guest() {
	local machine smp ring rate pattern hot disk backend reporting vmem scsi vga virtiofs firmware nested emulated vhost bus opts=()
	pick microvm q35 pc-q35-10.0,max-ram-below-4g=128M; machine=$PICK
	pick 1 2 3 4; smp=$PICK
	pick 0 1024 4096 65536; ring=$PICK
	pick 4 20 60 max; rate=$PICK
	pick random seq; pattern=$PICK
	pick 4M 32M 96M; hot=$PICK
	pick 0 4 20; disk=$PICK
	pick '' --vhost; vhost=$PICK
	pick '' native threads io_uring vhost-user; backend=$PICK
	pick off on; reporting=$PICK
	pick '' 128M; vmem=$PICK
	pick '' '' 160M; [ -z "$PICK" ] || opts+=(--memory-max "$PICK")
	GUEST_NEEDS=''
	pick '' --scsi; scsi=$PICK
	pick '' --vga; vga=$PICK
	pick '' --virtiofs; virtiofs=$PICK
	pick '' '' '' --firmware; firmware=$PICK
	# There the host's emulator aborts, see scripts/lab/README.md
	case $(uname -r) in 7.*) firmware='' ;; esac
	pick '' '' '' --emulated; emulated=$PICK
	if [ "$machine" = microvm ]; then
		bus=device
	else
		bus=pci
		opts+=(--qemu "-device pcie-root-port,id=hotslot")
		[ -z "$vga" ] || opts+=("$vga")
		[ -z "$virtiofs" ] || { opts+=("$virtiofs"); GUEST_NEEDS+=' virtiofs'; }
		[ -z "$firmware" ] || { opts+=("$firmware"); GUEST_NEEDS+=' firmware'; }
		[ -z "$vmem" ] || opts+=(--vmem "$vmem")
		[ -z "$emulated" ] || { opts+=("$emulated"); vhost='' scsi=''; [ "$backend" != vhost-user ] || backend=''; }
	fi
	[ -z "$vhost" ] || opts+=("$vhost")
	# shellcheck disable=SC2034  # used in lib.sh
	case $backend in
	native | threads | io_uring) opts+=(--aio "$backend") GUEST_NEEDS+=' aio' ;;
	vhost-user) [ "$bus" = device ] || { opts+=(--vhost-user); GUEST_NEEDS+=' vhost-user' scsi=''; } ;;
	esac
	[ -z "$scsi" ] || opts+=("$scsi")
	# A guest that gets too small takes memory back instead of killing the workload
	opts+=(--qemu "-device virtio-balloon-$bus,deflate-on-oom=on,free-page-reporting=$reporting")
	pick 0 0 50; nested=$PICK
	# The guest has the driver for AMD
	grep -q '[1Y]' /sys/module/kvm_amd/parameters/nested 2>/dev/null || nested=0
	# With more, minutes go by before it has started
	[ "$smp" -le 2 ] || nested=0
	GUEST_TEXT="$machine, $smp vCPU, ring $ring, writes $rate $pattern in $hot, disk $disk, nested $nested, ${opts[*]}"
	# shellcheck disable=SC2034  # used by eval in stress
	GUEST_OPTS=(--machine "$machine" --smp "$smp" --ring "$ring" "${opts[@]}")
	# shellcheck disable=SC2034
	GUEST_APPEND="wl.nested=$nested wl.rate=$rate wl.pattern=$pattern wl.mem=96M wl.hot=$hot wl.disk=$disk"
}

# stress SEED:SECONDS
stress() {
	local seed=${1%:*} end=$((SECONDS + ${1#*:})) moves=0 i here there streams
	RANDOM=$seed
	t "stress with seed $seed: swap on both hosts" eval 'python3 "$HELP" swap && b python3 "$HELP" swap'
	while [ "$SECONDS" -lt "$end" ]; do
		stress_guest
		echo a >/run/where
		t "$GUEST_TEXT: starts" eval 'APPEND=$GUEST_APPEND start_guest "${GUEST_OPTS[@]}"' || break
		# One at least: a guest that is slow to start would pass for one that was moved
		for ((i = 0; i < 4 && (i == 0 || SECONDS < end); i++)); do
			# shellcheck disable=SC2086
			pick $ALL; here=$PICK
			pick nothing compact caches huge cpus; there=$PICK
			pick 1 2 4; streams=$PICK
			moves=$((moves + 1))
			t "move $moves, $streams streams; $here here, $there there" \
				disturbed_move "$here" "$there" --streams "$streams" \
				--downtime-limit $((1000 * SLOW)) --timeout 40 --timeout-action stop ||
				{ echo "# run it again: make stress SEED=$seed"; stop_guest; return 1; }
		done
		stop_guest >/dev/null 2>&1
	done
	# shellcheck disable=SC2034
	GUEST_APPEND='' GUEST_NEEDS=''
	echo "# seed $seed: $moves moves"
}
