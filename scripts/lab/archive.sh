# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# The Debian archive that this machine uses, and the kernel's source from it.
# Sourced.

SOURCE_PACKAGE=linux-source-6.12

apt_ready() {
	[ -n "${apt_done:-}" ] && return
	apt-get update -q=2 >&2 || say "apt-get update failed; going on with the old lists"
	apt_done=1
}

install_tools() {
	local missing=() p
	for p in mmdebstrap debian-archive-keyring util-linux iproute2 xz-utils; do
		dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing+=("$p")
	done
	[ ${#missing[@]} = 0 ] && return
	apt_ready
	say "installing ${missing[*]}"
	DEBIAN_FRONTEND=noninteractive apt-get install -y -q=2 --no-install-recommends \
		"${missing[@]}" >&2 </dev/null || die "cannot install ${missing[*]}"
}

# The Debian archive that this machine itself uses
mirror() {
	local ask
	ask='$(LABEL)|$(COMPONENT)|$(REPO_URI)'
	if [ -n "${VMMIG_MIRROR:-}" ]; then
		echo "$VMMIG_MIRROR"
		return
	fi
	apt-get indextargets --format "$ask" 'Created-By: Packages' |
		sed -n 's/^Debian|main|//p' | head -n1
}

# find_mirror: sets MIRROR
find_mirror() {
	MIRROR=$(mirror)
	if [ -z "$MIRROR" ]; then
		apt_ready
		MIRROR=$(mirror)
	fi
	[ -n "$MIRROR" ] || die "no Debian archive in the apt configuration; set VMMIG_MIRROR"
}

# source_unpack DIR LOG [PART...]: the kernel's source, or parts of it
source_unpack() {
	local dir=$1 log=$2 tmp=$1/.deb rc=0
	shift 2
	mkdir -p "$tmp"
	# A tree with nothing in it: mmdebstrap only drives apt for another suite
	TMP_DEB=$tmp mmdebstrap --quiet --variant=custom --mode=root --format=null \
		--customize-hook='cd "$TMP_DEB" && APT_CONFIG=$MMDEBSTRAP_APT_CONFIG \
			apt-get -o APT::Sandbox::User=root download '"$SOURCE_PACKAGE" \
		trixie /dev/null "deb $MIRROR trixie main" >"$log" 2>&1 </dev/null || {
		tail -n 20 "$log" >&2
		die "cannot download $SOURCE_PACKAGE; the log is $log"
	}
	# A part that matches nothing is an error of tar; the caller looks itself
	dpkg-deb --fsys-tarfile "$tmp"/*.deb |
		tar -xO --wildcards './usr/src/*.tar.xz' |
		xz -dc | tar -x -C "$dir" --strip-components=1 --wildcards \
		"${@/#/linux-source-*/}" 2>>"$log" || rc=$?
	rm -rf "$tmp"
	[ $# -gt 0 ] || return "$rc"
}
