/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What differs between the supported kernels, and nothing else.
 * Feature tests come before version tests.
 */
#ifndef VMMIG_COMPAT_H
#define VMMIG_COMPAT_H

#include <linux/mm.h>
#include <linux/mm_types.h>
#include <linux/version.h>

/* <linux/pagevec.h> got its name from what it holds. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 3, 0)
#include <linux/folio_batch.h>
#else
#include <linux/pagevec.h>
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
#error "vmmig needs Linux 6.12 or newer"
#endif
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 4, 0)
#error "vmmig was not tried with kernels newer than 7.3, see Documentation/kernel-support.rst"
#endif
#ifndef CONFIG_X86_64
#error "vmmig supports x86-64 only"
#endif
#ifndef CONFIG_MAPPING_DIRTY_HELPERS
#error "vmmig needs CONFIG_MAPPING_DIRTY_HELPERS (selected by CONFIG_DRM_VMWGFX)"
#endif

/**
 * vmmig_mm_owner - a task of an address space, for messages
 * @mm: the address space
 *
 * Context: under rcu_read_lock().
 * Return: the task, or NULL if the kernel does not know.
 */
static inline struct task_struct *vmmig_mm_owner(struct mm_struct *mm)
{
#ifdef CONFIG_MEMCG
	return rcu_dereference(mm->owner);
#else
	return NULL;
#endif
}

#endif /* VMMIG_COMPAT_H */
