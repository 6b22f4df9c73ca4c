/* Strict DER, as little of it as an RSA public key needs (X.690 8, 10). */
#ifndef SL_CRYPTO_DER_H
#define SL_CRYPTO_DER_H

#include "../base/bytes.h"

/*
 * Modulus and exponent of a SubjectPublicKeyInfo (RFC 5280 4.1, rsaEncryption)
 * or a bare RSAPublicKey (RFC 8017 A.1.1), without leading zero bytes,
 * borrowed. Lengths are minimal, integers positive and minimal, nothing
 * follows; false otherwise.
 */
bool	 sl_der_rsa(struct sl_str der, struct sl_str *modulus, struct sl_str *exponent);

#endif
