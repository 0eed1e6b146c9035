# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Kernels and small initramfs images out of a host root. Sourced, not run.

# make_initrd ROOT KERNEL INIT OUTPUT "MODULE..." [FILE...]: busybox, INIT as
# /init, the modules with what they need in load order (/modules), and FILEs
# in /bin. Kept while nothing in it is newer than OUTPUT.
make_initrd() {
	local root=$1 kernel=$2 init=$3 out=$4 modules=$5 f fresh=1 dir needed
	shift 5
	for f in "$init" "$root.stamp" "$LAB/mkinitrd.sh" "$@"; do
		[ "$out" -nt "$f" ] || fresh=
	done
	[ -n "$fresh" ] && return
	mkdir -p "${out%/*}"
	dir=$(mktemp -d "${out%/*}/initrd.XXXXXX")
	mkdir -p "$dir"/{bin,dev,proc,sys,root,lower,over,modules}
	install -m 755 "$root/usr/bin/busybox" "$dir/bin/busybox"
	install -m 755 "$init" "$dir/init"
	for f; do install -m 755 "$f" "$dir/bin/"; done
	needed=$(for f in $modules; do
		in_root "$root" modprobe -S "$kernel" --show-depends "$f" || exit
	done) || die "Linux $kernel in $root lacks a module"
	awk '$1 == "insmod" && !seen[$2]++ { print $2 }' <<<"$needed" >"$dir/modules/list"
	while read -r f; do
		case $f in
		*.xz) xz -dc "$root$f" >"$dir/modules/$(basename "$f" .xz)" ;;
		*) cp "$root$f" "$dir/modules/" ;;
		esac
	done <"$dir/modules/list"
	sed -i 's,.*/,,; s/\.xz$//' "$dir/modules/list"
	BINDS="$dir lab" in_root "$root" sh -c \
		'cd /lab && find . | busybox cpio -o -H newc 2>/dev/null' >"$out.new"
	mv "$out.new" "$out"
	rm -rf "$dir"
}

# unpack_kernel KERNEL OUTPUT: an emulated machine takes seconds to unpack its
# kernel by itself. Debian packs with xz; anything else is taken as it is.
unpack_kernel() {
	[ "$2" -nt "$1" ] && return
	mkdir -p "${2%/*}"
	in_root "$(root_dir trixie)" python3 -c '
import lzma, sys
data = sys.stdin.buffer.read()
data = lzma.LZMADecompressor().decompress(data[data.index(b"\xfd7zXZ\0"):])
assert data.startswith(b"\x7fELF")
sys.stdout.buffer.write(data)' <"$1" >"$2.new" 2>/dev/null || cp "$1" "$2.new"
	mv "$2.new" "$2"
}
