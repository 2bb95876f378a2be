"""JSON Web Signature (RFC 7515, RFC 7797): compact, detached, flattened and general."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import msgspec

from . import base64url, strict_json
from . import headers as _headers
from .errors import InvalidPolicyError, JoseError, MalformedError, TokenTooLongError
from .keys import Header, Key, checked_key
from .limits import DEFAULT

if TYPE_CHECKING:
    from .keys import KeySet
    from .limits import Limits


class Verified(msgspec.Struct, frozen=True):
    """What a signature proved.

    Attributes:
        payload: The signed octets.
        headers: The protected header's parameters.
        key: The key that verified.
        unprotected: Parameters of a JSON serialization that nobody signed.
    """

    payload: bytes
    headers: dict[str, Any]
    key: Key
    unprotected: dict[str, Any] = {}


# ── compact ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def sign(payload: bytes, key: Key, headers: Mapping[str, Any] | None = None, *, b64: bool = True) -> str:
    """RFC 7515 §5.1: sign octets and write the compact serialization.

    Args:
        payload: The content.
        key: A private key or secret; `alg` and `kid` come from it.
        headers: More header parameters.
        b64: False writes the payload as it is (RFC 7797 §5.2); it is then printable ASCII without a period.

    Raises:
        InvalidKeyError: The key cannot sign.
        InvalidPolicyError: `headers` contradict the key, name `crit`, or are not JSON; or the payload cannot be so.
    """
    if not b64:
        return _sign_unencoded(_headers.encode(checked_key(key), None, headers, b64=False), payload, key)
    return _headers.writer(key, None, headers)(_checked_payload(payload))


def _sign_unencoded(header: str, payload: bytes, key: Key) -> str:
    text = _checked_payload(payload).decode("latin-1")
    if not _may_stand_in_compact(text):
        raise InvalidPolicyError("an unencoded payload in a compact token is printable ASCII without a period")
    message = f"{header}.{text}"
    return f"{message}.{base64url.encode(key.sign(message.encode()))}"


def protected(headers: Mapping[str, Any]) -> str:
    """RFC 7515 §5.1 step 4: the encoded protected header, for whoever writes many tokens under the same one.

    Args:
        headers: All header parameters, `alg` included.

    Raises:
        InvalidPolicyError: `headers` have no known `alg`, name `crit`, or are not JSON.
    """
    return _headers.encode_given(headers)


def signing_input(payload: bytes, headers: Mapping[str, Any]) -> bytes:
    """RFC 7515 §5.1 step 5: the octets to sign, `BASE64URL(header).BASE64URL(payload)`, for a signer elsewhere.

    Args:
        payload: The content.
        headers: All header parameters, `alg` included.

    Raises:
        InvalidPolicyError: `headers` have no known `alg`, name `crit`, or are not JSON.
    """
    return f"{protected(headers)}.{_encode_payload(payload)}".encode()


def assemble(signing_input: bytes, signature: bytes) -> str:
    """RFC 7515 §7.1: join a signing input and the octets of its signature into a compact token."""
    if not isinstance(cast("object", signature), bytes):
        raise InvalidPolicyError("a signature is bytes")
    return signing_input.decode("ascii") + "." + base64url.encode(signature)


def verify(token: str | bytes, keys: Key | KeySet, *, limits: Limits = DEFAULT) -> Verified:
    """RFC 7515 §5.2: verify a compact token.

    The order is: shape, key, `alg`, signature. The key decides the algorithm; the header can only agree.

    Args:
        token: The compact serialization.
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
    header, payload = open_compact(token, keys, limits, _headers.B64)
    return Verified(payload, dict(header.parameters), header.key)


