# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Tests that move real guests between the two hosts of a pair. Sourced on host A.
#
# A test is a function; t counts it. Whatever it prints becomes comments.

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
BUILD=/vmmig-build
COMPARE=$HERE/compare
LOG_BAD='WARNING:|BUG:|Oops|segfault at|Out of memory|oom-kill|general protection|INFO: task|possible circular|inconsistent lock|KASAN|UBSAN|refcount_t:|detected stall|lockup|Call Trace|Bad page'

NR=0
t() {
	local text=$1 out rc=0
	shift
	NR=$((NR + 1))
	out=$("$@" 2>&1) || rc=$?
	[ -z "$out" ] || sed 's/^/# /' <<<"$out"
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

until_ok() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		read -r -t 0.1 <> <(:) || true
	done
}

# field NAME JSON: first value of that name
field() { tr ',{' '\n\n' <<<"$2" | sed -n "s/^[ \t]*\"$1\": *\"\{0,1\}\([^\"}]*\)\"\{0,1\} *}*.*/\1/p" | head -n 1; }

setup_hosts() {
	insmod "$BUILD/vmmig.ko" && b insmod "$BUILD/vmmig.ko" && vm peer start
}

quiet_logs() {
	local bad rc=0
	bad=$(dmesg | grep -E "$LOG_BAD") && { echo "hosta: $bad"; rc=1; }
	bad=$(b dmesg | grep -E "$LOG_BAD") && { echo "hostb: $bad"; rc=1; }
	return "$rc"
}

# A complaint must be found; the last test, as the log is spoilt by it
quiet_logs_can_fail() {
	b 'echo "WARNING: CPU: 0 PID: 1 at nowhere: this is a test" >/dev/kmsg'
	! quiet_logs
}

# Its tap is what a VM does not bring along
make_tap() {
	# shellcheck disable=SC2016
	on "$1" sh -c '[ -e /sys/class/net/tap-g ] || { ip tuntap add tap-g mode tap vnet_hdr && ip link set tap-g master br0 up; }'
}

start_guest() {
	vm start g --append "${APPEND:-wl.rate=20}" "$@" && vm wait g >/dev/null && make_tap b
}

stop_guest() {
	vm stop g
	b vm stop g
	rm -f /dev/shm/g.ram
	b rm -f /dev/shm/g.ram
}

# What there is to know when a QEMU does not answer any more
post_mortem() {
	# shellcheck disable=SC2016
	on "$1" sh -c 'echo "host: $(hostname)"; pgrep -af "qemu-system|vmmig" | cut -c1-100; ls -l /dev/shm
		tail -n 5 /var/log/vmmig/*.log; grep -E "^(MemFree|MemAvailable|Shmem):" /proc/meminfo; dmesg | tail -n 8' 2>&1
}

# healthy a|b: guest's own verifier and its TCP connection
healthy() {
	local where=$1 s before after v
	s=$(on "$where" vm cmd g status) || { post_mortem "$where"; return 1; }
	before=$(field work_done "$s")
	v=$(on "$where" vm cmd g verify)
	s=$(on "$where" vm cmd g status) || return
	after=$(field work_done "$s")
	[[ $v = ok* ]] && [ "$(field mem_bad "$s")" = 0 ] && [ "$(field disk_bad "$s")" = 0 ] &&
		[ "$(field tcp_ok "$s")" = true ] && [ "$after" -gt "$before" ] && return
	echo "guest on host$where: $v, work $before to $after"
	echo "$s"
	return 1
}

# migrate FROM [OPTION...]: with the comparison at the stop; report in $REPORT
migrate() {
	local from=$1 to rc=0 have
	shift
	to=$(other "$from")
	make_tap "$to"
	on "$from" rm -f /run/compared
	vm peer reset >/dev/null
	REPORT=$(on "$from" timeout 200 vmmig-qemu migrate --qmp /run/g.qmp --json --quiet \
		--hook-stopped "$COMPARE" "$@" "host$to" 2>/run/migrate.err) || rc=$?
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

# Nothing of the VM is left on host $1
nothing_left() {
	local left
	left=$(on "$1" sh -c 'pgrep -af "qemu-system.*-name g( |,)"; ls /dev/shm/g.ram 2>/dev/null')
	[ -z "$left" ] && return
	echo "host$1: $left"
	return 1
}
