#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Prints what the kernel has allocated and nobody owns any more; fails if there is
# such a thing, or if kmemleak cannot look. For debug kernels.

LEAKS=/sys/kernel/debug/kmemleak

# An object counts as lost when it is older than 5 s and two scans missed it. No
# scan is possible where kmemleak has given up, for want of memory
echo scan >"$LEAKS" && sleep 6 && echo scan >"$LEAKS" && sleep 6 && echo scan >"$LEAKS" || exit
found=$(head -n 60 "$LEAKS") || exit
[ -z "$found" ] || { echo "$found"; exit 1; }