def open_compact(
    token: str | bytes, keys: Key | KeySet, limits: Limits, extensions: frozenset[str] = _headers.NONE
) -> tuple[Header, bytes]:
    """Do what `verify` says, without copying the header for the caller."""
    try:
        known_headers = keys.known_headers
        if type(token) is not str or len(token) > limits.token_length:
            token = checked_text(token, limits)
    except AttributeError:
        raise InvalidPolicyError("keys is not a Key or KeySet, or limits is not a Limits") from None
    message, _, encoded_signature = token.rpartition(".")
    segment, _, encoded_payload = message.partition(".")
    header = known_headers.get(segment)
    if header is None:
        return _open_unfamiliar(message, encoded_signature, keys, limits, extensions)
    payload, signature = base64url.decode_two(encoded_payload, encoded_signature)
    header.verify(message.encode(), signature)
    return header, payload


def _open_unfamiliar(
    message: str, encoded_signature: str, keys: Key | KeySet, limits: Limits, extensions: frozenset[str]
) -> tuple[Header, bytes]:
    """Open a token whose header has not been seen on a good signature before."""
    segment, dot, encoded_payload = message.partition(".")
    if not dot or "." in encoded_payload:
        raise MalformedError("a compact JWS has three parts")
    parameters = _headers.read(segment, limits, extensions)
    encoded = parameters.get("b64", True)
    payload = base64url.decode(encoded_payload) if encoded else _unencoded(encoded_payload)
    header = _verified_header(parameters, message.encode(), encoded_signature, keys)
    if "crit" not in parameters:  # a JWT must not take what only a JWS may
        _headers.remember(keys.known_headers, segment, header)
    return header, payload


def _verified_header(parameters: dict[str, Any], message: bytes, encoded_signature: str, keys: Key | KeySet) -> Header:
    """RFC 7515 §5.2 steps 6-8: find the key, and verify with it."""
    signature = base64url.decode(encoded_signature)
    key = keys.select(parameters["alg"], parameters.get("kid"))
    key.verify(message, signature)
    return Header(key, key.verify, parameters, parameters.get("typ"))


def _unencoded(text: str) -> bytes:
    if not _may_stand_in_compact(text):
        raise MalformedError("an unencoded payload is not printable ASCII without a period")
    return text.encode()


def _may_stand_in_compact(text: str) -> bool:
    """RFC 7797 §5.2."""
    return text.isascii() and text.isprintable() and "." not in text


# ── detached ────────────────────────────────────────────────────────────────────────────────────────────────────────


def sign_detached(payload: bytes, key: Key, headers: Mapping[str, Any] | None = None, *, b64: bool = True) -> str:
    """RFC 7515 App. F: sign octets that travel elsewhere; the compact token has an empty middle.

    Args:
        payload: The content, any octets.
        key: A private key or secret.
        headers: More header parameters.
        b64: False signs the octets as they are, without encoding them first (RFC 7797): cheaper for large content.

    Raises:
        InvalidKeyError: The key cannot sign.
        InvalidPolicyError: `headers` contradict the key, name `crit`, or are not JSON.
    """
    header = _headers.encode(checked_key(key), None, headers, b64=b64)
    return f"{header}..{base64url.encode(key.sign(_message(header, _checked_payload(payload), b64=b64)))}"


def verify_detached(token: str | bytes, payload: bytes, keys: Key | KeySet, *, limits: Limits = DEFAULT) -> Verified:
    """Verify a compact token with an empty middle against content that travelled elsewhere.

    Args:
        token: The compact serialization.
        payload: The content, as long as it is: `limits` bound the token only.
        keys: The key, or a set from which `kid` chooses.
        limits: Bounds on what is read.

    Raises:
        JoseError: As `verify`; MalformedError also if the token carries a payload.
    """
    segment, middle, encoded_signature = split(token, limits)
    if middle:
        raise MalformedError("the token carries a payload")
    parameters = _headers.read(segment, limits, _headers.B64)
    message = _message(segment, _checked_payload(payload), b64=parameters.get("b64", True))
    header = _verified_header(parameters, message, encoded_signature, checked_keys(keys))
    return Verified(payload, parameters, header.key)


