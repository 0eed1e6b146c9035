# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# The suites of scripts/check. Each prints KTAP and returns the lab's exit code.

LINUX=$CACHE/linux-tools

suite_roots() {
	step "host roots and the kernel's tools are there" "$LAB/roots" || return
	step "the guest is there" "$LAB/guest/mkguest" || return
	echo "1..$STEP"
}

# -- lint

sources() { git -c safe.directory='*' -C "$TOP" ls-files -co --exclude-standard 2>/dev/null || (cd "$TOP" && find . -path ./.cache -prune -o -type f -printf '%P\n'); }

# "new file, update MAINTAINERS" and typedefs of trace.h are not for us; generated
# files are not looked at
checkpatch() {
	local out
	[ -r "$LINUX/scripts/checkpatch.pl" ] && command -v perl >/dev/null || return
	out=$(sources | grep -E '^(kmod/.*\.[ch]|uapi/.*\.h)$' | grep -vE '^(kmod/netlink-gen|uapi/linux/vmmig.h)' |
		(cd "$TOP" && xargs -P 2 -n 6 perl "$LINUX/scripts/checkpatch.pl" --no-tree --strict --terse \
			--quiet --show-types --max-line-length=100 --file 2>&1) |
		grep -E '^[^ ]+:[0-9]+: (ERROR|WARNING|CHECK)' | grep -vE "$CHECKPATCH_EXCEPT")
	rm -f "$TOP"/.checkpatch-camelcase.*
	[ -z "$out" ] || { printf '%s\n' "$out"; return 1; }
}
# Not for us: proto_user.h (names for userspace), trace.h (what the trace macros
# want), compat.h (it is about versions), and iterators that use an argument twice
CHECKPATCH_EXCEPT='^kmod/(proto_user|trace|compat/compat).h:|MACRO_ARG_REUSE: .*(vma|info)'

shell_scripts() {
	local f first
	while read -r f; do
		[ -f "$TOP/$f" ] || continue
		IFS= read -r first <"$TOP/$f" 2>/dev/null
		case $first in
		'#!'*bash* | '#!/bin/sh'* | '# shellcheck shell='*) printf '%s\n' "$f" ;;
		esac
	done < <(sources)
}

lint_shell() {
	local f rc=0
	while read -r f; do
		(cd "$TOP/$(dirname "$f")" && shellcheck -x -S warning "$(basename "$f")") || rc=1
	done < <(shell_scripts)
	return "$rc"
}

spdx() {
	local f rc=0
	while read -r f; do
		head -n 3 "$TOP/$f" | grep -q SPDX-License-Identifier: || { echo "$f"; rc=1; }
	done < <(sources | grep -E '\.([ch]|sh|yaml)$|(^|/)(Makefile|Kbuild)$'; shell_scripts)
	return "$rc"
}

# The kernel's generator takes the name of its output for the header that it
# includes, and names the spec as in a tree
generated() {
	BINDS="$TOP vmmig"$'\n'"$LINUX vmmig-linux" in_root "$(root_dir trixie)" bash -c '
		spec=Documentation/netlink/specs/vmmig.yaml rc=0
		tree=$(mktemp -d) && cd "$tree" && mkdir -p "${spec%/*}" || exit
		cp /vmmig-linux/Documentation/netlink/*.yaml Documentation/netlink/
		cp "/vmmig/$spec" "$spec" && : >MAINTAINERS
		while read -r mode what file; do
			python3 -B /vmmig-linux/tools/net/ynl/ynl-gen-c.py --mode "$mode" "$what" \
				--spec "$spec" -o "${file##*/}" && diff -u "/vmmig/$file" "${file##*/}" || rc=1
		done <<-END
			uapi --header uapi/linux/vmmig.h
			kernel --header kmod/netlink-gen.h
			kernel --source kmod/netlink-gen.c
		END
		rm -r "$tree"
		exit $rc'
}

suite_lint() {
	if ! command -v shellcheck >/dev/null; then
		DEBIAN_FRONTEND=noninteractive apt-get install -y -q=2 --no-install-recommends \
			shellcheck >/dev/null 2>&1 </dev/null || true
	fi
	step "checkpatch --strict finds nothing in kmod" checkpatch
	if command -v shellcheck >/dev/null; then
		step "shellcheck finds nothing in any script" lint_shell
	else
		step_skip "shellcheck" "cannot be installed"
	fi
	step "every source file names its license" spdx
	step "uapi/linux/vmmig.h and kmod/netlink-gen.* are what the spec gives" generated
	echo "1..$STEP"
}

# -- builds

no_warnings() { ! grep -E '(warning|error):|^WARNING' "$1"; }

build_for() {
	local name=$1 log=$LOGS/build-$1.out root kernel
	root=$(root_dir "$name") || return
	kernel=$(root_kernel "$root") || return
	# Newer kernels judge sparse themselves, and find Debian's too old: asked by C=2
	# they leave it out, so this is what C=2 would set
	step "$name: module and tools build with W=1 and sparse for Linux $kernel" \
		build_quietly "$log" "$name" "W=1 KBUILD_CHECKSRC=2 CHECK=/vmmig-build/scripts/lab/sparse" ||
		{ tail -n 30 "$log"; return 1; }
	step "$name: no warning" no_warnings "$log"
	step "$name: sparse has looked at every file" sparse_ran "$log"
	step "$name: test programs build" build_tests "$name"
}

sparse_ran() { [ "$(grep -c '^ *CHECK  .*kmod/' "$1")" = "$(find "$TOP/kmod" -name '*.c' | wc -l)" ]; }

