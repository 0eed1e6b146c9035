// SPDX-License-Identifier: GPL-2.0
/* Module init and exit, in order. */

#include <linux/module.h>
#include <net/genetlink.h>

#define CREATE_TRACE_POINTS
#include "trace.h"

#include "netlink-gen.h"
#include "observer.h"
#include "session.h"

static int __init vmmig_init(void)
{
	int err;

	err = vmmig_registry_init();
	if (err)
		return err;
	err = vmmig_session_init();
	if (err)
		goto exit_registry;
	err = vmmig_observer_init();
	if (err)
		goto exit_session;
	/* Last: from here on requests come. */
	err = genl_register_family(&vmmig_nl_family);
	if (err)
		goto exit_observer;
	return 0;

exit_observer:
	vmmig_observer_exit();
exit_session:
	vmmig_session_exit();
exit_registry:
	vmmig_registry_exit();
	return err;
}

/* Not called while a session runs: each holds a reference on the module. */
static void __exit vmmig_exit(void)
{
	genl_unregister_family(&vmmig_nl_family);
	vmmig_observer_exit();
	vmmig_session_exit();
	vmmig_registry_exit();
}

module_init(vmmig_init);
module_exit(vmmig_exit);

MODULE_AUTHOR("The vmmig developers");
MODULE_DESCRIPTION("Live migration of KVM guests, RAM from kernel to kernel");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1.0");
MODULE_ALIAS_GENL_FAMILY("vmmig");
