# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Names, places and messages shared by the lab commands. Sourced, not run.

LAB=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOP=$(cd "$LAB/../.." && pwd)
CACHE=${VMMIG_CACHE:-$TOP/.cache}

# Exit codes of our own. A command inside a host may use any other one.
# shellcheck disable=SC2034  # used by the files that source this one
E_DIED=120 E_SETUP=121 E_TIMEOUT=124

say() { printf 'lab: %s\n' "$*" >&2; }
die() { say "$*"; exit "$E_SETUP"; }

need_root() { [ "$(id -u)" = 0 ] || die "must run as root"; }

# alone COMMAND...: one run at a time, for what all of them share in the cache
alone() { { flock 4 && "$@"; } 4>"$CACHE/.lock"; }

# root_dir NAME: the tree of a host root, which must have been made before
root_dir() {
	local dir=$CACHE/roots/$1
	[ -e "$dir.stamp" ] || die "no host root '$1': run scripts/lab/roots first"
	echo "$dir"
}

# root_kernel DIR: release of the newest kernel in a root
root_kernel() {
	local k
	k=$(cd "$1/boot" && printf '%s\n' vmlinuz-* | sort -V | tail -n1)
	[ -e "$1/boot/$k" ] || die "no kernel in $1"
	echo "${k#vmlinuz-}"
}

# guest_dir NAME: the guest for a host root; kernels that find bugs are made
# from trixie and run its guest, which is not what they look at
guest_dir() {
	local dir=$CACHE/guest/$1
	[ -d "$dir" ] || dir=$CACHE/guest/trixie
	echo "$dir"
}

# in_root DIR COMMAND...: run in a chroot with /proc, /sys and /dev; nothing
# stays mounted. Each line of $BINDS, "from to", is mounted there too.
in_root() {
	local dir=$1
	local -x BINDS=${BINDS:-}
	shift
	${EXEC:-} unshare -m --propagation private bash -c '
		set -e
		dir=$1; shift
		mount -t proc proc "$dir/proc"
		mount --rbind /sys "$dir/sys"
		mount --rbind /dev "$dir/dev"
		while read -r from to; do
			[ -n "$from" ] || continue
			mkdir -p "$dir/$to"
			mount --bind "$from" "$dir/$to"
		done <<<"$BINDS"
		exec chroot "$dir" /usr/bin/env -i HOME=/root LC_ALL=C.UTF-8 \
			PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
	' in_root "$dir" "$@"
}
