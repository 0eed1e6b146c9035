// SPDX-License-Identifier: GPL-2.0
/* The plan: what the destination shall make, from the VM and the options. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "migration.h"
#include "virtq.h"

#define COMMIT_TIMEOUT_MS	60000
/* What the kernel's session can be called */
#define NAME_MAX_LEN		63

static bool has_text(const struct strv *args, const char *text)
{
	for (size_t i = 1; i < args->n; i++)
		if (strstr(args->v[i], text))
			return true;
	return false;
}

/* --dest-qmp is a replacement of the path by which we know the source. */
static int order_qmp(struct migration *m, struct cmdline_pair *pair,
		     struct vmmig_error *err)
{
	char *real = realpath(m->o->qmp, NULL);
	const char *path = m->o->qmp;

	if (!has_text(&m->vm.args, path) && real)
		path = real;
	if (!has_text(&m->vm.args, path)) {
		free(real);
		return vmmig_fail(err, -ENOENT,
				  "--dest-qmp: QEMU's command line does not name %s; use --dest-replace",
				  m->o->qmp);
	}
	pair->from = xstrdup(path);
	pair->to = xstrdup(m->o->dest_qmp);
	free(real);
	return 0;
}

static int order_argv(struct migration *m, struct vmmig_error *err)
{
	const struct options *o = m->o;
	struct cmdline_pair pairs[OPTIONS_PAIRS + 1] = { 0 };
	struct cmdline_rules rules = {
		.machine = m->vm.machine,
		.replace = pairs,
		.ram = o->ram,
		.nr_ram = o->nr_ram,
		.add = &o->add,
	};
	struct cmdline_pair qmp = { 0 };
	int ret = 0;

	if (o->dest_qmp) {
		ret = order_qmp(m, &qmp, err);
		if (ret)
			return ret;
		pairs[rules.nr_replace++] = qmp;
	}
	for (size_t i = 0; i < o->nr_replace; i++)
		pairs[rules.nr_replace++] = o->replace[i];
	ret = cmdline_rewrite(&m->vm.args, &rules, &m->plan.argv, err);
	if (!ret && o->dest_qemu)
		strv_set(&m->plan.argv, 0, o->dest_qemu);
	free(qmp.from);
	free(qmp.to);
	return ret;
}

/* The file that the destination's QEMU is told to map. */
static char *order_ram_path(struct migration *m, const struct vm_block *b)
{
	char *path = cmdline_object_get(&m->plan.argv, b->id, "mem-path");

	return path ? path : xstrdup(b->path ? b->path : "");
}

static char *copy(const char *text)
{
	return text ? xstrdup(text) : NULL;
}

int order_make(struct migration *m, bool check, struct vmmig_error *err)
{
	const struct options *o = m->o;
	struct plan *p = &m->plan;
	int ret;

	memset(p, 0, sizeof(*p));
	p->check = check;
	p->name = copy(o->name ? o->name : m->vm.name);
	if (p->name && strlen(p->name) > NAME_MAX_LEN)
		p->name[NAME_MAX_LEN] = '\0';
	ret = order_argv(m, err);
	if (ret)
		return ret;
	if (!o->dest_qemu)
		p->exe = copy(m->vm.exe);
	p->cwd = copy(o->dest_cwd ? o->dest_cwd : m->vm.cwd);
	p->user = copy(o->dest_user ? o->dest_user : m->vm.user);
	p->qemu_version = xasprintf("%d.%d.%d", m->qmp.version[0],
				    m->qmp.version[1], m->qmp.version[2]);
	p->machine = xstrdup(m->vm.machine ? m->vm.machine : "?");
	p->queues = check ? NULL : virtq_sizes(&m->qmp);
	for (unsigned int i = 0; i < m->vm.nr_blocks; i++) {
		const struct vm_block *b = &m->vm.block[i];

		p->block[i].id = xstrdup(b->id);
		p->block[i].size = b->size;
		p->block[i].path = order_ram_path(m, b);
		p->nr_blocks++;
	}
	p->used = vm_ram_used(&m->vm);
	p->streams = o->streams;
	p->listen = copy(o->dest_listen);
	p->port = xstrdup(o->dest_port);
	p->log = copy(o->dest_log);
	p->fail_at = copy(o->dest_fail_at);
	p->commit_timeout_ms = COMMIT_TIMEOUT_MS;
	return vmmig_token_make(p->token, err);
}
