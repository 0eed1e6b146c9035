# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Start one lab host as a QEMU process and judge how it ended. Sourced.

# shellcheck source=mkinitrd.sh
. "$LAB/mkinitrd.sh"
# shellcheck source=accel.sh
. "$LAB/accel.sh"

# Those that every host loads come in the initramfs, unpacked
L1_MODULES="9p 9pnet_virtio overlay virtio_console virtio_net kvm_amd kvm_intel tun bridge vhost_net"

# host_start ROOT RUN OUT ROLE NETDEV...: boots in the background; the pid is in
# RUN/pid. RUN/cmd must hold the command. Uses $MEM $SMP $APPEND $LOGLEVEL.
host_start() {
	local name=$1 run=$2 out=$3 role=$4 root kernel shares=() opts=() s tag from rest accel ro
	shift 4
	root=$(root_dir "$name") || exit
	kernel=$(root_kernel "$root") || exit
	alone make_initrd "$root" "$kernel" "$LAB/l1/initrd-init" "$CACHE/host/$name/initrd" "$L1_MODULES"
	alone unpack_kernel "$root/boot/vmlinuz-$kernel" "$CACHE/host/$name/kernel"
	cp "$LAB"/l1/{init,network} "$run/"
	shares=("lab.out:$out:/vmmig-out:rw" "lab.src:$TOP:/vmmig:ro")
	[ -d "$CACHE/build/$name" ] && shares+=("lab.build:$CACHE/build/$name:/vmmig-build:ro")
	[ -d "$(guest_dir "$name")" ] && shares+=("lab.guest:$(guest_dir "$name"):/vmmig-guest:ro")
	[ -d "$CACHE/linux-tools" ] && shares+=("lab.linux:$CACHE/linux-tools:/vmmig-linux:ro")
	{
		echo "LAB_NAME=host$role LAB_ROLE=$role LAB_ROOT=$name"
		printf 'LAB_SHARES="'
		for s in "${shares[@]}"; do
			IFS=: read -r tag from rest <<<"$s"
			printf '%s:%s ' "$tag" "$rest"
		done
		echo '"'
		if [ -d "$CACHE/build/$name" ]; then echo LAB_DIR=/vmmig-build; else echo LAB_DIR=/vmmig; fi
	} >"$run/config"
	shares+=("lab.root:$root:/:ro" "lab.run:$run:/:rw")
	BINDS=
	for s in "${shares[@]}"; do
		IFS=: read -r tag from rest <<<"$s"
		BINDS+="$from lab/$tag"$'\n'
		ro=
		[ "${rest##*:}" = rw ] || ro=,readonly=on
		opts+=(-fsdev "local,id=$tag,path=/lab/$tag,security_model=none,multidevs=remap$ro"
			-device "virtio-9p-pci,fsdev=$tag,mount_tag=$tag")
	done
	mkfifo "$run/ctl.in" "$run/ctl.out"
	for s in out err; do
		opts+=(-chardev "file,id=$s,path=/lab/lab.run/$s"
			-device "virtserialport,chardev=$s,name=lab.$s")
	done
	# A triple fault ends it without a word: the log has the registers then
	accel="-accel tcg,thread=multi -cpu EPYC -d cpu_reset -D /lab/lab.out/emulator.$role.log"
	! hardware_kvm || accel="-accel kvm -cpu host"
	# shellcheck disable=SC2086
	host_qemu $accel \
		-name "lab-host$role" -machine q35 -smp "$SMP" -m "$MEM" -nodefaults -display none -no-reboot \
		-kernel /lab/lab.kernel/kernel -initrd /lab/lab.kernel/initrd \
		-append "console=ttyS0 loglevel=$LOGLEVEL printk.devkmsg=on mitigations=off tsc=reliable no_timer_check init_on_alloc=0 panic=-1 $APPEND" \
		-serial "file:/lab/lab.out/console.$role.log" \
		-qmp "unix:/lab/lab.run/qmp,server=on,wait=off" \
		-device virtio-rng-pci -device virtio-serial-pci \
		-chardev pipe,id=ctl,path=/lab/lab.run/ctl -device virtserialport,chardev=ctl,name=lab.ctl \
		"${opts[@]}" "$@" </dev/null >"$run/qemu.log" 2>&1 6>&- 7>&- 8>&- &
	echo $! >"$run/pid"
}

# host_qemu ARGUMENTS...: the outer QEMU, that of one root for all hosts
host_qemu() {
	local dir
	dir=$(root_dir "${VMMIG_OUTER:-backports}") || exit
	BINDS+="$CACHE/host/$name lab/lab.kernel"
	# One process from here to QEMU, so that its pid is ours to end
	EXEC="exec setpriv --pdeathsig KILL" in_root "$dir" qemu-system-x86_64 "$@"
}

# host_asks RUN COMMAND: of the monitor of a host's emulator
host_asks() {
	local ask
	for ask in "$CACHE"/guest/*/ask; do
		# Its path may be too long for a socket's
		(cd "$1" && "$ask" -q qmp 5 \
			'{"execute":"human-monitor-command","arguments":{"command-line":"'"$2"'"}}') |
			sed 's/\\r\\n/\n/g; s/\\t/ /g'
		return
	done
}

# host_asleep RUN: the CPUs that stand in HLT while an interrupt is due that they
# allow, each with those that wait
host_asleep() {
	local n
	{
		host_asks "$1" "info registers -a"
		for n in $(seq 0 $((SMP - 1))); do host_asks "$1" "info lapic $n"; done
	} 2>/dev/null | awk '
		function hex(digit) { return index("0123456789abcdef", digit) - 1 }
		/^CPU#/ { cpu = substr($1, 5) }
		# RFLAGS.IF is bit 9
		/^RIP=/ && / HLT=1/ { halted[cpu] = int(hex(substr($2, 10, 1)) / 2) % 2 }
		/local APIC state for CPU/ { cpu = $NF }
		/^IRR/ { due = $0; top = $NF + 0 }
		/^APR/ && halted[cpu] && int(top / 16) > hex(substr($NF, 3, 1)) { print cpu, due }'
}

# host_sleeps RUN: is a CPU of it asleep for good? Its emulator has lost the flag
# that lets interrupts through then, see README.md
host_sleeps() {
	local before
	before=$(host_asleep "$1")
	[ -n "$before" ] && sleep 2 && [ "$before" = "$(host_asleep "$1")" ] || return
	echo "$before" >"$1/asleep"
}

# host_wait RUN OUT ROLE: waits for the end, says and returns the exit code
host_wait() {
	local run=$1 out=$2 role=$3 status=0 log
	log=$out/console.$role.log
	if [ -e "$run/status" ]; then
		status=$(cat "$run/status")
	else
		{ wait "$(cat "$run/pid")"; } 2>/dev/null || status=$?
	fi
	if [ -e "$run/asleep" ]; then
		say "host$role died: emulator ended as a CPU slept with interrupts due ($(paste -sd, "$run/asleep")); its console is $log"
		return "$E_DIED"
	elif [ -e "$run/timeout" ]; then
		say "host$role: time out; its console is $log"
		return "$E_TIMEOUT"
	elif [ -e "$run/rc" ]; then
		return "$(cat "$run/rc")"
	elif grep -aq 'Kernel panic' "$log" 2>/dev/null; then
		say "host$role died: kernel panic; its console is $log"
	else
		say "host$role died: emulator ended with status $status; its console is $log"
	fi
	grep -v "warning: TCG doesn't support" "$run/qemu.log" >&2 || true
	return "$E_DIED"
}
