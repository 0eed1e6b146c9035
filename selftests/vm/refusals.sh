# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Promise: what cannot be moved is refused with a sentence that says why,
# before anything has changed; the VM runs on.
# Catches: checks that are missing or come too late.

# refused CODE WORDS OPTION...: for the running guest
refused() {
	local code=$1 words=$2 rc=0 out
	shift 2
	# shellcheck disable=SC2086
	out=$(${AS-} timeout $((60 * SLOW)) vmmig-qemu migrate --qmp /run/g.qmp --quiet "$@" 2>&1) || rc=$?
	echo "$rc: $out"
	[ "$rc" = "$code" ] && grep -qiE "$words" <<<"$out" &&
		vm qmp g '{"execute":"query-status"}' | grep -q '"running": true' && nothing_left b
}

# refused_vm WORDS OPTION-of-QEMU...: a VM without a guest in it
# BEFORE: QMP commands for it, one a line
refused_vm() {
	local words=$1 rc=0 out pid qmp
	shift
	rm -f /run/x.*
	qemu-system-x86_64 -S -name x -nodefaults -display none -daemonize -pidfile /run/x.pid \
		-qmp unix:/run/x.qmp,server=on,wait=off "$@" || return
	while read -r qmp; do
		[ -n "$qmp" ] || continue
		/vmmig-guest/ask -q /run/x.qmp 30 "$qmp"
		sleep 0.5
	done <<<"${BEFORE-}"
	out=$(timeout $((60 * SLOW)) vmmig-qemu check --qmp /run/x.qmp 2>&1) || rc=$?
	pid=$(cat /run/x.pid)
	kill "$pid"
	timeout 10 tail --pid="$pid" -f /dev/null
	echo "$rc: $(grep -iE "$words" <<<"$out" || echo "$out")"
	[ "$rc" = 3 ] && grep -qiE "$words" <<<"$out"
}

M="-m 64M -accel kvm -machine microvm"
huge_mapped() {
	local rc=0
	mkdir -p /run/thp && mount -t tmpfs -o huge=always thp /run/thp || return
	# shellcheck disable=SC2086
	refused_vm "mapped with huge pages" $M,memory-backend=m -object memory-backend-file,id=m,size=64M,mem-path=/run/thp/x,share=on,prealloc=on,align=2M || rc=1
	rm -f /run/thp/x
	umount /run/thp
	return "$rc"
}

# Its descriptor is what tells; there is no device to pass through
passed_through() {
	modprobe vfio && refused_vm "uses a VFIO device" "$@" 8<>/dev/vfio/vfio
}

