# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# What the tests in shell share. Sourced by them; a test counts with ok and not_ok.
#
# KTAP comes from kselftest's own helpers. Nothing here sleeps for a fixed
# time: until_ok polls with a deadline.

KSFT_LIB=${KSFT_LIB:-/vmmig-linux/tools/testing/selftests}
BUILD=${VMMIG_BUILD:-/vmmig-build}
# shellcheck disable=SC2034  # for the tests
TOP=${VMMIG_TOP:-/vmmig}
# shellcheck disable=SC2034
MODULE=$BUILD/vmmig.ko
PATH=$BUILD/userspace/build:$PATH

# shellcheck source=/dev/null
. "$KSFT_LIB/kselftest/ktap_helpers.sh"

WORK=$(mktemp -d /dev/shm/vmmig-test.XXXXXX)
cleanup() { :; }	# a test may have one of its own
at_exit() { cleanup; rm -rf "$WORK"; }
trap at_exit EXIT

# The same words as in the programs
LOG_BAD=$(sed -n 's/^"\(.*\)",$/\1/p' "$TOP/selftests/log_words.h" | paste -sd'|')

# log_bad: complaints in the kernel log since the last log_mark
log_mark() { LOG_LINES=$(dmesg | wc -l); }
log_bad() { dmesg | tail -n "+$((LOG_LINES + 1))" | grep -E "$LOG_BAD"; }

# A kernel that watches itself, emulated, needs ten times as long for a program
SLOW=1
[ ! -e /sys/kernel/debug/kmemleak ] || SLOW=10

# until_ok SECONDS COMMAND...: true as soon as the command is
until_ok() {
	local end=$((SECONDS + $1 * SLOW))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		read -r -t 0.03 <> <(:) || true
	done
}

# check TEXT COMMAND...: counts as passed if the command succeeds
check() {
	local text=$1
	shift
	if "$@"; then ktap_test_pass "$text"; else ktap_test_fail "$text"; fi
}

skip_all() {
	ktap_skip_all "$@"
	exit "$KSFT_SKIP"
}

# quiet_log TEXT: the kernel had nothing to say
quiet_log() {
	local bad
	bad=$(log_bad) || { ktap_test_pass "$1"; return; }
	printf '# %s\n' "$bad"
	ktap_test_fail "$1"
}

need() {
	local c
	for c; do command -v "$c" >/dev/null || skip_all "no $c"; done
}

module_in() { [ -e /sys/module/vmmig ]; }
load() { module_in || insmod "$MODULE"; }
# The last session may still be giving back what it holds
unload() { ! module_in || until_ok 5 rmmod vmmig 2>/dev/null; }

# field NAME ID: one value of a session's status
state_of() { vmmigctl status "$1" 2>/dev/null | sed -n 's/^ *state  *//p'; }
is_in() { [[ " $2 " = *" $(state_of "$1") "* ]]; }
ended() { is_in "$1" "done complete failed cancelled"; }

# move NAME: starts a move of $WORK/NAME.src to $WORK/NAME.dst on loopback,
# sets SRC, DST. Words after it are options of send. $IN: how to get to a netns
move() {
	local name=$1 size
	shift
	size=$(stat -c %s "$WORK/$name.src")
	rm -f "$WORK/$name.dst"
	${IN:-} vmmigctl receive --listen "${ADDR:-127.0.0.1}" --timeout "$((10 * SLOW))" \
		--ram "ram=$WORK/$name.dst,size=$size" >"$WORK/$name.rx" 2>&1 &
	until_ok 5 grep -q listening "$WORK/$name.rx" || { cat "$WORK/$name.rx"; return 1; }
	SRC=$(${FROM:-${IN:-}} vmmigctl send "$@" --ram "ram=$WORK/$name.src" "${ADDR:-127.0.0.1}" \
		"$(sed -n 's/.* port \([0-9]*\) .*/\1/p' "$WORK/$name.rx")" | sed -n 's/^session //p')
	wait $!
	# shellcheck disable=SC2034
	DST=$(sed -n 's/^session //p' "$WORK/$name.rx")
	[ -n "$SRC" ] && [ -n "$DST" ]
}

# random_file NAME MIB
random_file() { head -c "$(($2 << 20))" /dev/urandom >"$WORK/$1.src"; }
