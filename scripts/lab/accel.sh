# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Emulated or real CPUs for the hosts. Sourced.

# hardware_kvm: only where a host in it could run guests again
hardware_kvm() {
	local nested
	nested=$(cat /sys/module/kvm_{amd,intel}/parameters/nested 2>/dev/null)
	grep -qwE 'svm|vmx' /proc/cpuinfo && [ -w /dev/kvm ] && [[ $nested = [Y1]* ]]
}
