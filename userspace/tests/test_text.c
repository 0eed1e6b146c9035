// SPDX-License-Identifier: GPL-2.0
/* Everything that is parsed from text: numbers, tokens, RAM blocks. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../vmmigctl/ctl.h"
#include "../vmmigctl/ram.h"
#include "tap.h"

#define BAD	UINT64_MAX

static const struct {
	const char *text;
	uint64_t rate;			/* BAD: refused */
	uint64_t size;
} numbers[] = {
	{ "0", 0, 0 },
	{ "1", BAD, 1 },
	{ "4096", BAD, 4096 },
	/* the lowest limit */
	{ "64K", 65536, 65536 },
	{ "63.9K", BAD, 65433 },
	{ "100M", 104857600, 104857600 },
	{ "100m", 104857600, 104857600 },
	{ "1k", BAD, 1024 },
	{ "1.5G", 1610612736, 1610612736 },
	{ "0.5K", BAD, 512 },
	{ "2T", 2199023255552, 2199023255552 },
	{ "8bit", BAD, BAD },
	{ "100mbit", 12500000, BAD },
	{ "1gbit", 125000000, BAD },
	{ "1Gbit", 125000000, BAD },
	{ "2.5gbit", 312500000, BAD },
	{ "8tbit", 1000000000000, BAD },
	{ "none", 0, BAD },
	/* would silently become "no limit" */
	{ "1bit", BAD, BAD },
	{ "0.1", BAD, BAD },
	/* what strtoul() would let pass */
	{ "-1", BAD, BAD },
	{ "+1", BAD, BAD },
	{ " 1", BAD, BAD },
	{ "1 ", BAD, BAD },
	{ "0x10", BAD, BAD },
	{ "", BAD, BAD },
	{ "M", BAD, BAD },
	{ ".5M", BAD, BAD },
	{ "1MB", BAD, BAD },
	{ "1MM", BAD, BAD },
	{ "1e3", BAD, BAD },
	/* wraps around in 64 bits */
	{ "18446744073709551617", BAD, BAD },
	{ "17179869184G", BAD, BAD },
	{ "99999999T", BAD, BAD },
	{ "1.0000000000M", BAD, BAD },
};

static void test_numbers(void)
{
	struct vmmig_error err;
	uint64_t v;

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		v = BAD;
		if (vmmig_rate_parse(numbers[i].text, &v, &err))
			v = BAD;
		ok(v == numbers[i].rate, "rate \"%s\"", numbers[i].text);
		v = BAD;
		if (vmmig_size_parse(numbers[i].text, &v, &err))
			v = BAD;
		ok(v == numbers[i].size, "size \"%s\"", numbers[i].text);
	}
}

static void test_uint(void)
{
	unsigned int v;
	uint32_t id;

	ok(!ctl_parse_uint("x", "8", 1, 8, &v, NULL) && v == 8, "number at its limit");
	ok(ctl_parse_uint("x", "9", 1, 8, &v, NULL), "number above its limit");
	ok(ctl_parse_uint("x", "0", 1, 8, &v, NULL), "number below its limit");
	ok(!ctl_parse_id("4294967295", &id, NULL) && id == UINT32_MAX, "largest id");
	ok(ctl_parse_id("4294967296", &id, NULL), "id beyond 32 bits");
	ok(ctl_parse_id("99999999999999999999999999", &id, NULL), "id that wraps");
	ok(ctl_parse_id("3x", &id, NULL), "id with a tail");
}

#define HEX	"000102030405060708090a0b0c0d0e0fF0e1d2c3b4a5968778695a4b3c2d1e0f"