build_quietly() { "$LAB/build" --clean --args "$3" "$2" >"$1" 2>&1; }

# Into .cache/build/ROOT/ksft, where hosts see it as /vmmig-build/ksft
build_tests() {
	local name=$1 dir=$CACHE/build/$1 root
	root=$(root_dir "$name") || return
	mkdir -p "$dir/ksft"
	BINDS="$dir vmmig-build"$'\n'"$LINUX vmmig-linux" in_root "$root" \
		make -s -C /vmmig-build/selftests -j2 OUTPUT=/vmmig-build/ksft \
		KSFT_LIB=/vmmig-linux/tools/testing/selftests all
}

suite_build() {
	local name
	for name in $ROOTS; do build_for "$name"; done
	echo "1..$STEP"
}

# Kernels that find bugs, and all that is to be tested built for them
suite_debug() {
	local name
	for name in kasan kcsan; do
		step "$name: kernel" "$LAB/debug-kernel" "$name" || continue
		step "$name: module and tools build" build_quietly "$LOGS/build-$name.out" "$name" W=1 &&
			step "$name: test programs build" build_tests "$name"
	done
	echo "1..$STEP"
}

# -- unit tests, in the root where their libraries are

suite_unit() {
	local dir=$CACHE/build/trixie
	BINDS="$dir vmmig-build" in_root "$(root_dir trixie)" sh -c '
		rc=0
		make -s -C /vmmig-build/userspace OUT=/vmmig-build/userspace/build test || rc=1
		make -s -C /vmmig-build/selftests/unit OUTPUT=/vmmig-build/selftests/unit/build \
			SANITIZE= check || rc=1
		exit $rc'
}

# patience ROOT SECONDS: kernels that watch themselves take longer
patience() { case $1 in kasan | kcsan) echo $(($2 * 4)) ;; *) echo "$2" ;; esac }

# at_once COMMAND...: all at the same time, with hosts of one CPU. Those are
# emulated without atomic instructions and interrupts between CPUs, so two at a
# time get more done than one after the other with two CPUs each.
at_once() {
	local out=$CACHE/out/$SUITE rc=0 failed=0 what i pids=() LAB_SMP=1 LAB_MEM=3G
	mkdir -p "$CACHE/out"
	# Ctrl-C does not reach them, but each is a process group
	set -m
	for what; do
		eval "$what" </dev/null >"$out.${#pids[@]}.log" 2>&1 &
		pids+=($!)
	done
	set +m
	trap 'kill -- "${pids[@]/#/-}"' EXIT
	for i in "${!pids[@]}"; do
		wait "${pids[i]}" || { rc=$?; failed=$((failed + 1)); }
		echo "# run $i of $SUITE"
		cat "$out.$i.log"
	done
	trap - EXIT
	# What failed in one run is not excused by how the emulator failed in another
	[ "$failed" -lt 2 ] || rc=1
	return "$rc"
}

# -- kselftests

# host_run ROOT [programs|scripts]
host_run() {
	[ -e "$CACHE/build/$1/ksft" ] || build_tests "$1" >/dev/null || return
	"$LAB/host" --out "$CACHE/out/$SUITE-$1" --smp "${LAB_SMP:-2}" --timeout "$(patience "$1" 900)" "$1" -- \
		/vmmig/selftests/run ${2:+"$2"}
}

suite_kernel() { host_run "$1"; }
suite_programs() { host_run "$1" programs; }
suite_scripts() { at_once "host_run trixie scripts" "host_run backports scripts"; }

# -- two hosts: vm, soak, stress

pair_run() {	# ROOT_A ROOT_B ARGUMENT... of selftests/vm/run
	local a=$1 b=$2 rc=0
	shift 2
	"$LAB/pair" --out "$CACHE/out/$SUITE-$a-$b-${1%%=*}" --timeout "${VM_TIMEOUT:-900}" \
		--smp "${LAB_SMP:-2}" --mem "${LAB_MEM:-6G}" --append "${VM_APPEND:-}" "$a" "$b" -- \
		/vmmig/selftests/vm/run "$@" || rc=$?
	case $rc in "$E_DIED" | "$E_TIMEOUT") echo "not ok 0 $a to $b: the lab ended with $rc" ;; esac
	return "$rc"
}

suite_vm() {
	local rc=0
	case $1 in
	trixie) pair_run trixie trixie check-same ;;
	failures) at_once "pair_run trixie trixie failures" "pair_run trixie trixie refusals" ;;
	backports) pair_run backports backports check-same-new ;;
	mixed) at_once "pair_run trixie backports check-mixed" "pair_run backports trixie check-mixed" ;;
	matrix)
		local VM_TIMEOUT=2400
		pair_run trixie trixie matrix-same || rc=$?
		pair_run backports backports matrix-same-new || rc=$?
		pair_run trixie backports matrix-mixed || rc=$?
		pair_run backports trixie matrix-mixed || rc=$?
		return "$rc"
		;;
	*) die "no suite vm-$1" ;;
	esac
}

suite_soak() {
	VM_TIMEOUT=$((600 + ${N:-100} * 30)) pair_run "${SOAK_A:-trixie}" "${SOAK_B:-trixie}" "soak=${N:-100}"
}

suite_stress() {
	local root=${1:-trixie} seconds
	seconds=${SECONDS_EACH:-$(patience "$root" 300)}
	# The guest may have a guest
	VM_APPEND=lab.nested VM_TIMEOUT=$(($(patience "$root" 600) + seconds)) \
		pair_run "$root" "$root" "stress=${SEED:-1}:$seconds"
}
