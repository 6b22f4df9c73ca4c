/* Digests of strings, in hexadecimal. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../../core/crypto/digest.h"
#include "../../core/engine/value.h"
#include "../../core/engine/vm.h"

#define BLOCK_MAX	128
#define BYTES_PER_STEP	4

/* SHA-384 and SHA-512 work on blocks of 128 bytes, the others of 64. */
static size_t
block_size(enum sl_digest_alg alg)
{
	return alg == SL_DIGEST_SHA384 || alg == SL_DIGEST_SHA512 ? 128 : 64;
}

static enum sl_digest_alg
sha2_of(lua_State *L, int arg)
{
	double bits = sl_arg_number(L, arg, 0, HUGE_VAL);

	if (bits == 256)
		return SL_DIGEST_SHA256;
	if (bits == 384)
		return SL_DIGEST_SHA384;
	if (bits == 512)
		return SL_DIGEST_SHA512;
	return (enum sl_digest_alg)sl_arg_error(L, arg, "256, 384 or 512 expected");
}

static int
push_digest(lua_State *L, enum sl_digest_alg alg, const uint8_t *bytes, int options)
{
	static const char *const names[] = { "binary", NULL };
	struct sl_str raw = { (const char *)bytes, sl_digest_size(alg) };
	struct sl_buf *out;

	sl_options(L, options, names);
	if (sl_opt_bool(L, options, "binary", false)) {
		sl_string(L, raw);
		return 1;
	}
	out = sl_scratch(L);
	if (sl_hex_encode(out, raw) != 0)
		return luaL_error(L, "not enough memory");
	sl_string(L, sl_buf_str(out));
	return 1;
}

static int
digest(lua_State *L, enum sl_digest_alg alg, int options)
{
	struct sl_str message = sl_arg_string(L, 1);
	uint8_t bytes[SL_DIGEST_MAX];

	sl_charge(L, message.n / BYTES_PER_STEP);
	if (sl_digest_of(alg, message, bytes) != 0)
		return luaL_error(L, "not enough memory");
	return push_digest(L, alg, bytes, options);
}

/* One pass of RFC 2104: the key's block and then the rest. */
static int
keyed(enum sl_digest_alg alg, const uint8_t *key, uint8_t pad, struct sl_str rest, uint8_t *out)
{
	uint8_t block[BLOCK_MAX];
	struct sl_digest d;
	size_t i;
	int rc = sl_digest_init(&d, alg);

	for (i = 0; i < block_size(alg); i++)
		block[i] = key[i] ^ pad;
	sl_digest_update(&d, block, block_size(alg));
	sl_digest_update(&d, rest.p, rest.n);
	if (rc == 0)
		rc = sl_digest_final(&d, out);
	sl_digest_clear(&d);
	return rc;
}

static int
hmac(lua_State *L, enum sl_digest_alg alg, int options)
{
	struct sl_str key = sl_arg_string(L, 1), message = sl_arg_string(L, 2);
	uint8_t padded[BLOCK_MAX] = { 0 }, bytes[SL_DIGEST_MAX];
	struct sl_str inner = { (const char *)bytes, sl_digest_size(alg) };
	int rc = 0;

	sl_charge(L, (key.n + message.n) / BYTES_PER_STEP);
	if (key.n > block_size(alg))
		rc = sl_digest_of(alg, key, padded);
	else
		memcpy(padded, key.p, key.n);
	if (rc != 0 || keyed(alg, padded, 0x36, message, bytes) != 0 ||
	    keyed(alg, padded, 0x5c, inner, bytes) != 0)
		return luaL_error(L, "not enough memory");
	return push_digest(L, alg, bytes, options);
}

/*lua
The MD5 digest of a string. Not for anything that must withstand forgery.

@param message string
@param options? table  binary (bytes instead of hexadecimal digits, false)
@return string digest

    assert(md5("abc") == "900150983cd24fb0d6963f7d28e17f72")
*/
static int
hash_md5(lua_State *L)
{
	return digest(L, SL_DIGEST_MD5, 2);
}

/*lua
The SHA-1 digest of a string. Not for anything that must withstand forgery.

@param message string
@param options? table  binary (bytes instead of hexadecimal digits, false)
@return string digest

    assert(sha1("abc") == "a9993e364706816aba3e25717850c26c9cd0d89d")
*/
static int
hash_sha1(lua_State *L)
{
	return digest(L, SL_DIGEST_SHA1, 2);
}

/*lua
A SHA-2 digest of a string.

@param message string
@param hashsize number  256, 384 or 512
@param options? table   binary (bytes instead of hexadecimal digits, false)
@return string digest

    assert(str_slice(sha2("abc", 256), 0, 8) == "ba7816bf")
    assert(#sha2("abc", 512, { binary = true }) == 64)
*/
static int
hash_sha2(lua_State *L)
{
	return digest(L, sha2_of(L, 2), 3);
}

