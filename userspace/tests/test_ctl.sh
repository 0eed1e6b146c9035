#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# vmmigctl from the outside, against a played module (fake_nl.c).
# Usage: test_ctl.sh PROGRAM
#
# shellcheck disable=SC2016,SC2034,SC2317	# eval of check() expands and uses

ctl=$1
man=$(dirname "$0")/../man/vmmigctl.8
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
count=0
bad=0

check() {	# TEXT, then a command that must succeed
	text=$1
	shift
	count=$((count + 1))
	if "$@" >/dev/null 2>&1; then
		echo "ok $count - $text"
	else
		bad=1
		echo "not ok $count - $text"
		sed 's/^/# /' "$dir/out" "$dir/err"
	fi
}

run() {		# how it goes, then arguments; leaves out, err, rc
	VMMIG_FAKE=$1
	export VMMIG_FAKE
	shift
	timeout 20 "$ctl" "$@" >"$dir/out" 2>"$dir/err"
	rc=$?
}

out() { grep -q -e "$1" "$dir/out"; }
err() { grep -q -e "$1" "$dir/err"; }
is() { [ "$rc" = "$1" ]; }
lines() { [ "$(wc -l <"$dir/$1")" = "$2" ]; }

# Commands, options, exit codes
run good
check "no command: help and exit code 2" eval 'is 2 && err ^Usage:'
run good frob
check "unknown command names those that exist" eval 'is 2 && err finalize'
run good send --frob x y
check "unknown option names those that exist" eval 'is 2 && err "[-]-rate-limit"'
run good help send
check "help of a command" eval 'is 0 && out "[-]-rate-limit RATE"'
run good send --help
check "--help of a command is the same" eval 'is 0 && out "[-]-rate-limit RATE"'
run good send --ram r=/a --pid 1 --vm-fd 0 h 1
check "--pid and --vm-fd together" is 2
run good send h 1
check "no RAM block" eval 'is 2 && err "use --ram"'
run good receive --token-file /dev/null --ram r=/a
check "bad token file: exit code 1" is 1
run denied cancel 7
check "no permission: exit code 5" is 5
run good cancel 8
check "unknown session: exit code 1" eval 'is 1 && err "session 8:"'
run good throttle 7 1gbit
check "throttle" eval 'is 0 && err "rate 125000000"'
run good throttle 7 none
check "throttle off" eval 'is 0 && err "rate 0$"'
run good throttle 7 fast
check "throttle with a bad rate" is 2

