# SPDX-License-Identifier: GPL-2.0
# vmmig: live migration of KVM guests, RAM streamed from kernel to kernel.
#
#   make demo               set up everything, show a VM move between two hosts
#   make check              set up everything, pass every test
#   make check-matrix       every combination of machines
#   make check-debug        the tests on kernels with KASAN, lockdep, KCSAN...
#   make check-mutants      the module with one fix taken out each is found out
#   make soak N=100         so many moves back and forth
#   make stress SEED=1 SECONDS=300   random guests, changes and pressure
#   make bench              compare with QEMU's own migration; BENCH="--quick"
#   make modules tools      build for this machine's kernel, nothing is set up
#   make install            install what was built; modules_install: the module
#
# README.md has the rest.

KDIR	?= /lib/modules/$(shell uname -r)/build
TOP	:= $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))

all: modules tools

modules:
	$(MAKE) -C $(KDIR) M=$(TOP) W=1 modules

modules_install:
	$(MAKE) -C $(KDIR) M=$(TOP) modules_install

tools:
	$(MAKE) -C $(TOP)/userspace OUT=$(TOP)/userspace/build

install: tools
	$(MAKE) -C $(TOP)/userspace OUT=$(TOP)/userspace/build install

clean:
	$(MAKE) -C $(KDIR) M=$(TOP) clean
	$(MAKE) -C $(TOP)/userspace OUT=$(TOP)/userspace/build clean

demo:
	scripts/demo

check:
	scripts/check

# All combinations of machines and hosts; N moves back and forth
check-matrix:
	scripts/check roots build vm-matrix

# Kernels with KASAN, lockdep, kmemleak and failing allocations, and with KCSAN
check-debug:
	scripts/check roots debug kernel-kasan stress-kasan kernel-kcsan

# Tests that cannot fail prove nothing
check-mutants:
	scripts/check roots build mutants

bench:
	scripts/bench $(BENCH)

soak:
	N=$(or $(N),100) scripts/check roots build soak

# Random guests, disturbances and pressure; a seed can be run again.
# Bash counts in a variable of that name
unexport SECONDS
stress:
	SEED=$(or $(SEED),1) SECONDS_EACH=$(or $(SECONDS),300) scripts/check roots build stress-$(or $(ROOT),trixie)

.PHONY: all modules modules_install tools install clean demo check bench check-matrix check-debug check-mutants soak stress