/*lua
A message authentication code (RFC 2104) with MD5.

@param key string
@param message string
@param options? table  binary (bytes instead of hexadecimal digits, false)
@return string code

    assert(hmac_md5("Jefe", "what do ya want for nothing?") == "750c783e6ab0b503eaa86e310a5db738")
*/
static int
hash_hmac_md5(lua_State *L)
{
	return hmac(L, SL_DIGEST_MD5, 3);
}

/*lua
A message authentication code (RFC 2104) with SHA-1.

@param key string
@param message string
@param options? table  binary (bytes instead of hexadecimal digits, false)
@return string code

    assert(str_slice(hmac_sha1("Jefe", "what do ya want for nothing?"), 0, 8) == "effcdf6a")
*/
static int
hash_hmac_sha1(lua_State *L)
{
	return hmac(L, SL_DIGEST_SHA1, 3);
}

/*lua
A message authentication code (RFC 2104) with SHA-2.

@param key string
@param message string
@param hashsize number  256, 384 or 512
@param options? table   binary (bytes instead of hexadecimal digits, false)
@return string code

    assert(str_slice(hmac_sha2("Jefe", "what do ya want for nothing?", 256), 0, 8) == "5bdcc146")
*/
static int
hash_hmac_sha2(lua_State *L)
{
	return hmac(L, sha2_of(L, 3), 4);
}

/*lua
A number for a string: the same one always and everywhere, for choosing among few
(`hash(sender) % 4`). FNV-1a of 32 bits; whoever chooses the string can choose the number.

@param message string
@return number number  0 to 4294967295

    assert(hash("") == 2166136261 and hash("a") == 3826002220)
*/
static int
hash_hash(lua_State *L)
{
	struct sl_str message = sl_arg_string(L, 1);
	uint32_t h = 2166136261u;
	size_t i;

	sl_charge(L, message.n / BYTES_PER_STEP);
	for (i = 0; i < message.n; i++)
		h = (h ^ (unsigned char)message.p[i]) * 16777619u;
	sl_number(L, h);
	return 1;
}

/* 16 bytes of "6ba7b810-9dad-11d1-80b4-00c04fd430c8". */
static bool
uuid_bytes(struct sl_str text, struct sl_buf *out)
{
	static const size_t dashes[] = { 8, 13, 18, 23 };
	char digits[32];
	size_t i, k, n = 0;

	if (text.n != 36)
		return false;
	for (i = k = 0; i < text.n; i++) {
		if (k < 4 && i == dashes[k]) {
			if (text.p[i] != '-')
				return false;
			k++;
		} else {
			digits[n++] = text.p[i];
		}
	}
	return sl_hex_decode(out, (struct sl_str){ digits, n }) == 0;
}

/*lua
The UUID (RFC 9562, version 5) that a name has in a namespace: always the same one.

@param uuidnamespace string  a UUID
@param value string
@return string uuid

    assert(uuidv5("6ba7b810-9dad-11d1-80b4-00c04fd430c8", "www.example.com") ==
      "2ed6657d-e927-568b-95e1-2665a8aea6a2")
*/
static int
hash_uuidv5(lua_State *L)
{
	struct sl_str space = sl_arg_string(L, 1), value = sl_arg_string(L, 2);
	struct sl_buf *bytes = sl_scratch(L);
	uint8_t h[SL_DIGEST_MAX];
	char text[37];

	if (!uuid_bytes(space, bytes))
		return sl_arg_error(L, 1, "a UUID expected");
	sl_charge(L, value.n / BYTES_PER_STEP);
	sl_buf_putstr(bytes, value);
	if (bytes->failed || sl_digest_of(SL_DIGEST_SHA1, sl_buf_str(bytes), h) != 0)
		return luaL_error(L, "not enough memory");
	h[6] = (uint8_t)((h[6] & 0x0f) | 0x50);
	h[8] = (uint8_t)((h[8] & 0x3f) | 0x80);
	snprintf(text, sizeof(text), "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
	    h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7], h[8], h[9], h[10], h[11], h[12], h[13],
	    h[14], h[15]);
	sl_text(L, text);
	return 1;
}

const struct sl_builtin sl_module_hash[] = {
	{ "md5", hash_md5, SL_AT_ANY },
	{ "sha1", hash_sha1, SL_AT_ANY },
	{ "sha2", hash_sha2, SL_AT_ANY },
	{ "hmac_md5", hash_hmac_md5, SL_AT_ANY },
	{ "hmac_sha1", hash_hmac_sha1, SL_AT_ANY },
	{ "hmac_sha2", hash_hmac_sha2, SL_AT_ANY },
	{ "hash", hash_hash, SL_AT_ANY },
	{ "uuidv5", hash_uuidv5, SL_AT_ANY },
	{ NULL, NULL, 0 },
};
