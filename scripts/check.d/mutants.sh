# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Tests that can fail: the module with one fix taken out each (selftests/mutants/list.sh),
# and for each of them a test that notices. Sourced by scripts/check.

MUTANTS=$CACHE/build/trixie/mutants
# The tree that they are built in, once complete, then what was edited
MUTANT_TREE=$CACHE/mutants

mutant_build() {
	BINDS="$MUTANT_TREE vmmig-build" in_root "$(root_dir trixie)" \
		make -s -C /vmmig-build -j2 KDIR="/lib/modules/$(root_kernel "$(root_dir trixie)")/build" modules
}

# The mutant is what was said of it since mutant(): build it, and put the source back
mutant_end() {
	local f
	[ "$MUTANT" ] || return 0
	step "$MUTANT: builds" mutant_build &&
		cp "$MUTANT_TREE/vmmig.ko" "$MUTANTS/$MUTANT.ko" && echo "$MUTANT $MUTANT_TEST" >>"$MUTANTS/list"
	for f in "${EDITED[@]}"; do cp "$TOP/$f" "$MUTANT_TREE/$f"; done
	EDITED=()
}

mutant() {	# NAME HOLES PROGRAM TEST
	mutant_end
	MUTANT=$1 MUTANT_TEST="$3 $4"
}

edit() {	# FILE OLD NEW
	local text new
	text=$(<"$MUTANT_TREE/$1")
	new=${text/"$2"/"$3"}
	step "$MUTANT: what it changes is in $1" [ "$new" != "$text" ]
	printf '%s\n' "$new" >"$MUTANT_TREE/$1"
	EDITED+=("$1")
}

suite_mutants() {
	local MUTANT='' MUTANT_TEST='' EDITED=()
	[ -e "$CACHE/build/trixie/ksft" ] || build_tests trixie >/dev/null || return
	rm -rf "$MUTANTS" "$MUTANT_TREE"
	cp -a "$CACHE/build/trixie" "$MUTANT_TREE"
	mkdir -p "$MUTANTS"
	# shellcheck source=../../selftests/mutants/list.sh
	. "$TOP/selftests/mutants/list.sh"
	mutant_end
	echo "1..$STEP"
	"$LAB/host" --out "$CACHE/out/$SUITE" --timeout 900 trixie -- \
		env VMMIG_BUILD=/vmmig-build /vmmig/selftests/mutants/run /vmmig-build/mutants
}
