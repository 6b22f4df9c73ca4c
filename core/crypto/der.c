/* Strict DER. See der.h. */
#include "der.h"

#define INTEGER		0x02
#define BIT_STRING	0x03
#define SEQUENCE	0x30

/* OID 1.2.840.113549.1.1.1 and NULL: the content of the AlgorithmIdentifier. */
static const char rsa_encryption[] = "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";

/* Length octets at the front of 'in': short form, or long form of 1 or 2, minimal. */
static bool
take_length(struct sl_str *in, size_t *out)
{
	const unsigned char *p = (const unsigned char *)in->p;
	size_t head = 1, n;

	if (in->n < 1)
		return false;
	n = p[0];
	if (n == 0x81) {
		if (in->n < 2 || p[1] < 0x80)
			return false;
		n = p[1];
		head = 2;
	} else if (n == 0x82) {
		if (in->n < 3 || p[1] == 0)
			return false;
		n = (size_t)p[1] << 8 | p[2];
		head = 3;
	} else if (n >= 0x80) {
		return false;
	}
	*in = sl_str_sub(*in, head, in->n);
	*out = n;
	return n <= in->n;
}

/* Cuts one value of the given tag off the front. */
static bool
take(struct sl_str *in, unsigned tag, struct sl_str *content)
{
	size_t n;

	if (in->n < 2 || (unsigned char)in->p[0] != tag)
		return false;
	*in = sl_str_sub(*in, 1, in->n);
	if (!take_length(in, &n))
		return false;
	*content = sl_str_sub(*in, 0, n);
	*in = sl_str_sub(*in, n, in->n);
	return true;
}

static bool
take_positive(struct sl_str *in, struct sl_str *number)
{
	struct sl_str v;

	if (!take(in, INTEGER, &v) || v.n == 0 || (unsigned char)v.p[0] >= 0x80)
		return false;
	if (v.p[0] == 0) {
		/* A zero byte in front is there only to keep the sign bit clear. */
		if (v.n < 2 || (unsigned char)v.p[1] < 0x80)
			return false;
		v = sl_str_sub(v, 1, v.n);
	}
	*number = v;
	return true;
}

static bool
rsa_public_key(struct sl_str body, struct sl_str *modulus, struct sl_str *exponent)
{
	return take_positive(&body, modulus) && take_positive(&body, exponent) && body.n == 0;
}

bool
sl_der_rsa(struct sl_str der, struct sl_str *modulus, struct sl_str *exponent)
{
	struct sl_str body, algorithm, bits, inner;

	if (!take(&der, SEQUENCE, &body) || der.n != 0 || body.n == 0)
		return false;
	if (body.p[0] == INTEGER)
		return rsa_public_key(body, modulus, exponent);
	if (!take(&body, SEQUENCE, &algorithm) ||
	    !sl_str_eq(algorithm, SL_STR(rsa_encryption)) ||
	    !take(&body, BIT_STRING, &bits) || body.n != 0)
		return false;
	/* The first byte counts unused bits. */
	if (bits.n < 1 || bits.p[0] != 0)
		return false;
	bits = sl_str_sub(bits, 1, bits.n);
	return take(&bits, SEQUENCE, &inner) && bits.n == 0 &&
	    rsa_public_key(inner, modulus, exponent);
}
