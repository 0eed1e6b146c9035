# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Tests that move real guests between the two hosts of a pair. Sourced on host A.
#
# A test is a function; t counts it. Whatever it prints becomes comments.

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
BUILD=/vmmig-build
COMPARE=$HERE/compare
LOG_BAD=$(sed -n 's/^"\(.*\)",$/\1/p' "$HERE/../log_words.h" | paste -sd'|')

NR=0
t() {
	local text=$1 out rc=0 start=$SECONDS
	shift
	NR=$((NR + 1))
	out=$("$@" 2>&1) || rc=$?
	[ -z "$out" ] || sed 's/^/# /' <<<"$out"
	echo "# $((SECONDS - start)) s"
	if [ "$rc" = 0 ]; then echo "ok $NR $text"; else echo "not ok $NR $text"; fi
	return "$rc"
}

b() { ssh hostb "$@"; }
# on a|b COMMAND...
on() {
	local where=$1
	shift
	if [ "$where" = a ]; then "$@"; else b "$(printf '%q ' "$@")"; fi
}
other() { if [ "$1" = a ]; then echo b; else echo a; fi; }

# A kernel that watches itself needs so many times as long
SLOW=1 EASY=''
# A scan alone takes longer than the downtime that is allowed by default
# shellcheck disable=SC2034  # used in failures.sh and meanwhile.sh
[ ! -e /sys/kernel/debug/kmemleak ] || SLOW=4 EASY='--downtime-limit 5000'

until_ok() {
	local end=$((SECONDS + $1 * SLOW))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		read -r -t 0.1 <> <(:) || true
	done
}

