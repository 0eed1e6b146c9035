// SPDX-License-Identifier: GPL-2.0
/* The control channel's framing: nothing the peer sends is trusted. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../frame.h"
#include "../json.h"
#include "../plan.h"
#include "../util.h"
#include "../../tests/tap.h"

static long parse(const char *text, struct frame *f)
{
	struct vmmig_error err = { "" };

	return frame_parse(text, strlen(text), f, &err);
}

static void refused(const char *what, const char *text, int code)
{
	struct frame f;
	long n = parse(text, &f);

	ok(n == code && !f.msg, "%s: %ld", what, n);
}

static void test_good(void)
{
	struct frame f;

	ok(parse("{\"type\":\"a\"}\nrest", &f) == 13 &&
	   !strcmp(f.type, "a") && !f.blob, "a line");
	frame_put(&f);
	ok(parse("{\"type\":\"b\",\"blob\":3}\nxyzmore", &f) == 25 &&
	   f.blob_len == 3 && !memcmp(f.blob, "xyz", 3), "a line and a blob");
	frame_put(&f);
	ok(!parse("{\"type\":\"b\",\"blob\":3}\nxy", &f) && !f.msg,
	   "a blob that is not complete yet");
	ok(!parse("{\"type\":\"b\"", &f) && !f.msg,
	   "a line that is not complete yet");
	ok(!frame_parse("", 0, &f, NULL), "nothing yet");
}

static void test_bad(void)
{
	struct vmmig_error err;
	struct frame f;
	char *big;

	refused("text of a login shell", "Welcome!\n", -EBADMSG);
	refused("no object", "[1]\n", -EBADMSG);
	refused("no type", "{\"a\":1}\n", -EBADMSG);
	refused("type is no string", "{\"type\":1}\n", -EBADMSG);
	refused("two objects in a line", "{\"type\":\"a\"}{}\n", -EBADMSG);
	refused("negative blob", "{\"type\":\"a\",\"blob\":-1}\n", -EMSGSIZE);
	refused("blob is no number", "{\"type\":\"a\",\"blob\":\"9\"}\n",
		-EMSGSIZE);
	refused("blob too long", "{\"type\":\"a\",\"blob\":1048577}\n",
		-EMSGSIZE);
	refused("blob beyond all numbers",
		"{\"type\":\"a\",\"blob\":99999999999999999999999}\n",
		-EMSGSIZE);

	big = calloc(1, FRAME_LINE_MAX + 1);
	memset(big, ' ', FRAME_LINE_MAX + 1);
	ok(frame_parse(big, FRAME_LINE_MAX + 1, &f, &err) == -EMSGSIZE,
	   "a line without an end");
	free(big);
}

static struct json_object *plan(void)
{
	struct plan p = { .streams = 2, .commit_timeout_ms = 60000 };
	struct json_object *o;

	strv_add(&p.argv, "qemu");
	p.machine = xstrdup("pc-q35-10.0");
	p.qemu_version = xstrdup("10.0.2");
	p.port = xstrdup("0");
	p.block[0] = (struct plan_block){ xstrdup("mem"), xstrdup("/m"), 4096 };
	p.nr_blocks = 1;
	memset(p.token, 7, sizeof(p.token));
	o = plan_to_json(&p);
	plan_free(&p);
	return o;
}

/* Sets one member of a good plan to @value (JSON, NULL removes it). */
static int plan_with(const char *key, const char *value, const char *block_key)
{
	struct json_object *o = plan(), *target = o;
	struct vmmig_error err = { "" };
	struct plan p;
	int ret;

	if (block_key)
		target = json_object_array_get_idx(js_get(o, "blocks"), 0);
	if (key || block_key)
		json_object_object_add(target, block_key ? block_key : key,
				       value ? json_tokener_parse(value) : NULL);
	ret = plan_from_json(&p, o, &err);
	plan_free(&p);
	json_object_put(o);
	return ret;
}

static void test_plan(void)
{
	ok(!plan_with(NULL, NULL, NULL), "a plan comes back as it was sent");
	ok(plan_with("protocol", "999", NULL) == -EPROTO, "another protocol");
	ok(plan_with("argv", "[]", NULL) == -EBADMSG, "no command line");
	ok(plan_with("argv", "[1]", NULL) == -EBADMSG, "odd arguments");
	ok(plan_with("blocks", "[]", NULL) == -EBADMSG, "no RAM");
	ok(plan_with(NULL, "\"rel\"", "path") == -EBADMSG, "relative path");
	ok(plan_with(NULL, "4097", "size") == -EBADMSG, "half a page");
	ok(plan_with(NULL, "-4096", "size") == -EBADMSG, "negative size");
	ok(plan_with("streams", "9", NULL) == -EBADMSG, "too many streams");
	ok(plan_with("token", "\"00\"", NULL) == -EBADMSG, "short token");
	ok(plan_with("machine", NULL, NULL) == -EBADMSG, "no machine");
}

int main(void)
{
	test_good();
	test_bad();
	test_plan();
	return tap_end();
}
