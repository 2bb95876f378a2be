"""JSON Web Encryption (RFC 7516): compact, flattened and general."""

from __future__ import annotations

import secrets
import zlib
from typing import TYPE_CHECKING, Any, cast

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap

from . import algorithms, base64url, jws, strict_json
from . import headers as _headers
from .errors import (
    AlgNotAllowedError,
    DecryptionFailedError,
    InvalidKeyError,
    InvalidPolicyError,
    JoseError,
    MalformedError,
    TokenTooLongError,
)
from .keys import Key, checked_key
from .limits import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .algorithms import ContentAlgorithm
    from .keys import KeySet
    from .limits import Limits
    from .wrapping import Wrapped

_DEFAULT_ENC = "A256GCM"
_DIRECT = ("dir", "ECDH-ES")

_BUDGET = 1.001
"""What all recipients of a document may cost together (`Key.share`); shares are fractions, and add up inexactly."""


class Decrypted(msgspec.Struct, frozen=True):
    """What was encrypted, and for whom. It says nothing about who encrypted it: anyone with the public key could.

    Attributes:
        plaintext: The content.
        headers: The protected header's parameters.
        key: The key that decrypted.
        unprotected: Parameters of a JSON serialization that nobody protected.
        aad: The additional authenticated data of a JSON serialization.
    """

    plaintext: bytes
    headers: dict[str, Any]
    key: Key
    unprotected: dict[str, Any] = {}
    aad: bytes = b""


# ── encrypting ──────────────────────────────────────────────────────────────────────────────────────────────────────