# ── JSON ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def sign_json(  # noqa: PLR0913 - each is named where it is called
    payload: bytes,
    keys: Key | Sequence[Key],
    headers: Mapping[str, Any] | None = None,
    *,
    unprotected: Mapping[str, Any] | None = None,
    detached: bool = False,
    b64: bool = True,
) -> dict[str, Any]:
    """RFC 7515 §7.2: sign octets and write a JSON serialization: flattened for a key, general for a list of keys.

    Args:
        payload: The content.
        keys: Who signs.
        headers: More protected header parameters, for every signature.
        unprotected: Header parameters that are not signed, for every signature.
        detached: Whether to leave the payload out.
        b64: False writes and signs the payload as it is (RFC 7797); unless detached, it is then UTF-8 text.

    Raises:
        InvalidKeyError: A key cannot sign.
        InvalidPolicyError: The parameters contradict a key or each other, or the payload cannot be written so.
    """
    signatures = [_json_signature(payload, key, headers, unprotected, b64=b64) for key in several(keys)]
    document: dict[str, Any] = {} if detached else {"payload": _json_payload(payload, b64=b64)}
    return document | (signatures[0] if isinstance(keys, Key) else {"signatures": signatures})


def _json_signature(
    payload: bytes, key: Key, headers: Mapping[str, Any] | None, unprotected: Mapping[str, Any] | None, *, b64: bool
) -> dict[str, Any]:
    protected = _headers.encode(key, None, headers, b64=b64)
    signature = base64url.encode(key.sign(_message(protected, _checked_payload(payload), b64=b64)))
    if not unprotected:
        return {"protected": protected, "signature": signature}
    try:
        _headers.merge(_headers.decode(protected, DEFAULT), _headers.as_dict(unprotected))
    except MalformedError as error:
        raise InvalidPolicyError(f"unprotected: {error}") from None
    return {"protected": protected, "header": dict(unprotected), "signature": signature}


def _json_payload(payload: bytes, *, b64: bool) -> str:
    if b64:
        return base64url.encode(payload)
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise InvalidPolicyError("an unencoded payload in JSON is UTF-8 text") from None


def verify_json(
    document: str | bytes | Mapping[str, Any],
    keys: Key | KeySet,
    payload: bytes | None = None,
    *,
    every: bool = False,
    limits: Limits = DEFAULT,
) -> Verified:
    """RFC 7515 §5.2: verify a flattened or general JSON serialization.

    Every signature must be well-formed, and all must mean the same octets (RFC 7797 §3). One of them must verify with
    `keys`, unless `every` asks for all.

    Args:
        document: JSON text, or a mapping that was parsed from it; text is also checked for names that occur twice.
        keys: The key, or a set from which `kid` chooses.
        payload: The content, if the document does not carry it.
        every: Whether all signatures must verify, not just one. The answer is about the first that did.
        limits: Bounds on what is read.

    Raises:
        JoseError: As `verify`; with several signatures, the error of the first that did not verify.
    """
    parsed = members(document, limits)
    checked_keys(keys)
    attached = _attached(parsed, payload)
    signatures = [_read_signature(entry, limits) for entry in _entries(parsed, limits)]
    if len({signature.parameters.get("b64") is False for signature in signatures}) > 1:
        raise MalformedError("b64 is not the same for all signatures")
    verified: list[Verified] = []
    failures: list[JoseError] = []
    for signature in signatures:
        try:
            verified.append(signature.verify(attached, payload, keys))
        except JoseError as error:
            failures.append(error)
    if failures and (every or not verified):
        raise failures[0]
    return verified[0]


def members(document: object, limits: Limits) -> dict[str, Any]:
    """Return the members of a JSON serialization, as text or parsed."""
    if isinstance(document, (str, bytes)):
        if len(document) > limits.token_length:
            raise TokenTooLongError("the document is too long")
        text = document.encode("utf-8", "surrogatepass") if isinstance(document, str) else document
        return strict_json.decode_object(text, limits.depth)
    if isinstance(document, Mapping):
        return dict(cast("Mapping[str, Any]", document))
    raise MalformedError("a JSON serialisation is JSON text or a mapping")


