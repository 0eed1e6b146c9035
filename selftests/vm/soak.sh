# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Promise: a loaded guest moves back and forth any number of times; RAM is equal
# at every stop, and neither host grows.
# Catches: rare races of the tracking; leaks of memory and descriptors.

# memory in KiB: what cannot be taken back
host_memory() {
	# shellcheck disable=SC2016
	on "$1" sh -c 'echo 2 >/proc/sys/vm/drop_caches; awk "/^(SUnreclaim|Percpu|VmallocUsed|KernelStack|PageTables):/ { n += \$2 } END { print n }" /proc/meminfo'
}
available() { on "$1" awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo; }
host_files() { on "$1" cut -f1 /proc/sys/fs/file-nr; }
# what that is made of: name and KiB
host_parts() {
	# shellcheck disable=SC2016
	on "$1" awk 'FILENAME == "/proc/meminfo" && /^(Percpu|VmallocUsed|KernelStack|PageTables):/ { print substr($1, 1, length($1) - 1), $2 }
		FILENAME == "/proc/slabinfo" && FNR > 2 { print "slab:" $1, int($3 * $4 / 1024) }' /proc/meminfo /proc/slabinfo
}

soak() {
	local n=$1 i where=a to mem_a mem_b files_a files_b parts_a parts_b bad=0
	t "soak: guest starts" start_guest --machine q35 --smp 2 || return
	for ((i = 1; i <= n; i++)); do
		to=$(other "$where")
		t "move $i of $n, host$where to host$to" eval "migrate $where --downtime-limit $((1000 * SLOW)) && healthy $to && nothing_left $where" ||
			{ bad=1; break; }
		where=$to
		echo "# MiB available: hosta $(available a), hostb $(available b)"
		# Caches are warm after a few
		if [ "$i" = 6 ]; then
			mem_a=$(host_memory a) mem_b=$(host_memory b)
			files_a=$(host_files a) files_b=$(host_files b)
			parts_a=$(host_parts a) parts_b=$(host_parts b)
		fi
	done
	[ "$where" = a ] || t "back to hosta" back --downtime-limit $((1000 * SLOW))
	[ "$bad" = 1 ] || [ "$n" -lt 12 ] || t "no growth of memory and files" grown
	stop_guest >/dev/null 2>&1
}

# With the VM at the same host both times. A hundred moves were seen to add 900 KiB:
# what Linux frees late and the figures of 128 ended sessions. So two pages a move show;
# files are counted in batches of 32 by each CPU
grown() {
	local a b
	a=$(host_memory a) b=$(host_memory b)
	echo "KiB: hosta $mem_a to $a, hostb $mem_b to $b; files: hosta $files_a to $(host_files a), hostb $files_b to $(host_files b)"
	which_grew a "$parts_a"
	which_grew b "$parts_b"
	[ $((a - mem_a)) -lt $((n * 6 + 768)) ] && [ $((b - mem_b)) -lt $((n * 6 + 768)) ] &&
		[ $(($(host_files a) - files_a)) -le 64 ] && [ $(($(host_files b) - files_b)) -le 64 ]
}

# The parts that differ most, for whoever wonders
which_grew() {
	awk 'NR == FNR { was[$1] = $2; next }
		$2 - was[$1] > 32 || was[$1] - $2 > 32 { printf " %s %+d", $1, $2 - was[$1] }
		END { print "" }' <(echo "$2") <(host_parts "$1") | sed "s/^/KiB that changed at host$1:/"
}