# The man page is written by hand, the help is not.
documented() {
	for opt in $("$ctl" help "$1" | sed -n 's/^  --\([a-z-]*\).*/\1/p'); do
		grep -q -e "Fl -$opt" "$man" || return 1
	done
	grep -q -e "^\.It Cm $1" "$man"
}
for cmd in $("$ctl" help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'); do
	check "man page has all of $cmd" documented "$cmd"
done

# Status
run good status
check "table of sessions" eval 'is 0 && lines out 3 && out "7  source .* 25%"'
run none status
check "no sessions" eval 'is 0 && out "no sessions"'
run none --json status
check "no sessions, JSON" eval 'is 0 && [ "$(cat "$dir/out")" = "[]" ]'
run good status 7
check "one session, every counter" eval 'is 0 && out fallback-chunks && out "rate-limit  *100 MiB/s"'
run good status 9
check "status of an unknown session" is 1
run good --json status 7
check "JSON quotes texts" eval 'out "\"name\": *\"vm \\\\\"1\\\\\"\""'
if command -v python3 >/dev/null; then
	check "JSON of one session is valid" python3 -m json.tool "$dir/out"
	run good status --json
	check "JSON of all sessions is valid" python3 -m json.tool "$dir/out"
fi

# Follow
run good monitor 7 --until-end
check "monitor until the end" eval 'is 0 && out ": done, " && ! out "session 8"'
run failed monitor 7 --until-end
check "failed session: exit code 3 and its reason" eval 'is 3 && err "peer went away"'
run cancelled monitor 7 --until-end
check "cancelled session: exit code 4" is 4
run lost monitor 7 --until-end
check "lost events are asked for" eval 'is 0 && out ": done"'
run silent monitor 7 --until-end
check "without events the state is asked for" eval 'is 0 && out ": done"'
run good monitor --until-end
check "--until-end without an id" is 2
run good --json monitor 7 --until-end
check "one JSON object per event" eval '! grep -v "^{.*}$" "$dir/out"'
check "estimate in JSON" out '"estimate":{"percent":25'
run good finalize --wait 7
check "finalize --wait" eval 'is 0 && out ": done" && out "final sync 30 ms (scan 10 ms)"'
run good finalize --hold --wait 7
check "finalize --hold --wait stops at synced" eval 'is 0 && out ": synced" && ! out ": done"'

# A source and a destination over loopback
dd if=/dev/zero of="$dir/src" bs=4096 count=4 2>/dev/null
export VMMIG_FAKE=good
"$ctl" receive --listen 127.0.0.1 --make-token "$dir/token" --streams 2 \
	--ram "a=$dir/dst,size=16K" --timeout 10 --wait --name two \
	>"$dir/r.out" 2>"$dir/r.err" &
pid=$!
tries=100
while ! grep -q listening "$dir/r.out" && [ $tries -gt 0 ]; do
	tries=$((tries - 1))
	sleep 0.05
done
port=$(sed -n 's/^listening on .* port \([0-9]*\) .*/\1/p' "$dir/r.out")
check "address is told before anybody connects" [ -n "$port" ]
check "token is there when the port is told" [ "$(stat -c %a "$dir/token")" = 600 ]
run good send --ram "a=$dir/src" --ram b=fd:9 --streams 2 --name one \
	--token-file "$dir/token" --tracking scan --rate-limit 64K --wait \
	127.0.0.1 "$port" 9<"$dir/src"
wait $pid
r_rc=$?
check "source: session and its end" eval 'is 0 && out "^session 7$" && out ": done"'
check "source: options arrive" err "start name=one vm=0 tracking=scan rate=65536"
check "source: RAM is opened for reading" eval 'err "block a ro 16384" && err "block b ro 16384"'
check "source: streams in order" eval 'err "stream 0 got 0" && err "stream 1 got 1"'
check "destination: session and its end" eval '[ $r_rc = 0 ] && grep -q ": complete" "$dir/r.out"'
check "destination: RAM is made and writable" grep -q "block a rw 16384" "$dir/r.err"
check "destination: file stays" [ -e "$dir/dst" ]

# What is left behind
run good receive --ram "a=$dir/new,size=4K" --timeout 1
check "nobody came: exit code 1, no file is left" eval 'is 1 && [ ! -e "$dir/new" ]'
# Each alone would fit
most=$(df --output=avail -B4K "$dir" | tail -n 1)
most=$((most / 10 * 6 * 4))K
run good receive --ram "a=$dir/src2,size=$most" --ram "b=$dir/new,size=$most" --timeout 1
check "no room for both: exit code 1, no file is left" eval \
	'is 1 && err "RAM block b: the file system of .* has room for" && [ ! -e "$dir/src2" ] && [ ! -e "$dir/new" ]'
"$ctl" receive --ram "a=$dir/new,size=4K" >"$dir/out" 2>"$dir/err" &
pid=$!
tries=100
while ! grep -q listening "$dir/out" && [ $tries -gt 0 ]; do
	tries=$((tries - 1))
	sleep 0.05
done
kill -TERM $pid
wait $pid 2>/dev/null
check "interrupted: no file is left" [ ! -e "$dir/new" ]
run denied send --ram "a=$dir/src" 127.0.0.1 1
check "refused connection: exit code 1" eval 'is 1 && err "connection refused"'

echo "1..$count"
exit $bad
