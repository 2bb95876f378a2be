"""Every algorithm, a row each. `none` and `RSA1_5` have no row, and so do not exist.

A row says what kind of key an algorithm takes, how large it is, and which primitive it is. To add an algorithm, add
its row, its primitive and its vectors.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA384, SHA512

from . import content, signing, wrapping


class SignatureAlgorithm(NamedTuple):
    """One row of the signature algorithms.

    Attributes:
        name: The `alg` value.
        kty: The key type.
        crv: The curve, or for AKP keys the parameter set; None where the type has neither.
        bits: The smallest key: the length of a secret or a modulus. 0 where the curve decides.
        scheme: The primitive.
        alias: An older `alg` value that means the same for such a key; read, and written only when asked for.
    """

    name: str
    kty: str
    crv: str | None
    bits: int
    scheme: signing.Scheme
    alias: str | None = None

    @property
    def kinds(self) -> tuple[tuple[str, str | None], ...]:
        """The key type and curve that it takes."""
        return ((self.kty, self.crv),)

    @property
    def alg(self) -> str:
        """The `alg` value in a header."""
        return self.name


SIGNATURES: dict[str, SignatureAlgorithm] = {
    row.name: row
    for row in (
        # RFC 7518 §3.2: a secret is at least as long as the hash.
        SignatureAlgorithm("HS256", "oct", None, 256, signing.hmac(SHA256())),
        SignatureAlgorithm("HS384", "oct", None, 384, signing.hmac(SHA384())),
        SignatureAlgorithm("HS512", "oct", None, 512, signing.hmac(SHA512())),
        # RFC 7518 §3.3 and §3.5: 2048 bits or more.
        SignatureAlgorithm("RS256", "RSA", None, 2048, signing.rsa_pkcs1(SHA256())),
        SignatureAlgorithm("RS384", "RSA", None, 2048, signing.rsa_pkcs1(SHA384())),
        SignatureAlgorithm("RS512", "RSA", None, 2048, signing.rsa_pkcs1(SHA512())),
        SignatureAlgorithm("PS256", "RSA", None, 2048, signing.rsa_pss(SHA256())),
        SignatureAlgorithm("PS384", "RSA", None, 2048, signing.rsa_pss(SHA384())),
        SignatureAlgorithm("PS512", "RSA", None, 2048, signing.rsa_pss(SHA512())),
        # RFC 7518 §3.4, RFC 8812 §3.2.
        SignatureAlgorithm("ES256", "EC", "P-256", 0, signing.ecdsa(SHA256(), 32)),
        SignatureAlgorithm("ES384", "EC", "P-384", 0, signing.ecdsa(SHA384(), 48)),
        SignatureAlgorithm("ES512", "EC", "P-521", 0, signing.ecdsa(SHA512(), 66)),
        SignatureAlgorithm("ES256K", "EC", "secp256k1", 0, signing.ecdsa(SHA256(), 32)),
        # RFC 9864 §2.2: the fully-specified names of RFC 8037's EdDSA.
        SignatureAlgorithm("Ed25519", "OKP", "Ed25519", 0, signing.plain(), alias="EdDSA"),
        SignatureAlgorithm("Ed448", "OKP", "Ed448", 0, signing.plain(), alias="EdDSA"),
        # RFC 9964.
        SignatureAlgorithm("ML-DSA-44", "AKP", "ML-DSA-44", 0, signing.plain()),
        SignatureAlgorithm("ML-DSA-65", "AKP", "ML-DSA-65", 0, signing.plain()),
        SignatureAlgorithm("ML-DSA-87", "AKP", "ML-DSA-87", 0, signing.plain()),
    )
}

SIGNATURE_NAMES = frozenset(SIGNATURES) | {row.alias for row in SIGNATURES.values() if row.alias}
"""Every `alg` value that a JWS header may carry."""


class ContentAlgorithm(NamedTuple):
    """One row of the content encryption algorithms (RFC 7518 §5).

    Attributes:
        name: The `enc` value.
        bits: The length of the key, exactly.
        mode: The primitive.
    """

    name: str
    bits: int
    mode: content.Mode


CONTENTS: dict[str, ContentAlgorithm] = {
    row.name: row
    for row in (
        ContentAlgorithm("A128CBC-HS256", 256, content.aes_cbc_hmac("sha256", 16)),
        ContentAlgorithm("A192CBC-HS384", 384, content.aes_cbc_hmac("sha384", 24)),
        ContentAlgorithm("A256CBC-HS512", 512, content.aes_cbc_hmac("sha512", 32)),
        ContentAlgorithm("A128GCM", 128, content.aes_gcm()),
        ContentAlgorithm("A192GCM", 192, content.aes_gcm()),
        ContentAlgorithm("A256GCM", 256, content.aes_gcm()),
    )
}

_Kinds: TypeAlias = tuple[tuple[str, str | None], ...]
_SECRET: _Kinds = (("oct", None),)
_RSA: _Kinds = (("RSA", None),)
_AGREEMENT: _Kinds = (("EC", "P-256"), ("EC", "P-384"), ("EC", "P-521"), ("OKP", "X25519"), ("OKP", "X448"))


class KeyManagementAlgorithm(NamedTuple):
    """One row of the key management algorithms (RFC 7518 §4).

    Attributes:
        name: What a key is bound to: the `alg` value; or an `enc` value, for a secret that encrypts content directly.
        kinds: The key types and curves that it takes.
        bits: The length of a secret, exactly; or the smallest modulus. 0 where the curve decides.
        mechanism: The primitive.
        is_password: Whether the secret is a password, which only `Key.from_password` makes.
    """

    name: str
    kinds: _Kinds
    bits: int
    mechanism: wrapping.Mechanism
    is_password: bool = False

    @property
    def alg(self) -> str:
        """The `alg` value in a header."""
        return "dir" if self.name in CONTENTS else self.name

    @property
    def alias(self) -> None:
        """None of them has an older name."""


KEY_MANAGEMENT: dict[str, KeyManagementAlgorithm] = {
    row.name: row
    for row in (
        *(KeyManagementAlgorithm(row.name, _SECRET, row.bits, wrapping.direct()) for row in CONTENTS.values()),
        KeyManagementAlgorithm("A128KW", _SECRET, 128, wrapping.aes_kw()),
        KeyManagementAlgorithm("A192KW", _SECRET, 192, wrapping.aes_kw()),
        KeyManagementAlgorithm("A256KW", _SECRET, 256, wrapping.aes_kw()),
        KeyManagementAlgorithm("A128GCMKW", _SECRET, 128, wrapping.aes_gcm_kw()),
        KeyManagementAlgorithm("A192GCMKW", _SECRET, 192, wrapping.aes_gcm_kw()),
        KeyManagementAlgorithm("A256GCMKW", _SECRET, 256, wrapping.aes_gcm_kw()),
        KeyManagementAlgorithm("RSA-OAEP", _RSA, 2048, wrapping.rsa_oaep(SHA1())),  # noqa: S303 - as the RFC says
        KeyManagementAlgorithm("RSA-OAEP-256", _RSA, 2048, wrapping.rsa_oaep(SHA256())),
        KeyManagementAlgorithm("RSA-OAEP-384", _RSA, 2048, wrapping.rsa_oaep(SHA384())),
        KeyManagementAlgorithm("RSA-OAEP-512", _RSA, 2048, wrapping.rsa_oaep(SHA512())),
        KeyManagementAlgorithm("ECDH-ES", _AGREEMENT, 0, wrapping.ecdh_es()),
        KeyManagementAlgorithm("ECDH-ES+A128KW", _AGREEMENT, 0, wrapping.ecdh_es_kw(16)),
        KeyManagementAlgorithm("ECDH-ES+A192KW", _AGREEMENT, 0, wrapping.ecdh_es_kw(24)),
        KeyManagementAlgorithm("ECDH-ES+A256KW", _AGREEMENT, 0, wrapping.ecdh_es_kw(32)),
        KeyManagementAlgorithm("PBES2-HS256+A128KW", _SECRET, 64, wrapping.pbes2(SHA256(), 16), is_password=True),
        KeyManagementAlgorithm("PBES2-HS384+A192KW", _SECRET, 64, wrapping.pbes2(SHA384(), 24), is_password=True),
        KeyManagementAlgorithm("PBES2-HS512+A256KW", _SECRET, 64, wrapping.pbes2(SHA512(), 32), is_password=True),
    )
}

KEY_MANAGEMENT_NAMES = frozenset(row.alg for row in KEY_MANAGEMENT.values())
"""Every `alg` value that a JWE header may carry."""

Algorithm: TypeAlias = SignatureAlgorithm | KeyManagementAlgorithm

_SINGLE_PURPOSE = {(row.kty, row.crv): row for row in SIGNATURES.values() if row.crv is not None}


def named(name: str, crv: str | None = None) -> Algorithm | None:
    """Look up a row by its name. What an old name means depends on the key's curve; without one, it is Ed25519."""
    if name == "EdDSA":
        name = crv or "Ed25519"
    return SIGNATURES.get(name) or KEY_MANAGEMENT.get(name)


def implied_by(kty: str, crv: str | None) -> SignatureAlgorithm | None:
    """Look up the only signature algorithm that a key of this type and curve can be for, if there is just one."""
    return None if crv is None else _SINGLE_PURPOSE.get((kty, crv))
