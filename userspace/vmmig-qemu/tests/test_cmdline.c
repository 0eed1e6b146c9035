// SPDX-License-Identifier: GPL-2.0
/* Rewriting QEMU's command line: what must change, and what must not. */
#include <stdlib.h>
#include <string.h>

#include "../cmdline.h"
#include "../keyval.h"
#include "../../tests/tap.h"

static void words(struct strv *s, const char *text)
{
	struct vmmig_error err;

	memset(s, 0, sizeof(*s));
	words_split(text, s, &err);
}

static char *joined(const struct strv *s)
{
	char *text = xstrdup(""), *more;

	for (size_t i = 0; i < s->n; i++) {
		more = xasprintf("%s%s%s", text, i ? " " : "", s->v[i]);
		free(text);
		text = more;
	}
	return text;
}

static void rewrites(const char *what, const char *in,
		     const struct cmdline_rules *rules, const char *want)
{
	struct strv args, out = { 0 };
	struct vmmig_error err = { "" };
	char *got;
	int ret;

	words(&args, in);
	ret = cmdline_rewrite(&args, rules, &out, &err);
	got = joined(&out);
	if (!ok(!ret && !strcmp(got, want), "%s", what))
		printf("# %d %s\n# got:  %s\n# want: %s\n", ret, err.text, got,
		       want);
	free(got);
	strv_free(&args);
	strv_free(&out);
}

static void test_dropped(void)
{
	struct cmdline_pair nic = { "virtio-net,id=nic", "" };
	struct cmdline_rules rules = { .replace = &nic, .nr_replace = 1 };

	rewrites("an option whose value is replaced by nothing goes",
		 "qemu -device virtio-net,id=nic -device VGA -S", &rules,
		 "qemu -device VGA -S");
	rewrites("a value that was empty stays", "qemu -append '' -S", &rules,
		 "qemu -append  -S");
}

static void test_rewrite(void)
{
	struct cmdline_pair ram = { "mem", "/dev/shm/b,c" };
	struct cmdline_pair replace[] = {
		{ "a.qmp", "b.qmp" }, { "tap,fd=7", "tap,ifname=t0" },
	};
	struct cmdline_rules none = { 0 };
	struct cmdline_rules machine = { .machine = "pc-q35-10.0" };
	struct cmdline_rules files = { .ram = &ram, .nr_ram = 1 };
	struct cmdline_rules texts = { .replace = replace, .nr_replace = 2 };

	rewrites("nothing to do", "qemu -m 1G disk.img", &none,
		 "qemu -m 1G disk.img");
	rewrites("an earlier migration leaves no trace",
		 "qemu -incoming defer -chardev socket,id=vmmig-mon,fd=3 -mon chardev=vmmig-mon,mode=control -S",
		 &none, "qemu -S");
	rewrites("daemonize and loadvm are dropped",
		 "qemu -daemonize --loadvm x -m 1", &none, "qemu -m 1");
	rewrites("a value that looks like an option stays",
		 "qemu -append -daemonize -m 1", &none,
		 "qemu -append -daemonize -m 1");
	rewrites("alias of the machine", "qemu -machine q35,accel=kvm",
		 &machine, "qemu -machine pc-q35-10.0,accel=kvm");
	rewrites("alias by type=", "qemu -M accel=kvm,type=q35", &machine,
		 "qemu -M accel=kvm,type=pc-q35-10.0");
	rewrites("default machine", "qemu -machine accel=kvm", &machine,
		 "qemu -machine accel=kvm -machine pc-q35-10.0");
	rewrites("no machine at all", "qemu -m 1", &machine,
		 "qemu -m 1 -machine pc-q35-10.0");
	rewrites("mem-path, with a comma in the new one",
		 "qemu -object memory-backend-file,id=mem,mem-path=/a,share=on",
		 &files,
		 "qemu -object memory-backend-file,id=mem,mem-path=/dev/shm/b,,c,share=on");
	rewrites("mem-path in JSON",
		 "qemu -object '{\"id\":\"mem\",\"mem-path\":\"/a\"}'", &files,
		 "qemu -object {\"id\":\"mem\",\"mem-path\":\"/dev/shm/b,c\"}");
	rewrites("text, in this order", "qemu -qmp unix:/a.qmp,server=on,wait=off -netdev tap,fd=7",
		 &texts,
		 "qemu -qmp unix:/b.qmp,server=on,wait=off -netdev tap,ifname=t0");
	rewrites("no socket waits for a client",
		 "qemu -qmp unix:/a,server -serial tcp::1,server=on,wait=on -chardev socket,id=c,path=/x",
		 &none,
		 "qemu -qmp unix:/a,server,wait=off -serial tcp::1,server=on,wait=off -chardev socket,id=c,path=/x");
}

