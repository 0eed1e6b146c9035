# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Run suites, read their KTAP, count. Sourced by scripts/check.

ALL_PASSED=0 ALL_FAILED=0 ALL_SKIPPED=0 SUMMARY=()

# Reads KTAP or TAP. Results of kselftest's runner are nested: "# ok 1 name"
# inside of "ok 1 selftests: vmmig: program". Prints "passed failed skipped",
# then a line for each failure, with the comments before it, and each skip. What
# a plan announces and never came has failed.
tally() {
	awk '
	function result(line, where,	name) {
		name = line
		sub(/^(not )?ok [0-9]+ (- )?/, "", name)
		name = where == "" ? name : where ": " name
		if (line ~ /^not ok/) { bad++; inner_bad++; say = say "FAILED  " name "\n" comments() }
		else if (line ~ /# *SKIP/) { skip++; say = say "skipped " name "\n" }
		else good++
		seen++
		told = 0
	}
	function comments(	i, text) {
		for (i = told > 12 ? told - 12 : 0; i < told; i++)
			text = text "  | " substr(tell[i % 12], 1, 300) "\n"
		return text
	}
	function close_plan(where) {
		if (plan > seen) {
			bad += plan - seen; inner_bad += plan - seen
			say = say "FAILED  " where ": " plan - seen " of " plan " tests never ended\n"
		}
		plan = seen = 0
	}
	/^# selftests: / { inner = $0; sub(/.*: /, "", inner); inner_bad = 0; plan = seen = 0; next }
	/^# *1\.\.[0-9]+/ && inner != "" { n = $0; sub(/.*\.\./, "", n); plan += n; next }
	/^# (not )?ok [0-9]/ && inner != "" { sub(/^# /, ""); result($0, inner); next }
	/^(not )?ok [0-9]+ selftests: / {
		close_plan(inner); programs_seen++
		if ($0 ~ /^not ok/ && !inner_bad) {
			bad++; say = say "FAILED  " $0 "\n"
		} else if ($0 ~ /# SKIP/) { skip++; say = say "skipped " inner "\n" }
		inner = ""; next
	}
	/^1\.\.[0-9]+/ { n = $1; sub(/.*\.\./, "", n); top_plan += n; next }
	/^(not )?ok [0-9]/ { sub(/\r$/, ""); result($0, ""); top_seen++; next }
	/^#/ { tell[told++ % 12] = $0; next }
	/^Bail out!/ { bad++; say = say "FAILED  " $0 "\n" }
	END {
		if (inner != "") close_plan(inner)
		if (programs_seen || inner != "") missing = top_plan - programs_seen
		else missing = top_plan - top_seen
		if (missing > 0) { bad += missing; say = say "FAILED  " missing " announced results never came\n" }
		printf "%d %d %d\n%s", good, bad, skip, say
	}' "$1"
}

# console_of LOG: of the host that died in a suite
console_of() { sed -n 's/.*its console is //p' "$1" | tail -n 1; }

# died_without_us LOG: of a suite whose host died
died_without_us() {
	local console
	# What failed before stays a failure
	! grep '^not ok' "$1" | grep -qv '^not ok 0 ' || return
	console=$(console_of "$1")
	grep -q 'died: emulator ended' "$1" && ! grep -q 'Kernel panic' "$1" && return
	[ -n "$console" ] || return
	grep -aA3 'Kernel panic' "$console" | grep -aq 'Not tainted' && return
	# What no module can do: a breakpoint of the kernel's own patching that its
	# handler does not know; and what emulated SVM does to the stack of a vCPU
	# now and then. Not if a function of ours is anywhere near
	! grep -aq '\[vmmig\]' "$console" &&
		grep -aqE 'Oops: int3|Kernel panic.*corrupted stack end detected inside scheduler' "$console"
}

# platforms_fault LOG: was that what the first test failed for, see the function
# of that name in selftests/vm/lib.sh? A test that passed at its second try may
# have said it too. Of each run, if there were several at once, that failed.
platforms_fault() {
	awk '/^# run [0-9]+ of / { failed = 0; fault = 0 }
		/^#.*: the platform.s fault$/ { fault = 1 }
		/^ok / && !failed { fault = 0 }
		/^not ok / && !failed { failed = 1; if (fault) excused = 1; else real = 1 }
		END { exit !(excused && !real) }' "$1"
}

# run_suite NAME: its function writes KTAP; that it fails counts once more only
# if no test of it did
run_suite() {
	local suite=$1 log=$LOGS/$1.log start=$SECONDS rc again repeated console counts good bad skipped arg=''
	case $suite in *-*) arg=${suite#*-} ;; esac
	echo "== $suite"
	for again in yes ''; do
		rc=0
		(SUITE=$suite "suite_${suite%%-*}" "$arg") >"$log" 2>&1 5>&- || rc=$?
		# Emulated hosts fail now and then: their emulator ends without a word,
		# they panic before the module was ever loaded ("Not tainted") or in
		# two ways of their own, or a guest stands still or is ended by what its
		# emulator did. It is said, and tried once more
		{ [ "$rc" = "$E_DIED" ] && died_without_us "$log"; } || platforms_fault "$log" || break
		[ "$again" ] || break
		echo "   the emulator of a lab host, or KVM, failed, no verdict; '$suite' runs once more (first log: $log.died)"
		console=$(console_of "$log")
		[ ! -f "$console" ] || cp "$console" "$log.died.console"
		mv "$log" "$log.died"
	done
	counts=$(tally "$log")
	read -r good bad skipped <<<"$counts"
	if [ "$rc" = "$E_DIED" ]; then
		bad=$((bad + 1)) counts+=$'\n'"FAILED  $suite: $(sed -n 's/^lab: //p' "$log" | tail -n 1); what comes after was not tested"
	elif [ "$rc" = "$E_TIMEOUT" ]; then
		bad=$((bad + 1)) counts+=$'\n'"FAILED  $suite: time out"
	elif [ "$rc" != 0 ] && [ "$bad" = 0 ]; then
		bad=1 counts+=$'\n'"FAILED  $suite: ended with exit code $rc"
	elif [ "$((good + bad + skipped))" = 0 ]; then
		bad=1 counts+=$'\n'"FAILED  $suite: no test ran"
	fi
	tail -n +2 <<<"$counts" | sed '/^$/d; s/^/   /'
	repeated=$(grep -c '^# once more$' "$log")
	[ "$repeated" = 0 ] || echo "   guests started anew, or tests repeated, for the emulator: $repeated"
	[ "$bad" = 0 ] || echo "   log: $log"
	# shellcheck disable=SC2034  # for the loop in check
	SUITE_FAILED=$bad
	ALL_PASSED=$((ALL_PASSED + good)) ALL_FAILED=$((ALL_FAILED + bad))
	ALL_SKIPPED=$((ALL_SKIPPED + skipped))
	SUMMARY+=("$(printf '%-18s %4d passed %4d failed %4d skipped %5d s' \
		"$suite" "$good" "$bad" "$skipped" "$((SECONDS - start))")")
	echo "${SUMMARY[-1]}"
}

# The end: a table, and the line that others look for
report() {
	printf '\n== summary, %d s\n' "$SECONDS"
	printf '%s\n' "${SUMMARY[@]}"
	echo
	if [ "$ALL_SKIPPED" != 0 ]; then
		echo "$ALL_PASSED passed, $ALL_FAILED failed, $ALL_SKIPPED skipped"
	else
		echo "$ALL_PASSED passed, $ALL_FAILED failed"
	fi
	[ "$ALL_FAILED" = 0 ]
}

STEP=0
# step TEXT COMMAND...: one result of a suite; what it prints becomes comments
step() {
	local text=$1 out rc=0
	shift
	STEP=$((STEP + 1))
	out=$("$@" 2>&1) || rc=$?
	[ -z "$out" ] || sed 's/^/# /' <<<"$out"
	if [ "$rc" = 0 ]; then echo "ok $STEP $text"; else echo "not ok $STEP $text"; fi
	return "$rc"
}

step_skip() {
	STEP=$((STEP + 1))
	echo "ok $STEP $1 # SKIP $2"
}
