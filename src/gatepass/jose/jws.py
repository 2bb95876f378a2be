"""JSON Web Signature (RFC 7515), compact serialisation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from . import base64url
from . import headers as _headers
from .errors import InvalidPolicyError, MalformedError, TokenTooLongError
from .keys import Key
from .limits import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .keys import KeySet
    from .limits import Limits


class Verified(msgspec.Struct, frozen=True):
    """What a signature proved.

    Attributes:
        payload: The signed octets.
        headers: The protected header's parameters.
        key: The key that verified.
    """

    payload: bytes
    headers: dict[str, Any]
    key: Key


def sign(payload: bytes, key: Key, headers: Mapping[str, Any] | None = None) -> str:
    """RFC 7515 §5.1: sign octets and write the compact serialisation.

    Args:
        payload: The content.
        key: A private key or secret; `alg` and `kid` come from it.
        headers: More header parameters.

    Raises:
        InvalidKeyError: The key cannot sign.
        InvalidPolicyError: `headers` contradict the key, name `crit`, or are not JSON.
    """
    return sign_encoded(_headers.encode(checked_key(key), None, headers), payload, key)


def sign_encoded(header: str, payload: bytes, key: Key) -> str:
    """Do what `sign` says with a header that is already encoded."""
    message = f"{header}.{_encode_payload(payload)}"
    return f"{message}.{base64url.encode(key.sign(message.encode()))}"


def signing_input(payload: bytes, headers: Mapping[str, Any]) -> bytes:
    """RFC 7515 §5.1 step 5: the octets to sign, `BASE64URL(header).BASE64URL(payload)`, for a signer elsewhere.

    Args:
        payload: The content.
        headers: All header parameters, `alg` included.

    Raises:
        InvalidPolicyError: `headers` have no known `alg`, name `crit`, or are not JSON.
    """
    return f"{_headers.encode_given(headers)}.{_encode_payload(payload)}".encode()


def assemble(signing_input: bytes, signature: bytes) -> str:
    """RFC 7515 §7.1: join a signing input and the octets of its signature into a compact token."""
    return signing_input.decode("ascii") + "." + base64url.encode(signature)


def verify(token: str | bytes, keys: Key | KeySet, *, limits: Limits = DEFAULT) -> Verified:
    """RFC 7515 §5.2: verify a compact token.

    The order is: shape, key, `alg`, signature. The key decides the algorithm; the header can only agree.

    Args:
        token: The compact serialisation.
        keys: The key, or a set from which `kid` chooses.
        limits: Bounds on what is read.

    Raises:
        MalformedError: The token is not a compact JWS.
        TokenTooLongError: It is longer than `limits` allow.
        UnsupportedCritError: It needs an extension.
        UnknownKeyError: No key, or more than one, fits.
        AlgNotAllowedError: Its `alg` is not the key's.
        BadSignatureError: The signature is not the key's.
    """
    header, payload = open_compact(token, keys, limits)
    return Verified(payload, dict(header.parameters), header.key)


def open_compact(token: str | bytes, keys: Key | KeySet, limits: Limits) -> tuple[_headers.Header, bytes]:
    """Do what `verify` says, without copying the header for the caller."""
    try:
        known_headers = keys.known_headers
        if not isinstance(token, str) or len(token) > limits.token_length:
            token = checked_text(token, limits)
    except AttributeError:
        raise InvalidPolicyError("keys is not a Key or KeySet, or limits is not a Limits") from None
    message, _, encoded_signature = token.rpartition(".")
    segment, _, encoded_payload = message.partition(".")
    payload = base64url.decode(encoded_payload)
    signature = base64url.decode(encoded_signature)
    header = known_headers.get(segment)
    if header is not None:
        header.verify(message.encode(), signature)
        return header, payload
    parameters = _headers.read(segment, limits)
    key = keys.select(parameters["alg"], parameters.get("kid"))
    key.verify(message.encode(), signature)
    header = _headers.Header(key, key.verify, parameters, parameters.get("typ"))
    _headers.remember(known_headers, segment, header)
    return header, payload


def split(token: str | bytes, limits: Limits) -> list[str]:
    """RFC 7515 §7.1: cut a token of bounded length into its three parts, which nobody has looked at."""
    parts = checked_text(token, limits).split(".", 3)
    if len(parts) != 3:  # noqa: PLR2004 - header, payload, signature
        raise MalformedError("a compact JWS has three parts")
    return parts


def checked_text(token: object, limits: Limits) -> str:
    """Return a token as text of bounded length."""
    if isinstance(token, bytes):
        token = token[: limits.token_length + 1].decode("latin-1")  # base64url.decode refuses what is not ASCII
    elif not isinstance(token, str):
        raise MalformedError("a token is str or bytes")
    if len(token) > limits.token_length:
        raise TokenTooLongError("the token is too long")
    return token


def checked_key(key: object) -> Key:
    """Refuse what is not a Key before it is asked to sign."""
    if not isinstance(key, Key):
        raise InvalidPolicyError("signing takes a Key")
    return key


def _encode_payload(payload: object) -> str:
    if not isinstance(payload, bytes):
        raise InvalidPolicyError("the payload is bytes")
    return base64url.encode(payload)
