# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# One run of the lab: options, folders, output streams, timer. Sourced.
# shellcheck disable=SC2034  # the options are for the file that sources this one

# run_options WORD...: sets variables from options; ARGS gets the rest
run_options() {
	WORDS=("$@")		# to start again with
	while [ $# -gt 0 ]; do
		case $1 in
		--out) OUT=$(realpath -m "$2") ;;
		--mem) MEM=$2 ;;
		--smp) SMP=$2 ;;
		--timeout) TIMEOUT=$2 ;;
		--append) APPEND=$2 ;;
		--build) BUILD=1; shift; continue ;;
		--verbose) LOGLEVEL=8; shift; continue ;;
		-h | --help) sed -n '3,/^[^#]/s/^# \{0,1\}//p' "$0"; exit ;;
		-*) die "unknown option $1" ;;
		*) break ;;
		esac
		shift 2 || die "an option lacks its value"
	done
	ARGS=("$@")
}

# run_begin: fresh output folder and a private one that vanishes at the end
run_begin() {
	mkdir -p "$OUT" "$CACHE/tmp"
	exec 6>"$OUT.lock"
	flock -n 6 || die "another run writes to $OUT; use --out"
	find "$OUT" -mindepth 1 -delete
	RUN=$(mktemp -d "$CACHE/tmp/run.XXXXXX")
	trap run_end EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
}

run_end() {
	local p
	touch "$RUN/over"
	[ -z "${SLEEP:-}" ] || kill "$SLEEP" 2>/dev/null || true
	for p in "$RUN"/*/pid; do
		[ ! -e "$p" ] || { kill -9 "$(cat "$p")" && wait "$(cat "$p")"; } 2>/dev/null || true
	done
	rm -rf "$RUN"
}

# run_command FILE WORD...: write the command as a script
run_command() {
	local file=$1
	shift
	{
		echo 'PATH=/vmmig/scripts/lab/guest:/vmmig-build/userspace/build:/vmmig-build/userspace:$PATH'
		if [ $# = 1 ]; then printf '%s\n' "$1"; else printf '%q ' "$@"; fi
	} >"$file"
}

# run_stream DIR: pass on what comes out of the host while it runs
run_stream() {
	mkfifo "$1/out" "$1/err"
	cat "$1/out" 6>&- &
	STREAMS=($!)
	cat "$1/err" >&2 6>&- &
	STREAMS+=($!)
	# Held open, so that the readers start at once and do not end before
	# run_flush, whether or not the emulator ever opens its end
	exec 7<>"$1/out" 8<>"$1/err"
}

# run_flush: waits until all output was passed on
run_flush() {
	exec 7>&- 8>&-
	wait "${STREAMS[@]}" || true
}

# run_timer DIR...: ends the emulators when the time is over
run_timer() {
	local d
	{
		exec sleep "$TIMEOUT"
	} </dev/null >/dev/null 2>&1 6>&- 7>&- 8>&- &
	SLEEP=$!
	{
		# tail --pid ends when sleep has, or when run_end killed it
		tail --pid="$SLEEP" -f /dev/null
		[ -d "$RUN" ] && [ ! -e "$RUN/over" ] || exit 0
		for d; do
			host_sleeps "$d" || touch "$d/timeout"
		done
		for d; do kill -9 "$(cat "$d/pid")"; done
	} </dev/null >/dev/null 2>&1 6>&- 7>&- 8>&- &
}
