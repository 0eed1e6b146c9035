// SPDX-License-Identifier: GPL-2.0
/* The pure code of the module in userspace, one object for tests and fuzzer. */
#include "../../kmod/proto.c"
#include "../../kmod/state.c"
