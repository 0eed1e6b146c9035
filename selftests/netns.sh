#!/bin/bash
# shellcheck disable=SC2016  # eval of check() expands
# SPDX-License-Identifier: GPL-2.0
# Promise: sessions belong to the network namespace of their sockets, cross
# from one to another, and notice a peer that is lost.
# Catches: sessions that others see or steer, namespaces that cannot go, a
# source that waits for a dead host for ever.
cd "$(dirname "$0")" || exit
# shellcheck source=lib.sh
. ./lib.sh
need ip

cleanup() { ip netns del vma 2>/dev/null; ip netns del vmb 2>/dev/null; }

setup() {
	load && ip netns add vma && ip netns add vmb &&
		ip link add va netns vma type veth peer name vb netns vmb &&
		ip link add va2 netns vma type veth peer name vb2 netns vmb || return
	local n
	for n in a b; do
		ip -n vm$n link set lo up
		ip -n vm$n link set v$n up
		ip -n vm$n link set v${n}2 up
	done
	ip -n vma addr add 10.98.0.1/24 dev va2
	ip -n vmb addr add 10.98.0.2/24 dev vb2
	ip -n vma addr replace 10.99.0.1/24 dev va
	ip -n vmb addr flush dev vb
	ip -n vmb addr add 10.99.0.2/24 dev vb
	ip -n vmb addr add fd99::2/64 dev vb nodad
	ip -n vma addr add fd99::1/64 dev va nodad
}

a() { ip netns exec vma "$@"; }
b() { ip netns exec vmb "$@"; }
a_is_in() { [[ " $2 " = *" $(a vmmigctl status "$1" | sed -n 's/^ *state  *//p') "* ]]; }

b_has_failed() { b vmmigctl status "$1" | grep -q "state  *failed"; }

across() {
	IN=b FROM=a ADDR=$1 move x --streams 1 || return
	until_ok 5 a_is_in "$SRC" iterating && a vmmigctl finalize --wait "$SRC" >/dev/null &&
		cmp "$WORK/x.src" "$WORK/x.dst"
}

unseen() {
	! b vmmigctl status "$SRC" >/dev/null 2>&1 || [ "$SRC" = "$DST" ] || return
	[ "$(vmmigctl --json status)" != "" ] && ! vmmigctl cancel 999 2>/dev/null &&
		! a vmmigctl status | grep -q destination
}

# No packet comes back: TCP gives up after 20 s. Meanwhile the others are tried
lose() {
	IN=b FROM=a ADDR=10.98.0.2 move y --rate-limit 4M || return
	LOST_SRC=$SRC LOST_DST=$DST LOST_AT=$SECONDS
	until_ok 5 a_is_in "$SRC" bulk && ip -n vmb link set vb2 down
}

lost() {
	local reason
	until_ok 40 a_is_in "$LOST_SRC" failed && [ $((SECONDS - LOST_AT)) -le 40 ] || return
	reason=$(a vmmigctl status "$LOST_SRC" | sed -n 's/^ *reason  *//p')
	echo "# after $((SECONDS - LOST_AT)) s at most: $reason"
	[[ $reason = *"does not answer any more"* || $reason = *"sending failed"* ]] &&
		until_ok 40 b_has_failed "$LOST_DST"
}

ktap_print_header
ktap_set_plan 7
log_mark
check "two network namespaces" setup
random_file y 64
check "a link that goes down in the middle" lose
random_file x 8
check "a move from one to the other, IPv4" across 10.99.0.2
check "a move from one to the other, IPv6" across fd99::2
check "sessions of others cannot be seen" unseen
check "the link that went down has ended the session at both sides" lost
cleanup
check "namespaces with ended sessions can go" eval \
	'until_ok 5 eval "! ip netns | grep -q vm[ab]" && unload && load && ! log_bad'
ktap_finished