static void test_object(void)
{
	struct cmdline_pair moved = { "mem-path=/dev/shm", "mem-path=/mnt" };
	struct cmdline_rules rules = { .replace = &moved, .nr_replace = 1 };
	struct vmmig_error err = { "" };
	struct strv args, out = { 0 };
	char *path;

	words(&args, "qemu -object iothread,id=io -object memory-backend-file,id=mem,mem-path=/dev/shm/a,,b -append id=x");
	ok(!cmdline_rewrite(&args, &rules, &out, &err), "mem-path is moved");
	path = cmdline_object_get(&out, "mem", "mem-path");
	ok(path && !strcmp(path, "/mnt/a,b"),
	   "the RAM file is the one that the rewritten -object names");
	free(path);
	ok(!cmdline_object_get(&out, "x", "mem-path"),
	   "what is no -object has no RAM file");
	strv_free(&args);
	strv_free(&out);
}

static void test_tame(void)
{
	char text[] = "a\033[2J\n\177\302\233b\303\251";

	ok(!strcmp(vmmig_tame(text), "a?[2J????b\303\251"),
	   "a peer's text has no control characters, and keeps its letters");
}

static void test_unknown_ram(void)
{
	struct cmdline_pair ram = { "other", "/b" };
	struct cmdline_rules rules = { .ram = &ram, .nr_ram = 1 };
	struct vmmig_error err = { "" };
	struct strv args, out = { 0 };

	words(&args, "qemu -object memory-backend-file,id=mem,mem-path=/a");
	ok(cmdline_rewrite(&args, &rules, &out, &err) < 0 &&
	   strstr(err.text, "other"), "--dest-ram of an unknown id is refused");
	strv_free(&args);
	strv_free(&out);
}