# field NAME JSON: first value of that name
# (No program for it: they start slowly here)
field() { [[ $2 =~ \"$1\":[[:space:]]*(\"([^\"]*)\"|([^,}[:space:]]*)) ]] && echo "${BASH_REMATCH[2]}${BASH_REMATCH[3]}"; }

setup_hosts() {
	insmod "$BUILD/vmmig.ko" && b insmod "$BUILD/vmmig.ko" && vm peer start
}

# kernel_log a|b: without one warning that is KVM's own: each step of an emulated
# string instruction, as that of boot code which saves a VGA's screen, pushes to
# the dirty ring, and nothing makes room in between. So without the module too.
kernel_log() {
	on "$1" dmesg | awk '/\[ cut here \]/ { if (holding) printf "%s", held; held = ""; holding = 1 }
		!holding { print; next }
		{ held = held $0 "\n" }
		/\[ end trace / {
			if (held !~ /WARNING: [^\n]*kvm_dirty_ring_push/ || held !~ /x86_emulate_insn/) printf "%s", held
			else print "KVM: a string instruction has filled the ring"
			holding = 0
		}
		END { if (holding) printf "%s", held }'
}

quiet_logs() {
	local log bad rc=0 where
	for where in a b; do
		log=$(kernel_log "$where")
		[ -n "$log" ] || { echo "host$where: no kernel log"; rc=1; }
		grep 'KVM: a string instruction' <<<"$log"
		bad=$(grep -E "$LOG_BAD" <<<"$log") && { echo "host$where: $bad"; rc=1; }
	done
	return "$rc"
}

# A complaint must be found; the last test, as the log is spoilt by it
quiet_logs_can_fail() {
	b 'echo "WARNING: CPU: 0 PID: 1 at nowhere: this is a test" >/dev/kmsg'
	! quiet_logs
}

# What a VM does not bring along: its tap, and what GUEST_NEEDS says (see vm prepare)
GUEST_NEEDS=''
GUEST_APPEND=''
make_room() {
	local what
	# shellcheck disable=SC2016
	on "$1" sh -c '[ -e /sys/class/net/tap-g ] || { ip tuntap add tap-g mode tap vnet_hdr && ip link set tap-g master br0 up; }' || return
	for what in $GUEST_NEEDS; do on "$1" vm prepare g "$what" || return; done
}

# Emulated SVM leaves the type of an old event in EXITINTINFO, and KVM of Linux
# 7.3 takes that for one in delivery, so a guest that draws a page fault just
# before it writes to a device may be ended ("internal-error"), when it boots
# most of all. Whatever ends a guest that only boots, no migration has done it.
once_more() {
	local tries
	tries=$(cat /run/tries 2>/dev/null)
	echo $((tries + 1)) >/run/tries
	{ platforms_fault a || vm qmp g '{"execute":"query-status"}' | grep -q internal-error; } && [ "${tries:-0}" -lt 3 ] || [ "${tries:-0}" -lt 1 ] || return
	echo "once more"
}

start_guest() {
	local try=0
	while vm start g --append "${APPEND:-wl.rate=$((20 / SLOW))}" "$@" || return; do
		! vm wait g $((120 * SLOW)) >/dev/null || break
		try=$((try + 1))
		post_mortem a "start.$NR.$try"
		once_more || return
		stop_guest
	done
	make_room b
}

stop_guest() {
	vm stop g
	b vm stop g
	rm -f /dev/shm/g.*
	b 'rm -f /dev/shm/g.*'
}

# One QMP command for the guest at A
qmp_g() { vm qmp g "$1" | grep -q '"return"'; }

# mixed_up a|b: does a vCPU have the registers of the host that runs it? Emulated
# SVM does that at times: the vCPU then stands at VMRUN in the host's own kvm_amd
# and can go nowhere, as the guest's page tables know nothing of it.
mixed_up() {
	# shellcheck disable=SC2016
	on "$1" bash -c 'at=$(awk "\$3 == \"__svm_vcpu_run\" { print \$1; exit }" /proc/kallsyms)
		for rip in $(vm qmp g "{\"execute\":\"human-monitor-command\",\"arguments\":{\"command-line\":\"info registers -a\"}}" | grep -o "RIP=[0-9a-f]*" | cut -c5-); do
			far=$((0x$rip - 0x$at))
			[ "$far" -lt 0 ] || [ "$far" -gt 1024 ] || exit 0
		done
		exit 1' 2>/dev/null
}

# For shells on a host: hmp COMMAND asks the guest's human monitor
# shellcheck disable=SC2016
HMP='hmp() { vm qmp g "{\"execute\":\"human-monitor-command\",\"arguments\":{\"command-line\":\"$1\"}}" | sed "s/\\\\r\\\\n/\n/g"; }'

# stale_event a|b: did KVM of Linux 7.3 end a vCPU that only wrote to a device, as
# emulated SVM had left the type of an event delivered long before? KVM reports
# DELIVERY_EV (3), then a nested page fault (0x400) and its kind: a write (bit 1),
# no fetch (bit 4). A real event ends there only with its stack in a device.
stale_event() {
	# shellcheck disable=SC2016
	on "$1" sh -c 'grep -h -A3 "KVM internal error. Suberror: 3" /vmmig-out/g."$(hostname)".qemu.log' 2>/dev/null |
		awk '/data\[1\]/ { npf = /0x0*400$/ }
			npf && /data\[2\]/ { found = $3 ~ /[2367abef]$/ && $3 ~ /[02468ace].$/ }
			END { exit !found }'
}

# lost_kick a|b: does a vCPU wait for a paravirtual spinlock, in kvm_wait(lock, 3)
# with RDI and RSI, halted with interrupts off, that is free (0) or taken by one
# that will not kick (1)? Its kick came between its last look and HLT, then it was
# moved, and KVM_GET_MP_STATE does not tell of a kick to who is not halted yet.
lost_kick() {
	# shellcheck disable=SC2016
	on "$1" bash -c "$HMP"'
		hmp "info registers -a" | grep -oE "R(SI|DI|FL|IP)=[0-9a-f]*|HLT=1" | while IFS="=" read -r name value; do
			declare "$name=$value"
			[[ $name = HLT && $RDI = ffff* && $RIP = ffffffff* ]] && ((0x$RSI == 3 && !(0x$RFL & 0x200))) || continue
			hmp "x/1xb 0x$RDI" | grep -o "^.*: 0x0[01]"
		done | grep .' 2>/dev/null
}

# platforms_fault a|b: did what runs the guest fail in one of these ways? The words
# are for scripts/check, which tries once more then.
platforms_fault() {
	if mixed_up "$1"; then
		echo "a vCPU has the registers of the host's kernel: the platform's fault"
	elif stale_event "$1"; then
		echo "KVM took an old event for one in delivery: the platform's fault"
	elif lost_kick "$1"; then
		echo "KVM has lost the wake-up of a vCPU: the platform's fault"
	else
		return 1
	fi
}

# What there is to know when a guest or its QEMU does not answer any more; all
# of it in a file, as it is long: post_mortem HOST [NAME]
post_mortem() {
	local name=post-mortem.${2:-$1.${NR:-0}}
	# shellcheck disable=SC2016
	on "$1" bash -c "$HMP"'
		echo "host: $(hostname)"; pgrep -af "qemu-system|vmmig" | cut -c1-100; ls -l /dev/shm
		tail -n 5 /var/log/vmmig/*.log; grep -E "^(MemFree|MemAvailable|Shmem):" /proc/meminfo; dmesg | tail -n 8
		vm qmp g "{\"execute\":\"query-status\"}"
		for i in 1 2 3; do hmp "info registers -a" | grep -E "^(CPU|RAX|RBX|RIP|RSI|R8|R12|CR0)"; sleep 0.5; done
		for i in 0 1 2 3; do hmp "info lapic $i"; done
		hmp "info virtio-queue-status /machine/peripheral/vda/virtio-backend 0"; hmp "info blockstats"; ss -tnp | grep qemu
		grep . /sys/kernel/debug/kvm/*/vcpu*/{exits,halt_wakeup,irq_injections,pf_taken}; cat /proc/interrupts
		cat /vmmig-out/g.*.qemu.log
		for t in /proc/$(pgrep -f "qemu-system.*-name g" | head -n 1)/task/*; do echo "$(cat $t/comm) $(cut -d" " -f3,14,15 $t/stat)"; cat $t/stack; done' >"/vmmig-out/$name" 2>&1
	platforms_fault "$1" || true
	echo "host$1: see $name; guest's console:"
	tail -n 15 /vmmig-out/g.*.console.log
}

# go_on HOST BEFORE COUNT...: are these counts of the workload's larger now? $NOW
# has all that it tells, $STILL names those that are not
go_on() {
	local where=$1 before=$2 what
	shift 2
	STILL=''
	NOW=$(on "$where" vm cmd g status)
	for what; do
		[ "$(field "$what" "$NOW")" -gt "$(field "$what" "$before")" ] 2>/dev/null || STILL+=" $what"
	done
	[ -z "$STILL" ]
}

# healthy a|b: the guest's own checks find nothing, and all that it does goes on
healthy() {
	local where=$1 before after v what used=work_done bad='' NOW STILL
	before=$(on "$where" vm cmd g status verify) || { post_mortem "$where"; return 1; }
	v=${before##*$'\n'}
	[[ $v = ok* ]] || bad+=" verify: $v,"
	[[ $GUEST_APPEND = *wl.disk=0* ]] || used+=' disk_ops'
	[[ $GUEST_APPEND != *wl.nested=[1-9]* ]] || used+=' nested_rounds'
	[[ $GUEST_NEEDS != *virtiofs* ]] || used+=' file_reads'
	# shellcheck disable=SC2086
	until_ok 20 go_on "$where" "$before" $used || bad+="$STILL stands still,"
	after=$NOW
	[ -n "$after" ] || { echo "guest on host$where:$bad no answer"; post_mortem "$where"; return 1; }
	for what in mem_bad disk_bad files_bad nested_bad; do
		[ "$(field "$what" "$after")" = 0 ] || bad+=" $what,"
	done
	[ "$(field tcp_ok "$after")" = true ] || bad+=" its TCP connection,"
	# Its counters are at zero again then, and what it does seems to stand still
	v=$(field uptime_s "$after")
	! awk "BEGIN { exit !(${v:-0} < $(field uptime_s "$before") + 0) }" || bad+=" it has rebooted by itself,"
	[ -n "$bad" ] || return 0
	echo "guest on host$where:${bad%,}"
	echo "$after"
	post_mortem "$where"
	return 1
}

# migrate FROM [OPTION...]: with the comparison at the stop; report in $REPORT.
# IP6: 6 to go there by IPv6
IP6=
migrate() {
	local from=$1 to rc=0 have
	shift
	to=$(other "$from")
	make_room "$to" || return
	on "$from" rm -f /run/compared
	vm peer reset >/dev/null
	REPORT=$(on "$from" timeout $((200 * SLOW)) vmmig-qemu migrate --qmp /run/g.qmp --json --quiet \
		--hook-stopped "$COMPARE" "$@" "host$to$IP6" 2>/run/migrate.err) || rc=$?
	if [ "$rc" != 0 ]; then
		cat /run/migrate.err
		echo "exit code $rc"
		return "$rc"
	fi
	have=$(on "$from" cat /run/compared) || { echo "RAM was not compared"; return 1; }
	echo "RAM equal, byte by byte (${have//$'\n'/, } bytes); downtime $(($(field downtime "$REPORT") / 1000)) ms, total $(($(field total "$REPORT") / 1000)) ms," \
		"passes $(field passes "$REPORT"), pages $(field pages-data "$REPORT"), tracking $(field tracking "$REPORT")," \
		"seen from outside: $(field tcp_gap_ms "$(vm peer status)") ms with the comparison"
}

# Tools that have done their part end
no_tools() {
	local where
	for where in a b; do ! on "$where" pgrep -af "vmmig-qemu (receive|migrate)" || return; done
}

# Nothing of the VM is left on host $1
nothing_left() {
	local left
	left=$(on "$1" sh -c 'pgrep -af "qemu-system.*-name g( |,)"; ls /dev/shm/g.* 2>/dev/null')
	[ -z "$left" ] && return
	echo "host$1: $left"
	return 1
}