refusals_of_vms() {
	# shellcheck disable=SC2086
	{
		t "RAM in a memfd" refused_vm "memfd" $M,memory-backend=m -object memory-backend-memfd,id=m,size=64M,share=on
		t "private memory" refused_vm "private|only memory-backend-file|memory backends" $M
		t "private mapping of a file" refused_vm "share=on" $M,memory-backend=m -object memory-backend-file,id=m,size=64M,mem-path=/dev/shm/x,share=off
		t "RAM not on tmpfs" refused_vm "not on tmpfs" $M,memory-backend=m -object memory-backend-file,id=m,size=64M,mem-path=/root/x,share=on
		t "RAM mapped with huge pages" huge_mapped
		t "Xen" refused_vm "emulates Xen" -m 64M -accel kvm,xen-version=0x40011,kernel-irqchip=split -machine q35,memory-backend=m -object memory-backend-file,id=m,size=64M,mem-path=/dev/shm/x,share=on
		t "VFIO" passed_through $M,memory-backend=m -object memory-backend-file,id=m,size=64M,mem-path=/dev/shm/x,share=on
		t "no KVM" refused_vm "does not use KVM" -m 64M -accel tcg -machine microvm,memory-backend=m -object memory-backend-file,id=m,size=64M,mem-path=/dev/shm/x,share=on
	}
	truncate -s 1M /run/local.img
	# It is refused for its state, as it was never started, and warned of
	# shellcheck disable=SC2086
	t "a disk on a local file system" refused_vm "disk /run/local.img is on a local file system" $M,memory-backend=m \
		-object memory-backend-file,id=m,size=64M,mem-path=/dev/shm/x,share=on -drive file=/run/local.img,format=raw,if=none
	# shellcheck disable=SC2086
	BEFORE='{"execute":"blockdev-snapshot-sync","arguments":{"device":"d","snapshot-file":"/run/over.img"}}' \
		t "a disk that has got another image" refused_vm "disk /run/over.img is in use but" $M,memory-backend=m \
		-object memory-backend-file,id=m,size=64M,mem-path=/dev/shm/x,share=on -drive file=/run/local.img,format=raw,if=none,id=d
	truncate -s 1M /run/two.img
	# Both are on the command line, but the device is given the other
	# shellcheck disable=SC2086
	BEFORE='{"execute":"blockdev-mirror","arguments":{"job-id":"j","device":"one","target":"two","sync":"full"}}
{"execute":"block-job-complete","arguments":{"device":"j"}}' \
		t "a disk that was mirrored to another" refused_vm "disk /run/two.img is in use but" $M,memory-backend=m \
		-object memory-backend-file,id=m,size=64M,mem-path=/dev/shm/x,share=on -device virtio-blk-device,drive=one \
		-blockdev driver=file,filename=/run/local.img,node-name=one -blockdev driver=file,filename=/run/two.img,node-name=two
	rm -f /dev/shm/x /root/x /run/local.img /run/over.img /run/two.img
	if echo 40 >/proc/sys/vm/nr_hugepages && [ "$(cat /proc/sys/vm/nr_hugepages)" = 40 ]; then
		mkdir -p /run/huge
		mount -t hugetlbfs huge /run/huge
		# shellcheck disable=SC2086
		t "hugetlbfs" refused_vm "hugetlbfs" $M,memory-backend=m -object memory-backend-file,id=m,size=64M,mem-path=/run/huge/x,share=on
		rm -f /run/huge/x
		umount /run/huge
	fi
	echo 0 >/proc/sys/vm/nr_hugepages
}

# A host that says it has 64 MiB left
little_memory() {
	local rc=0
	b 'sed "s/^MemAvailable:.*/MemAvailable: 65536 kB/" /proc/meminfo >/run/meminfo && mount --bind /run/meminfo /proc/meminfo' || return
	refused 3 "memory available but the VM uses" hostb || rc=1
	b umount /proc/meminfo
	return "$rc"
}

# Before the start, and in mid-flight, with the guest of failures.sh
refusals() {
	t "refusals: guest starts" guest_that_fails || return
	t "no QEMU behind the socket" refused 1 "cannot|refused|no such|gone" --qmp /run/nobody.qmp hostb
	t "unknown option" refused 2 "unrecognized|unknown" --frobnicate hostb
	t "option out of range" refused 2 "not valid" --streams 9 hostb
	t "bandwidth too low" refused 2 "not valid" --bandwidth 1K hostb
	AS="setpriv --reuid 65534 --regid 65534 --clear-groups" t "no permission" refused 3 "you are not root" hostb
	t "no destination" refused 2 "DESTHOST" --quiet
	t "remote shell that fails" refused 1 "hostb ended without an answer; does the remote shell work" --rsh false hostb
	t "no vmmig-qemu at the destination" refused 1 "is /nowhere/vmmig-qemu installed there" --remote-path /nowhere/vmmig-qemu hostb
	b touch /dev/shm/other.ram
	t "RAM file is there already" refused 3 "exists already" --dest-ram mem=/dev/shm/other.ram hostb
	b rm /dev/shm/other.ram
	b 'mkdir -p /run/small && mount -t tmpfs -o size=64M small /run/small'
	t "too little room in the tmpfs" refused 3 "has room for" --dest-ram mem=/run/small/ram hostb
	t "too little memory at the destination" little_memory
	t "destination not on tmpfs" refused 3 "not on tmpfs" --dest-ram mem=/root/ram hostb
	t "no such QEMU at the destination" refused 3 "no QEMU" --dest-qemu qemu-system-none hostb
	t "nothing listens at that address" refused 1 "refused|no answer" --connect 192.168.77.60 hostb
	b rmmod vmmig
	t "no module at the destination" refused 3 "module vmmig" hostb
	b insmod "$BUILD/vmmig.ko"
	refusals_of_vms
	meanwhile
}
