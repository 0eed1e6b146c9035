// SPDX-License-Identifier: GPL-2.0
/* The secret that tells the right peer from everybody else. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "vmmig.h"

#define HEX_LEN		(2 * VMMIG_TOKEN_LEN)

int vmmig_token_make(uint8_t token[VMMIG_TOKEN_LEN], struct vmmig_error *err)
{
	ssize_t got;

	do {
		got = getrandom(token, VMMIG_TOKEN_LEN, 0);
	} while (got < 0 && errno == EINTR);
	if (got != VMMIG_TOKEN_LEN)
		return vmmig_fail(err, -EIO, "token: no random bytes from the kernel");
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

int vmmig_token_parse(const char *hex, uint8_t token[VMMIG_TOKEN_LEN],
		      struct vmmig_error *err)
{
	size_t i, len;
	int hi, lo;

	while (isspace((unsigned char)*hex))
		hex++;
	len = strlen(hex);
	while (len && isspace((unsigned char)hex[len - 1]))
		len--;
	if (len != HEX_LEN)
		return vmmig_fail(err, -EINVAL, "token: has %zu characters; it must be %d hexadecimal digits",
				  len, HEX_LEN);

	for (i = 0; i < VMMIG_TOKEN_LEN; i++) {
		hi = hex_digit(hex[2 * i]);
		lo = hex_digit(hex[2 * i + 1]);
		if (hi < 0 || lo < 0)
			return vmmig_fail(err, -EINVAL, "token: character %zu is no hexadecimal digit",
					  2 * i + (hi < 0 ? 1 : 2));
		token[i] = hi << 4 | lo;
	}
	return 0;
}

void vmmig_token_print(const uint8_t token[VMMIG_TOKEN_LEN],
		       char hex[2 * VMMIG_TOKEN_LEN + 1])
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 0; i < VMMIG_TOKEN_LEN; i++) {
		hex[2 * i] = digits[token[i] >> 4];
		hex[2 * i + 1] = digits[token[i] & 15];
	}
	hex[HEX_LEN] = 0;
}

int vmmig_token_load(const char *path, uint8_t token[VMMIG_TOKEN_LEN],
		     struct vmmig_error *err)
{
	bool from_stdin = !strcmp(path, "-");
	FILE *f = from_stdin ? stdin : fopen(path, "re");
	char line[128];
	bool got;

	if (!f)
		return vmmig_fail(err, -errno, "token file %s: %s", path,
				  strerror(errno));
	got = fgets(line, sizeof(line), f);
	if (!from_stdin)
		fclose(f);
	if (!got)
		return vmmig_fail(err, -ENODATA, "token file %s: is empty",
				  path);
	return vmmig_token_parse(line, token, err);
}

/*
 * Renamed into place: an existing file may be readable by others or open
 * somewhere, its inode is not used again.
 */
int vmmig_token_save(const char *path, const uint8_t token[VMMIG_TOKEN_LEN],
		     struct vmmig_error *err)
{
	char line[HEX_LEN + 2], *temp;
	int fd, rc = 0;

	if (asprintf(&temp, "%s.XXXXXX", path) < 0)
		return vmmig_fail(err, -ENOMEM, "token: out of memory");

	fd = mkostemp(temp, O_CLOEXEC);
	if (fd < 0) {
		rc = vmmig_fail(err, -errno, "token file %s: cannot be written: %s",
				path, strerror(errno));
		goto free_temp;
	}
	vmmig_token_print(token, line);
	line[HEX_LEN] = '\n';
	errno = EIO;
	if (write(fd, line, HEX_LEN + 1) != HEX_LEN + 1 ||
	    rename(temp, path)) {
		rc = vmmig_fail(err, -errno, "token file %s: cannot be written: %s",
				path, strerror(errno));
		unlink(temp);
	}
	close(fd);
free_temp:
	free(temp);
	return rc;
}