def _attached(members: Mapping[str, Any], payload: object) -> str | None:
    """Return the payload as the document has it, or None if it is detached; exactly one place must have it."""
    if payload is not None:
        _checked_payload(payload)
        if "payload" in members:
            raise MalformedError("the document carries a payload")
        return None
    if not isinstance(members.get("payload"), str):
        raise MalformedError("the payload is not a string")
    return cast("str", members["payload"])


def _entries(members: Mapping[str, Any], limits: Limits) -> list[Mapping[str, Any]]:
    """RFC 7515 §7.2: either a list of signatures, or the members of a single one."""
    if "signatures" not in members:
        return [members]
    if {"signature", "protected", "header"} & members.keys():
        raise MalformedError("the document is both flattened and general")
    entries: object = members["signatures"]
    if not isinstance(entries, list) or not entries:
        raise MalformedError("signatures is not a list with something in it")
    entries = cast("list[object]", entries)
    if len(entries) > limits.signatures:
        raise TokenTooLongError("the document has too many signatures")
    if not all(isinstance(entry, dict) for entry in entries):
        raise MalformedError("a signature is not an object")
    return cast("list[Mapping[str, Any]]", entries)


class _Signature(msgspec.Struct):
    """One signature of a JSON serialization: its protected header as it stands and parsed, and all its parameters."""

    segment: str
    protected: dict[str, Any]
    parameters: dict[str, Any]
    signature: str

    def verify(self, attached: str | None, detached: bytes | None, keys: Key | KeySet) -> Verified:
        _headers.check(self.parameters, _headers.B64)
        b64 = self.parameters.get("b64", True)
        if attached is None:
            payload = detached or b""
            message = _message(self.segment, payload, b64=b64)
        else:
            payload = base64url.decode(attached) if b64 else _utf8(attached)
            message = f"{self.segment}.".encode() + (attached.encode() if b64 else payload)
        key = _verified_header(self.parameters, message, self.signature, keys).key
        others = {name: value for name, value in self.parameters.items() if name not in self.protected}
        return Verified(payload, self.protected, key, others)


def _read_signature(entry: Mapping[str, Any], limits: Limits) -> _Signature:
    segment = entry.get("protected", "")
    signature = entry.get("signature")
    if not isinstance(segment, str) or not isinstance(signature, str):
        raise MalformedError("protected or signature is not a string")
    protected = _headers.decode(segment, limits) if "protected" in entry else {}
    parameters = _headers.merge(protected, entry["header"]) if "header" in entry else protected
    base64url.decode(signature)
    return _Signature(segment, protected, parameters, signature)


# ── what all of them share ──────────────────────────────────────────────────────────────────────────────────────────


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


def several(keys: object, use: str = "sig") -> list[Key]:
    """Return the keys to write a JSON serialization for: one, or a list of some."""
    if isinstance(keys, Key):
        return [checked_key(keys, use)]
    if not isinstance(keys, Sequence) or not keys:
        raise InvalidPolicyError("a JSON serialisation takes a Key or a list of Keys")
    return [checked_key(key, use) for key in cast("Sequence[object]", keys)]


def checked_keys(keys: Key | KeySet) -> Key | KeySet:
    """Refuse what is neither a Key nor a KeySet."""
    if not hasattr(keys, "known_headers"):
        raise InvalidPolicyError("keys is not a Key or a KeySet")
    return keys


def _message(header: str, payload: bytes, *, b64: bool) -> bytes:
    """RFC 7515 §5.1 step 5, RFC 7797 §3: the octets that are signed."""
    return f"{header}.".encode() + (base64url.encode(payload).encode() if b64 else payload)


def _encode_payload(payload: object) -> str:
    return base64url.encode(_checked_payload(payload))


def _checked_payload(payload: object) -> bytes:
    if not isinstance(payload, bytes):
        raise InvalidPolicyError("the payload is bytes")
    return payload


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise MalformedError("the payload is not UTF-8") from None
