// SPDX-License-Identifier: GPL-2.0
/* Rates and sizes as people write them. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "vmmig.h"

/* value = number * mul / div */
struct suffix {
	const char *text;
	uint64_t mul;
	uint64_t div;
};

static const struct suffix bytes[] = {
	{ "", 1, 1 },
	{ "K", 1ULL << 10, 1 },
	{ "M", 1ULL << 20, 1 },
	{ "G", 1ULL << 30, 1 },
	{ "T", 1ULL << 40, 1 },
	{ NULL, 0, 0 },
};

static const struct suffix bits[] = {
	{ "bit", 1, 8 },
	{ "kbit", 1000ULL, 8 },
	{ "mbit", 1000000ULL, 8 },
	{ "gbit", 1000000000ULL, 8 },
	{ "tbit", 1000000000000ULL, 8 },
	{ NULL, 0, 0 },
};

static const struct suffix *suffix_find(const struct suffix *s,
					const char *text)
{
	for (; s->text; s++)
		if (!strcasecmp(s->text, text))
			return s;
	return NULL;
}

/* More digits than these change nothing, and keep the sums in 128 bits. */
#define INT_DIGITS	18
#define FRACTION_DIGITS	9

static const char *digits(const char *text, int max, uint64_t *value,
			  uint64_t *scale)
{
	*value = 0;
	for (; *text >= '0' && *text <= '9'; text++) {
		if (!max--)
			return NULL;
		*value = *value * 10 + (*text - '0');
		*scale *= 10;
	}
	return text;
}

static int parse(const char *text, bool is_rate, uint64_t *out)
{
	uint64_t whole, fraction = 0, scale = 1, unused = 1;
	const struct suffix *s;
	const char *at;
	unsigned __int128 sum;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	at = digits(text, INT_DIGITS, &whole, &unused);
	if (at && *at == '.')
		at = digits(at + 1, FRACTION_DIGITS, &fraction, &scale);
	if (!at)
		return -ERANGE;

	s = suffix_find(bytes, at);
	if (!s && is_rate)
		s = suffix_find(bits, at);
	if (!s)
		return -EINVAL;

	sum = (unsigned __int128)whole * s->mul;
	sum += (unsigned __int128)fraction * s->mul / scale;
	sum /= s->div;
	if (sum > INT64_MAX)
		return -ERANGE;
	/* "1bit" must not become "no limit". */
	if (!sum && (whole || fraction))
		return -ERANGE;
	*out = sum;
	return 0;
}

int vmmig_rate_parse(const char *text, uint64_t *rate, struct vmmig_error *err)
{
	int rc;

	if (!strcmp(text, "none")) {
		*rate = 0;
		return 0;
	}
	rc = parse(text, true, rate);
	if (rc == -ERANGE)
		return vmmig_fail(err, rc, "rate \"%s\": out of range", text);
	if (rc)
		return vmmig_fail(err, rc, "rate \"%s\": not understood; use bytes per second with K, M or G (100M), bits per second (1gbit), or none",
				  text);
	if (*rate && *rate < VMMIG_MIN_RATE)
		return vmmig_fail(err, -ERANGE,
				  "rate \"%s\": below %d KiB per second, the lowest limit",
				  text, VMMIG_MIN_RATE >> 10);
	return 0;
}

int vmmig_size_parse(const char *text, uint64_t *size, struct vmmig_error *err)
{
	int rc = parse(text, false, size);

	if (rc == -ERANGE)
		return vmmig_fail(err, rc, "size \"%s\": out of range", text);
	if (rc)
		return vmmig_fail(err, rc, "size \"%s\": not understood; use bytes with K, M, G or T, for example 4G",
				  text);
	return 0;
}