static void test_token(void)
{
	char hex[2 * VMMIG_TOKEN_LEN + 1], text[100];
	uint8_t token[VMMIG_TOKEN_LEN], other[VMMIG_TOKEN_LEN];
	char dir[] = "/tmp/vmmig-test.XXXXXX", path[64];
	struct vmmig_error err;
	struct stat st;

	ok(!vmmig_token_parse(HEX, token, &err) && token[1] == 1 &&
	   token[16] == 0xf0 && token[31] == 0x0f, "token, both cases");
	vmmig_token_print(token, hex);
	ok(!strcasecmp(hex, HEX), "token printed again");
	snprintf(text, sizeof(text), " %s\r\n", HEX);
	ok(!vmmig_token_parse(text, token, &err), "token with blanks around");
	ok(vmmig_token_parse(HEX "0", token, &err), "token too long");
	ok(vmmig_token_parse(HEX + 1, token, &err), "token too short");
	ok(vmmig_token_parse("", token, &err), "token empty");
	memcpy(text, HEX, sizeof(HEX));
	text[63] = 'g';
	ok(vmmig_token_parse(text, token, &err), "token with a wrong digit");
	ok(strstr(err.text, "64") != NULL, "which digit is wrong is told");

	ok(!vmmig_token_make(token, &err) && !vmmig_token_make(other, &err) &&
	   memcmp(token, other, sizeof(token)), "two new tokens differ");
	if (!mkdtemp(dir))
		return;
	snprintf(path, sizeof(path), "%s/token", dir);
	ok(!vmmig_token_save(path, token, &err) && !stat(path, &st) &&
	   (st.st_mode & 07777) == 0600, "saved token has mode 0600");
	ok(!vmmig_token_load(path, other, &err) &&
	   !memcmp(token, other, sizeof(token)), "saved token is read again");
	ok(!chmod(path, 0644) && !vmmig_token_save(path, token, &err) &&
	   !stat(path, &st) && (st.st_mode & 07777) == 0600,
	   "a readable file of that name does not keep its mode");
	unlink(path);
	ok(vmmig_token_load(path, other, &err), "token file missing");
	ok(!rmdir(dir), "nothing is left behind");
}

static const struct {
	const char *text;
	bool create;
	bool good;
	int kind;
	const char *id;
	const char *path;
	uint64_t size;
	int fd, pid;
} rams[] = {
	{ "pc.ram=/dev/shm/a", false, true, RAM_PATH, "pc.ram", "/dev/shm/a", 0, 0, 0 },
	{ "/objects/mem=/a=b", false, true, RAM_PATH, "/objects/mem", "/a=b", 0, 0, 0 },
	{ "r=/a,size=1G", true, true, RAM_PATH, "r", "/a", 1 << 30, 0, 0 },
	{ "r=/a,b", true, true, RAM_PATH, "r", "/a,b", 0, 0, 0 },
	{ "r=/a,b,size=4096", true, true, RAM_PATH, "r", "/a,b", 4096, 0, 0 },
	{ "r=./fd:3", false, true, RAM_PATH, "r", "./fd:3", 0, 0, 0 },
	{ "r=fd:7", false, true, RAM_FD, "r", NULL, 0, 7, 0 },
	{ "r=pid:12:7", false, true, RAM_PROCESS, "r", NULL, 0, 7, 12 },
	{ "r=/a,size=1G", false, false, 0, NULL, NULL, 0, 0, 0 },
	{ "r=/a,size=5000", true, false, 0, NULL, NULL, 0, 0, 0 },
	{ "r=/a,size=0", true, false, 0, NULL, NULL, 0, 0, 0 },
	{ "r=/a,size=", true, false, 0, NULL, NULL, 0, 0, 0 },
	{ "r=,size=4K", true, false, 0, NULL, NULL, 0, 0, 0 },
	{ "r=fd:", false, false, 0, NULL, NULL, 0, 0, 0 },
	{ "r=fd:-1", false, false, 0, NULL, NULL, 0, 0, 0 },
	{ "r=fd:4294967303", false, false, 0, NULL, NULL, 0, 0, 0 },
	{ "r=pid:12", false, false, 0, NULL, NULL, 0, 0, 0 },
	{ "r=pid:12:", false, false, 0, NULL, NULL, 0, 0, 0 },
	{ "r=pid:0:3", false, false, 0, NULL, NULL, 0, 0, 0 },
	{ "r=pid::3", false, false, 0, NULL, NULL, 0, 0, 0 },
	{ "r=pid:1:2:3", false, false, 0, NULL, NULL, 0, 0, 0 },
	{ "r=", false, false, 0, NULL, NULL, 0, 0, 0 },
	{ "=/a", false, false, 0, NULL, NULL, 0, 0, 0 },
	{ "/a", false, false, 0, NULL, NULL, 0, 0, 0 },
	{ "", false, false, 0, NULL, NULL, 0, 0, 0 },
};

