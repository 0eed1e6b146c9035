#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Promise: the YAML spec is the truth: the kernel's own YNL command line can
# talk to the module by it. (That the generated files come from it unchanged is
# a matter of lint, see scripts/check.d/suites.sh.)
# Catches: a spec that the kernel's tools do not understand, attributes that
# differ from it.
cd "$(dirname "$0")" || exit
# shellcheck source=lib.sh
. ./lib.sh
need python3

LINUX=${VMMIG_LINUX:-/vmmig-linux}
SPEC=$TOP/Documentation/netlink/specs/vmmig.yaml
[ -e "$LINUX/tools/net/ynl/cli.py" ] || skip_all "no YNL tools"

ynl() { PYTHONPYCACHEPREFIX=$WORK/pycache python3 "$LINUX/tools/net/ynl/cli.py" --spec "$WORK/tree/$SPEC_IN" "$@"; }

# Emulated, the schema takes longer than all else; once is enough
quick() { ynl --no-schema "$@"; }

# YNL looks for the schema beside the spec
SPEC_IN=Documentation/netlink/specs/vmmig.yaml
make_tree() {
	mkdir -p "$WORK/tree/Documentation/netlink/specs" &&
		cp "$LINUX"/Documentation/netlink/*.yaml "$WORK/tree/Documentation/netlink/" &&
		cp "$SPEC" "$WORK/tree/$SPEC_IN"
}

answers() {
	local out
	out=$(ynl --do session-get --json "{\"id\": $SRC}") || return
	echo "$out" | sed 's/^/# /' | head -n 3
	[[ $out = *"'state': 'bulk'"* || $out = *"'state': 'iterating'"* ]] && [[ $out = *pages-data* && $out = *"'rate-limit': 1048576"* ]]
}

sets() {
	quick --do session-set --json "{\"id\": $SRC, \"rate-limit\": 3000000}" >/dev/null &&
		vmmigctl --json status "$SRC" | grep -Eq '"rate-limit": ?3000000\b'
}

cancels() {
	quick --do session-cancel --json "{\"id\": $SRC}" >/dev/null && until_ok 5 ended "$SRC" &&
		quick --do session-cancel --json "{\"id\": $SRC}" 2>&1 | grep -q "the session has ended"
}

ktap_print_header
ktap_set_plan 5
log_mark
make_tree || skip_all "cannot make a tree for YNL"
load
random_file a 16
check "a session to talk about" move a --rate-limit 1M --name ynl
check "do session-get" answers
check "dump session-get" eval 'quick --dump session-get | grep -q "ynl"'
check "do session-set" sets
check "do session-cancel, and its refusal in words" cancels
ktap_finished
