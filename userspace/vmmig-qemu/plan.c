// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "plan.h"

struct json_object *plan_to_json(const struct plan *p)
{
	struct json_object *o = json_object_new_object();
	struct json_object *argv = json_object_new_array();
	struct json_object *blocks = json_object_new_array();
	char token[2 * VMMIG_TOKEN_LEN + 1];

	js_add_int(o, "protocol", PLAN_PROTOCOL);
	js_add_str(o, "vmmig", VMMIG_VERSION);
	js_add_bool(o, "check", p->check);
	js_add_str(o, "name", p->name);
	for (size_t i = 0; i < p->argv.n; i++)
		json_object_array_add(argv,
				      json_object_new_string(p->argv.v[i]));
	json_object_object_add(o, "argv", argv);
	js_add_str(o, "exe", p->exe);
	js_add_str(o, "cwd", p->cwd);
	js_add_str(o, "user", p->user);
	js_add_str(o, "qemu-version", p->qemu_version);
	js_add_str(o, "machine", p->machine);
	if (p->queues)
		json_object_object_add(o, "queues", json_object_get(p->queues));
	for (unsigned int i = 0; i < p->nr_blocks; i++) {
		struct json_object *b = json_object_new_object();

		js_add_str(b, "id", p->block[i].id);
		js_add_str(b, "path", p->block[i].path);
		js_add_int(b, "size", p->block[i].size);
		json_object_array_add(blocks, b);
	}
	json_object_object_add(o, "blocks", blocks);
	js_add_int(o, "used", p->used);
	js_add_int(o, "streams", p->streams);
	js_add_str(o, "listen", p->listen);
	js_add_str(o, "port", p->port);
	js_add_str(o, "log", p->log);
	vmmig_token_print(p->token, token);
	js_add_str(o, "token", token);
	js_add_int(o, "commit-timeout-ms", p->commit_timeout_ms);
	js_add_str(o, "fail-at", p->fail_at);
	return o;
}

static char *take_str(struct json_object *o, const char *key)
{
	const char *text = js_str(o, key);

	return text ? xstrdup(text) : NULL;
}

static int take_argv(struct plan *p, struct json_object *list,
		     struct vmmig_error *err)
{
	size_t n = json_object_is_type(list, json_type_array) ?
		json_object_array_length(list) : 0;

	if (!n || n > PLAN_ARGS_MAX)
		return vmmig_fail(err, -EBADMSG,
				  "the plan has no usable command line");
	for (size_t i = 0; i < n; i++) {
		struct json_object *a = json_object_array_get_idx(list, i);

		if (!json_object_is_type(a, json_type_string))
			return vmmig_fail(err, -EBADMSG,
					  "an argument in the plan is not a string");
		strv_add(&p->argv, json_object_get_string(a));
	}
	return 0;
}

static int take_blocks(struct plan *p, struct json_object *list,
		       struct vmmig_error *err)
{
	size_t n = json_object_is_type(list, json_type_array) ?
		json_object_array_length(list) : 0;

	if (!n || n > VMMIG_MAX_BLOCKS)
		return vmmig_fail(err, -EBADMSG,
				  "the plan has %zu RAM blocks, 1 to %d are possible",
				  n, VMMIG_MAX_BLOCKS);
	for (size_t i = 0; i < n; i++) {
		struct json_object *o = json_object_array_get_idx(list, i);
		const char *id = js_str(o, "id"), *path = js_str(o, "path");
		int64_t size = js_int(o, "size", 0);
		struct plan_block *b = &p->block[i];

		if (!id || !*id || strlen(id) > VMMIG_BLOCK_ID_LEN ||
		    !path || path[0] != '/' || strlen(path) >= 4096 ||
		    size <= 0 || size % PAGE_BYTES)
			return vmmig_fail(err, -EBADMSG,
					  "RAM block %zu of the plan is not usable",
					  i);
		b->id = xstrdup(id);
		b->path = xstrdup(path);
		b->size = size;
		p->nr_blocks++;
	}
	return 0;
}

int plan_from_json(struct plan *p, struct json_object *o,
		   struct vmmig_error *err)
{
	int64_t protocol = js_int(o, "protocol", 0);
	const char *token = js_str(o, "token");
	const char *theirs = js_str(o, "vmmig");
	int64_t streams, timeout;
	int ret;

	memset(p, 0, sizeof(*p));
	if (protocol != PLAN_PROTOCOL)
		return vmmig_fail(err, -EPROTO,
				  "the source (vmmig-qemu %s) speaks protocol %lld, this host (vmmig-qemu %s) protocol %d; install the same version on both",
				  theirs ? theirs : "?", (long long)protocol,
				  VMMIG_VERSION, PLAN_PROTOCOL);
	p->check = js_bool(o, "check");
	p->name = take_str(o, "name");
	ret = take_argv(p, js_get(o, "argv"), err);
	if (!ret)
		ret = take_blocks(p, js_get(o, "blocks"), err);
	if (ret)
		return ret;
	p->exe = take_str(o, "exe");
	p->cwd = take_str(o, "cwd");
	p->user = take_str(o, "user");
	p->qemu_version = take_str(o, "qemu-version");
	p->machine = take_str(o, "machine");
	p->queues = json_object_get(js_get(o, "queues"));
	p->used = js_int(o, "used", 0);
	p->listen = take_str(o, "listen");
	p->port = take_str(o, "port");
	p->log = take_str(o, "log");
	p->fail_at = take_str(o, "fail-at");
	streams = js_int(o, "streams", 0);
	timeout = js_int(o, "commit-timeout-ms", 0);
	if (streams < 1 || streams > VMMIG_MAX_STREAMS)
		return vmmig_fail(err, -EBADMSG,
				  "the plan has %lld streams, 1 to %d are possible",
				  (long long)streams, VMMIG_MAX_STREAMS);
	if (timeout < 1000 || timeout > 24 * 3600 * 1000LL)
		return vmmig_fail(err, -EBADMSG,
				  "the plan's time limit for the commit is not usable");
	if (!p->port || !p->machine || !p->qemu_version)
		return vmmig_fail(err, -EBADMSG, "the plan is not complete");
	p->streams = streams;
	p->commit_timeout_ms = timeout;
	if (!token || vmmig_token_parse(token, p->token, NULL))
		return vmmig_fail(err, -EBADMSG,
				  "the plan has no usable token");
	return 0;
}

void plan_free(struct plan *p)
{
	for (unsigned int i = 0; i < p->nr_blocks; i++) {
		free(p->block[i].id);
		free(p->block[i].path);
	}
	strv_free(&p->argv);
	free(p->name);
	free(p->exe);
	free(p->cwd);
	free(p->user);
	free(p->qemu_version);
	free(p->machine);
	json_object_put(p->queues);
	free(p->listen);
	free(p->port);
	free(p->log);
	free(p->fail_at);
	memset(p, 0, sizeof(*p));
}