static void test_fds(void)
{
	static const struct {
		const char *args;
		bool carries;
	} cases[] = {
		{ "qemu -netdev tap,id=n,fd=7", true },
		{ "qemu -netdev tap,id=n,fds=7:8,vhostfds=9:10", true },
		{ "qemu -netdev stream,id=n,addr.type=fd,addr.str=7", true },
		{ "qemu -add-fd fd=7,set=2", true },
		{ "qemu -drive file=/dev/fdset/2", true },
		{ "qemu -netdev '{\"type\":\"tap\",\"fd\":\"7\"}'", true },
		{ "qemu -blockdev '{\"file\":{\"filename\":\"/dev/fdset/1\"}}'", true },
		{ "qemu -chardev socket,id=vmmig-mon,fd=3", false },
		{ "qemu -append 'fd=7'", false },
		{ "qemu -name fd=7", false },
		{ "qemu -netdev tap,id=n,ifname=fd0 -device isa-fdc", false },
		{ "qemu -drive file=/a,,fd=7", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct strv args;

		words(&args, cases[i].args);
		ok((cmdline_find_fd(&args) >= 0) == cases[i].carries,
		   "%s %s", cases[i].args + 5,
		   cases[i].carries ? "hands over a descriptor" : "does not");
		strv_free(&args);
	}
}

static void test_questions(void)
{
	struct strv args, paths = { 0 }, ids = { 0 }, objects = { 0 };

	words(&args, "qemu -accel kvm,dirty-ring-size=4096,xen-version=0x4000e -object memory-backend-file,id=mem -qmp unix:/a,,b,server=on,wait=off -serial mon:unix:/c,server,nowait -chardev socket,id=x,path=/d,server=on -chardev socket,id=y,path=/e -device virtio-net,id=nic -device virtio-rng -device '{\"driver\":\"VGA\",\"id\":\"vga\"}'");
	ok(cmdline_dirty_ring(&args) == 4096, "size of the dirty ring");
	ok(cmdline_has_word(&args, "accel", "xen-version"), "Xen is seen");
	cmdline_ids(&args, "object", &objects);
	ok(objects.n == 1 && strv_has(&objects, "mem") &&
	   !strv_has(&objects, "me"), "ids of objects");
	cmdline_ids(&args, "device", &ids);
	ok(ids.n == 2 && strv_has(&ids, "nic") && strv_has(&ids, "vga") &&
	   !strv_has(&ids, "ni"), "ids of devices");
	cmdline_listen_paths(&args, &paths);
	ok(paths.n == 3 && !strcmp(paths.v[0], "/a,b") &&
	   !strcmp(paths.v[1], "/c") && !strcmp(paths.v[2], "/d"),
	   "paths that QEMU will listen at");
	strv_free(&args);
	strv_free(&paths);
	strv_free(&ids);
	strv_free(&objects);
}

static void test_pairs(void)
{
	struct cmdline_pair p;

	ok(!cmdline_pair_parse("a=b=c", &p) && !strcmp(p.from, "a") &&
	   !strcmp(p.to, "b=c"), "OLD=NEW");
	free(p.from);
	free(p.to);
	ok(!cmdline_pair_parse("a=b=>c", &p) && !strcmp(p.from, "a=b") &&
	   !strcmp(p.to, "c"), "OLD=>NEW");
	free(p.from);
	free(p.to);
	ok(cmdline_pair_parse("=b", &p) && cmdline_pair_parse("ab", &p),
	   "nothing to replace is refused");
}

static void names(const char *text, const char *value, bool want)
{
	ok(keyval_names(text, value) == want, "%s %s %s", text,
	   want ? "names" : "does not name", value);
}

static void test_names(void)
{
	names("/d.img", "/d.img", true);
	names("file=/d.img,format=raw", "/d.img", true);
	names("format=raw,file.filename=/d.img", "/d.img", true);
	names("file=file:/d.img", "/d.img", true);
	names("file=/a,,b.img,if=none", "/a,b.img", true);
	names("/a,b.img", "/a,b.img", true);
	names("file=/d.img.old", "/d.img", false);
	names("file=/old/d.img", "/d.img", false);
	names("file=/d.img", "", false);
	names("{\"driver\":\"raw\",\"file\":{\"filename\":\"/d.img\"}}", "/d.img",
	      true);
	names("{\"filename\":\"/d.img.old\"}", "/d.img", false);
	names("file=json:{\"driver\":\"raw\",,\"filename\":\"/d.img\"}", "/d.img",
	      true);
	names("{\"node-name\":[1,\"disk\"]}", "disk", true);
	names("{broken", "/d.img", false);
	/* What a commit has gone down to is behind the image that is named */
	names("file=/top.img,backing.file.filename=/d.img", "/d.img", false);
	names("{\"file\":{\"filename\":\"/top.img\"},\"backing\":{\"file\":"
	      "{\"filename\":\"/d.img\"}}}", "/d.img", false);
}

int main(void)
{
	test_rewrite();
	test_dropped();
	test_object();
	test_tame();
	test_unknown_ram();
	test_fds();
	test_questions();
	test_pairs();
	test_names();
	return tap_end();
}