static bool ram_as_expected(size_t i)
{
	struct vmmig_error err = { "" };
	struct ram_spec s;
	bool same;

	if (ram_spec_parse(rams[i].text, rams[i].create, &s, &err))
		return !rams[i].good && err.text[0];
	same = rams[i].good && (int)s.kind == rams[i].kind &&
	       !strcmp(s.id, rams[i].id) && s.size == rams[i].size &&
	       s.fd == rams[i].fd && s.pid == rams[i].pid &&
	       !s.path == !rams[i].path &&
	       (!s.path || !strcmp(s.path, rams[i].path));
	free(s.path_copy);
	return same;
}

static void test_ram(void)
{
	struct ram_set set = { .nr = 0 };
	char text[300];
	struct ram_spec s;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rams); i++)
		ok(ram_as_expected(i), "RAM block \"%s\"", rams[i].text);

	memset(text, 'x', sizeof(text));
	strcpy(text + VMMIG_BLOCK_ID_LEN, "=/a");
	ok(!ram_spec_parse(text, false, &s, NULL) &&
	   strlen(s.id) == VMMIG_BLOCK_ID_LEN, "longest id of a RAM block");
	free(s.path_copy);
	strcpy(text + VMMIG_BLOCK_ID_LEN, "x=/a");
	ok(ram_spec_parse(text, false, &s, NULL), "id of a RAM block too long");

	for (i = 0; i < VMMIG_MAX_BLOCKS; i++) {
		snprintf(text, sizeof(text), "r%u=/a", i);
		if (ram_set_add(&set, text, false, NULL))
			break;
	}
	ok(i == VMMIG_MAX_BLOCKS, "as many RAM blocks as are allowed");
	ok(ram_set_add(&set, "more=/a", false, NULL), "one RAM block too many");
	ram_set_close(&set);
	ok(!ram_set_add(&set, "r=/a", false, NULL) &&
	   ram_set_add(&set, "r=/b", false, NULL), "same RAM block twice");
	ram_set_close(&set);
}

/* A file that nobody got to use must not stop the next attempt. */
static void test_ram_create(void)
{
	char dir[] = "/tmp/vmmig-test.XXXXXX", path[64], text[100];
	struct ram_set set = { .nr = 0 };
	struct stat st;

	if (!mkdtemp(dir))
		return;
	snprintf(path, sizeof(path), "%s/ram", dir);
	snprintf(text, sizeof(text), "r=%s", path);
	ok(!ram_set_add(&set, text, true, NULL) &&
	   ram_set_open(&set, true, NULL), "missing RAM file is not made unasked");
	ram_set_close(&set);
	snprintf(text, sizeof(text), "r=%s,size=8K", path);
	ok(!ram_set_add(&set, text, true, NULL) &&
	   !ram_set_open(&set, true, NULL) && !stat(path, &st) &&
	   st.st_size == 8192, "RAM file is made with its size");
	ram_set_close(&set);
	ok(stat(path, &st), "RAM file is removed if it was made for nothing");
	ok(!ram_set_add(&set, text, true, NULL) &&
	   !ram_set_open(&set, true, NULL), "RAM file is made again");
	ram_set_keep(&set);
	ram_set_close(&set);
	ok(!stat(path, &st), "RAM file of a session stays");
	ok(!ram_set_add(&set, text, true, NULL) &&
	   ram_set_open(&set, true, NULL), "RAM file is not made twice");
	ram_set_close(&set);
	ok(!stat(path, &st), "RAM file of somebody else stays");
	unlink(path);
	rmdir(dir);
}

int main(void)
{
	test_numbers();
	test_uint();
	test_token();
	test_ram();
	test_ram_create();
	return tap_end();
}
