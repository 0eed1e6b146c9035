/* SPDX-License-Identifier: GPL-2.0 */
/* kselftest's harness, with the patience that emulated hosts need. */
#ifndef VMMIG_TEST_HARNESS_H
#define VMMIG_TEST_HARNESS_H

#include "kselftest_harness.h"

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	120

#endif /* VMMIG_TEST_HARNESS_H */