def encrypt(plaintext: bytes, key: Key, enc: str | None = None, headers: Mapping[str, Any] | None = None) -> str:
    """RFC 7516 §5.1: encrypt octets and write the compact serialization.

    Args:
        plaintext: The content.
        key: The recipient's public key, or a shared secret; `alg` and `kid` come from it.
        enc: How to encrypt the content; `"A256GCM"` by default, and for a `dir` key what it is bound to.
        headers: More header parameters, such as `apu` and `apv` (base64url). `{"zip": "DEF"}` compresses the
            plaintext, which tells an attacker something about it (RFC 8725bis §3.6).

    Raises:
        InvalidKeyError: The key is for signatures, or must not encrypt.
        InvalidPolicyError: `enc` is unknown or not the key's, or `headers` contradict the key or are not JSON.
    """
    content = _content_for(checked_key(key, "enc"), enc)
    header = _checked({"alg": key.algs[0], "enc": content.name} | _kid(key) | _headers.as_dict(headers), key, content)
    wrapped = key.wrap(secrets.token_bytes(content.bits // 8), header)
    protected = base64url.encode(strict_json.encode(header | wrapped.parameters))
    iv, ciphertext, tag = _seal(plaintext, content, wrapped.cek, protected, header)
    return ".".join((protected, *map(base64url.encode, (wrapped.encrypted_key, iv, ciphertext, tag))))


def encrypt_json(  # noqa: PLR0913 - each is named where it is called
    plaintext: bytes,
    keys: Key | Sequence[Key],
    enc: str | None = None,
    headers: Mapping[str, Any] | None = None,
    *,
    unprotected: Mapping[str, Any] | None = None,
    aad: bytes | None = None,
) -> dict[str, Any]:
    """RFC 7516 §7.2: encrypt octets and write a JSON serialization: flattened for a key, general for a list of keys.

    Args:
        plaintext: The content.
        keys: The recipients. A key that encrypts content directly (`dir`, `ECDH-ES`) can only be alone.
        enc: How to encrypt the content; `"A256GCM"` by default.
        headers: More protected header parameters.
        unprotected: Shared header parameters that are not protected.
        aad: Octets that travel in the clear and are protected.

    Raises:
        InvalidKeyError: A key is for signatures, or must not encrypt.
        InvalidPolicyError: The parameters contradict a key or each other, or the keys do not go together.
    """
    several, clear = jws.several(keys, "enc"), _headers.as_dict(unprotected)
    if "zip" in clear:
        raise InvalidPolicyError("zip is protected or absent")
    if len(several) > 1 and any(key.is_direct for key in several):
        raise InvalidPolicyError("a key that can only be alone is among others")
    if not isinstance(cast("object", aad), bytes | None):
        raise InvalidPolicyError("aad is bytes")
    content = _content_for(several[0], enc)
    shared = {"enc": content.name} | _headers.as_dict(headers)
    cek = secrets.token_bytes(content.bits // 8)
    recipients: list[dict[str, Any]] = []
    for key in several:
        own = {"alg": key.algs[0]} | _kid(key)
        merged = _merged(shared, clear, own)
        wrapped = key.wrap(cek, _checked(merged, key, _content_for(key, content.name)))
        cek = wrapped.cek
        recipients.append(_recipient(own, wrapped))
    protected = base64url.encode(strict_json.encode(shared))
    authenticated = protected if aad is None else f"{protected}.{base64url.encode(aad)}"
    sealed = _seal(plaintext, content, cek, authenticated, shared)
    document: dict[str, Any] = {"protected": protected}
    if clear:
        document["unprotected"] = clear
    if aad is not None:
        document["aad"] = base64url.encode(aad)
    document |= zip(("iv", "ciphertext", "tag"), map(base64url.encode, sealed), strict=True)
    return document | (recipients[0] if isinstance(keys, Key) else {"recipients": recipients})


def _recipient(own: dict[str, Any], wrapped: Wrapped) -> dict[str, Any]:
    """RFC 7516 §7.2.1: a recipient's header, and its encrypted key if one travels."""
    recipient: dict[str, Any] = {"header": own | wrapped.parameters}
    if wrapped.encrypted_key:
        recipient["encrypted_key"] = base64url.encode(wrapped.encrypted_key)
    return recipient


def _content_for(key: Key, enc: str | None) -> ContentAlgorithm:
    own = key.alg if key.alg in algorithms.CONTENTS else None
    name = enc or own or _DEFAULT_ENC
    content = algorithms.CONTENTS.get(name) if isinstance(cast("object", name), str) else None
    if content is None or (own is not None and content.name != own):
        raise InvalidPolicyError("enc is unknown, or not what the key is bound to")
    return content


def _kid(key: Key) -> dict[str, str]:
    return {} if key.kid is None else {"kid": key.kid}


def _merged(*parts: dict[str, Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for part in parts:
        if merged.keys() & part.keys():
            raise InvalidPolicyError("a header parameter is given twice")
        merged |= part
    return merged


_WRITTEN_BY_US = frozenset(("crit", "epk", "iv", "tag", "p2s", "p2c"))


def _checked(header: dict[str, Any], key: Key, content: ContentAlgorithm) -> dict[str, Any]:
    """Refuse to write a header that contradicts the key, or that our own reader would not take."""
    if _WRITTEN_BY_US & header.keys():
        raise InvalidPolicyError("headers: crit and what an algorithm writes are not written by hand")
    strict_json.refuse_nan(header)
    try:
        _check(header)
        for name in ("apu", "apv"):
            base64url.decode(header.get(name, ""))
    except (JoseError, TypeError, AttributeError) as error:
        raise InvalidPolicyError(f"headers: {error}") from None
    if header["alg"] != key.algs[0] or header["enc"] != content.name:
        raise InvalidPolicyError("headers: alg or enc is not the key's")
    return header


def _seal(
    plaintext: object, content: ContentAlgorithm, cek: bytes, authenticated: str, header: Mapping[str, Any]
) -> tuple[bytes, bytes, bytes]:
    """RFC 7516 §5.1 steps 9-15: the IV, the ciphertext and the tag."""
    if not isinstance(plaintext, bytes):
        raise InvalidPolicyError("the plaintext is bytes")
    if "zip" in header:
        compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        plaintext = compressor.compress(plaintext) + compressor.flush()
    iv = secrets.token_bytes(content.mode.iv_size)
    return iv, *content.mode.seal(cek, iv, plaintext, authenticated.encode())


# ── decrypting ──────────────────────────────────────────────────────────────────────────────────────────────────────


def decrypt(token: str | bytes, keys: Key | KeySet, *, limits: Limits = DEFAULT) -> Decrypted:
    """RFC 7516 §5.2: decrypt a compact token.

    Args:
        token: The compact serialization.
        keys: The private key or shared secret, or a set from which `kid` chooses.
        limits: Bounds on what is read.

    Raises:
        MalformedError: The token is not a compact JWE.
        TokenTooLongError: It, or what it inflates to, is longer than `limits` allow.
        UnsupportedCritError: It needs an extension.
        UnknownKeyError: No key, or more than one, fits.
        AlgNotAllowedError: Its `alg` or `enc` is not the key's, or is unknown.
        InvalidKeyError: The key is public, or must not decrypt.
        DecryptionFailedError: It cannot be decrypted, for whatever reason.
    """
    parts = jws.checked_text(token, limits).split(".", 5)
    if len(parts) != 5:  # noqa: PLR2004 - header, encrypted key, IV, ciphertext, tag
        raise MalformedError("a compact JWE has five parts")
    header = _headers.decode(parts[0], limits)
    _check(header)
    encrypted_key, iv = base64url.decode_two(parts[1], parts[2])
    ciphertext, tag = base64url.decode_two(parts[3], parts[4])
    sealed = _Sealed(_content_of([header], iv, tag), iv, ciphertext, tag, parts[0].encode())
    key = _select(jws.checked_keys(keys), header)
    plaintext = _inflate(sealed.open(key, encrypted_key, header), header, limits)
    return Decrypted(plaintext, header, key)


def decrypt_json(
    document: str | bytes | Mapping[str, Any], keys: Key | KeySet, *, limits: Limits = DEFAULT
) -> Decrypted:
    """RFC 7516 §5.2: decrypt a flattened or general JSON serialization, as the first recipient that a key fits.

    Trying a recipient with a password or an RSA key costs time. All of them together may cost as much as one token
    under the same password, or some ten milliseconds with RSA keys; those beyond are not tried.

    Args:
        document: JSON text, or a mapping that was parsed from it; text is also checked for names that occur twice.
        keys: The private key or shared secret, or a set from which `kid` chooses.
        limits: Bounds on what is read.

    Raises:
        JoseError: As `decrypt`.
    """
    members = jws.members(document, limits)
    jws.checked_keys(keys)
    protected = _headers.decode(_text(members, "protected"), limits) if "protected" in members else {}
    shared = _headers.merge(protected, members["unprotected"]) if "unprotected" in members else protected
    entries = _entries(members, limits)
    headers = [_headers.merge(shared, entry["header"]) if "header" in entry else shared for entry in entries]
    encrypted_keys = [base64url.decode(_text(entry, "encrypted_key", "")) for entry in entries]
    if "zip" not in protected and any("zip" in header for header in headers):
        raise MalformedError("zip is not protected")
    if len(headers) > 1 and any(header.get("alg") in _DIRECT for header in headers):
        raise MalformedError("the recipients do not go together")
    iv, ciphertext, tag = (base64url.decode(_text(members, name)) for name in ("iv", "ciphertext", "tag"))
    aad = base64url.decode(_text(members, "aad", ""))
    authenticated = _text(members, "protected", "") + (f".{members['aad']}" if "aad" in members else "")
    sealed = _Sealed(_content_of(headers, iv, tag), iv, ciphertext, tag, authenticated.encode())
    header, key, plaintext = _open_for_one(sealed, list(zip(headers, encrypted_keys, strict=True)), keys)
    others = {name: value for name, value in header.items() if name not in protected}
    return Decrypted(_inflate(plaintext, header, limits), protected, key, others, aad)


def _open_for_one(
    sealed: _Sealed, recipients: list[tuple[dict[str, Any], bytes]], keys: Key | KeySet
) -> tuple[dict[str, Any], Key, bytes]:
    """Try the recipients in turn. A key that fits and fails weighs more than one that does not fit.

    Passwords and RSA keys cost time, and all tries together have one budget. Who is named by the key's `kid` is first.
    """
    failures: list[JoseError] = []
    spent = 0.0
    for header, encrypted_key in sorted(recipients, key=lambda recipient: not _is_named(keys, recipient[0])):
        try:
            _check(header)
            key = _select(keys, header)
            share = key.share(header)
            if spent + share > _BUDGET:
                raise TokenTooLongError("the recipients take too long to try")
            spent += share
            return header, key, sealed.open(key, encrypted_key, header)
        except JoseError as error:
            failures.append(error)
    raise next((error for error in failures if isinstance(error, DecryptionFailedError)), failures[0])


def _is_named(keys: Key | KeySet, header: Mapping[str, Any]) -> bool:
    return isinstance(keys, Key) and keys.kid is not None and header.get("kid") == keys.kid


class _Sealed(msgspec.Struct):
    """Encrypted content, and what is authenticated with it."""

    content: ContentAlgorithm
    iv: bytes
    ciphertext: bytes
    tag: bytes
    authenticated: bytes

    def open(self, key: Key, encrypted_key: bytes, header: Mapping[str, Any]) -> bytes:
        """RFC 7516 §5.2 steps 10-16. Whatever is wrong with the encrypted key shows as wrong content (§11.5)."""
        if key.is_direct == bool(encrypted_key):
            raise MalformedError("an encrypted key is missing, or there where none can be")
        size = self.content.bits // 8
        try:
            cek = key.unwrap(encrypted_key, header, size)
        except (InvalidUnwrap, InvalidTag, ValueError, DecryptionFailedError):
            cek = b""
        except InvalidKeyError:
            if not key.can_unwrap:
                raise
            cek = b""
        if len(cek) != size:
            cek = secrets.token_bytes(size)
        return self.content.mode.open(cek, self.iv, self.ciphertext, self.tag, self.authenticated)


def _check(header: Mapping[str, Any]) -> None:
    """Check everything that a header says without a key."""
    _headers.check(header, _headers.NONE, algorithms.KEY_MANAGEMENT_NAMES)
    if "enc" not in header:
        raise MalformedError("the header has no enc")
    if header["enc"] not in algorithms.CONTENTS:
        raise AlgNotAllowedError("the header's enc is unknown")
    if header.get("zip", "DEF") != "DEF":
        raise MalformedError("zip is unknown")


def _content_of(headers: Sequence[Mapping[str, Any]], iv: bytes, tag: bytes) -> ContentAlgorithm:
    """RFC 7516 §7.2.1: one `enc` for all recipients.

    RFC 7518 §5: every `enc` has one length of IV and one of tag; a shorter tag would be easier to forge.
    """
    enc = headers[0].get("enc")
    if not isinstance(enc, str) or any(header.get("enc") != enc for header in headers):
        raise MalformedError("there is no enc, or not one for all recipients")
    content = algorithms.CONTENTS.get(enc)
    if content is None:
        raise AlgNotAllowedError("the header's enc is unknown")
    if len(iv) != content.mode.iv_size or len(tag) != content.mode.tag_size:
        raise MalformedError("the IV or the tag has the wrong length")
    return content


def _select(keys: Key | KeySet, header: Mapping[str, Any]) -> Key:
    key = keys.select(header["alg"], header.get("kid"))
    if key.alg in algorithms.CONTENTS and key.alg != header["enc"]:
        raise AlgNotAllowedError(f"the key is for {key.alg} only")
    return key


def _inflate(plaintext: bytes, header: Mapping[str, Any], limits: Limits) -> bytes:
    """RFC 7516 §4.1.3, RFC 1951; bounded, since a kilobyte may inflate to a megabyte (RFC 8725bis §3.15)."""
    if "zip" not in header:
        return plaintext
    inflater = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
    try:
        inflated = inflater.decompress(plaintext, limits.inflated_length + 1)
    except zlib.error:
        raise MalformedError("the plaintext is not compressed as it says") from None
    if len(inflated) > limits.inflated_length:
        raise TokenTooLongError("the plaintext inflates to too much")
    if not inflater.eof or inflater.unused_data:
        raise MalformedError("the plaintext is not compressed as it says")
    return inflated


def _entries(members: Mapping[str, Any], limits: Limits) -> list[Mapping[str, Any]]:
    """RFC 7516 §7.2: either a list of recipients, or the members of a single one."""
    if "recipients" not in members:
        return [members]
    if {"header", "encrypted_key"} & members.keys():
        raise MalformedError("the document is both flattened and general")
    entries: object = members["recipients"]
    if not isinstance(entries, list) or not entries:
        raise MalformedError("recipients is not a list with something in it")
    entries = cast("list[object]", entries)
    if len(entries) > limits.recipients:
        raise TokenTooLongError("the document has too many recipients")
    if not all(isinstance(entry, dict) for entry in entries):
        raise MalformedError("a recipient is not an object")
    return cast("list[Mapping[str, Any]]", entries)


def _text(members: Mapping[str, Any], name: str, default: str | None = None) -> str:
    value = members.get(name, default)
    if not isinstance(value, str):
        raise MalformedError(f"{name} is not a string")
    return value
