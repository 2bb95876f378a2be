"""Parsing bytes into a frozen struct, or refusing them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import ClientDisconnect

from gatepass.jose.errors import MalformedError
from gatepass.jose.strict_json import decode_object
from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import Refusal
from gatepass.server.web.auth.requirements import OPENID_TOKEN

if TYPE_CHECKING:
    from starlette.requests import Request

    from gatepass.server.web.routing import Route

    Fields = list[tuple[str, str]]
    """The names and values of a form, possibly with duplicates."""

T = TypeVar("T")

_ONCE_ONLY = (
    b"authorization",
    b"content-type",
    b"content-length",
    b"host",
    b"origin",
    b"cookie",
    b"gatepass-request",
    b"dpop",
)
_JSON = ("application/json", "application/merge-patch+json")
"""The second is what a PATCH is (RFC 7396 §4); either needs a preflight from other sites."""
_MAX_DETAIL = 200
_MAX_FIELDS = 32
_MAX_DEPTH = 16
_ENCODED = frozenset("%+")
_FORM = "application/x-www-form-urlencoded"
_UTF_8 = ("", "charset=utf-8", "charset=utf8")


def check_headers(request: Request) -> None:
    """Refuse a duplicate header that parsers could resolve differently.

    Raises:
        Refusal: `duplicate_header`.
    """
    names = [name for name, _ in request.scope["headers"]]
    if len(set(names)) == len(names):
        return
    for name in _ONCE_ONLY:
        if names.count(name) > 1:
            raise Refusal("duplicate_header", f"The header {name.decode()} appears more than once.")


def header(request: Request, name: bytes) -> str | None:
    """Read a header by its lower-case name. Starlette decodes every earlier one, which takes four times as long."""
    for found, value in request.scope["headers"]:
        if found == name:
            text: str = value.decode("latin-1")
            return text
    return None


async def read_body(request: Request, *, max_bytes: int) -> bytes:
    """Read the whole body. The HTTP edge limits the time.

    Raises:
        Refusal: `body_too_large`; the rest of the body is not waited for.
        ClientDisconnect: when there will be no rest.
    """
    declared = header(request, b"content-length") or "0"
    if not declared.isdecimal() or int(declared) > max_bytes:
        raise Refusal("body_too_large", f"A body has at most {max_bytes} bytes.")
    body, is_more = b"", True
    while is_more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > max_bytes:
            raise Refusal("body_too_large", f"A body has at most {max_bytes} bytes.")
        is_more = message.get("more_body", False)
    return body


def parse_json(body: bytes, content_type: str, kind: Any) -> Any:  # noqa: ANN401 - the struct that the route names
    """Decode a JSON body into the route's struct. An empty body counts as `{}`.

    Raises:
        Refusal: `unsupported_media_type`, `malformed_request` or `invalid_body`.
    """
    if body:
        _check_media_type(content_type, *_JSON)
    try:
        decoded = _decoder(kind).decode(body or b"{}")
        decode_object(body or b"{}", _MAX_DEPTH)  # msgspec accepts duplicate members and uses the last
    except msgspec.ValidationError as error:
        raise Refusal("invalid_body", str(error)[:_MAX_DETAIL]) from error
    except MalformedError as error:
        raise Refusal("malformed_request", "The JSON has a duplicate member, or is nested too deeply.") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal("malformed_request", "The body is not JSON in UTF-8.") from error
    return decoded


def parse_object(text: str) -> dict[str, Any]:
    """Decode a JSON object from a form field filled in by a script.

    Raises:
        Refusal: `invalid_request`.
    """
    try:
        found = decode_object(text.encode(), _MAX_DEPTH)
    except (MalformedError, UnicodeEncodeError) as error:
        raise Refusal("invalid_request", "A field does not hold the JSON it should.") from error
    return found


def text_members(body: bytes) -> dict[str, str]:
    """The strings in a JSON object, by name; empty if it is not an object."""
    if not body:
        return {}
    try:
        members = _decoder(dict[str, Any]).decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}
    return {name: value for name, value in members.items() if isinstance(value, str)}


def parse_query(request: Request, kind: type[T]) -> T:
    """Convert the parameters of the URL into the route's struct: each once, and none that is unknown.

    Raises:
        Refusal: `invalid_query`.
    """
    given = request.query_params.multi_items()
    if len({name for name, _ in given}) != len(given):
        raise Refusal("invalid_query", "A parameter appears more than once.")
    if not all(value.isprintable() for _, value in given):  # not every database takes such text
        raise Refusal("invalid_query", "A parameter holds a character that cannot be printed.")
    try:
        return msgspec.convert(dict(given), kind, strict=False)
    except msgspec.ValidationError as error:
        raise Refusal("invalid_query", str(error)[:_MAX_DETAIL]) from error


def once_only(fields: Fields) -> dict[str, str]:
    """The fields that appear once in a form, by name."""
    names = [name for name, _ in fields]
    return {name: value for name, value in fields if value and names.count(name) == 1}


def read_form(fields: Fields, kind: Any) -> Any:  # noqa: ANN401 - the struct that the route names
    """Convert a form into the route's struct, by OAuth's rules (RFC 6749 §3.2): no duplicates, empty ones are ignored.

    Except for fields that the struct has as tuples (`resource` and `audience`: RFC 8707 §2, RFC 8693 §2.1).

    Raises:
        Refusal: `invalid_request`.
    """
    named: dict[str, str | list[str]] = {}
    for name, value in fields:
        if name in _repeatable(kind):
            named[name] = [*named.get(name, ()), value]
        elif name in named:
            raise Refusal("invalid_request", "A parameter appears twice.")
        else:
            named[name] = value
    try:
        return msgspec.convert(named, kind)
    except msgspec.ValidationError as error:
        raise Refusal("invalid_request", str(error)[:_MAX_DETAIL]) from error


def split_form(body: bytes, content_type: str) -> Fields:
    """Split a form into its fields, in order.

    Raises:
        Refusal: `unsupported_media_type` or `invalid_request`.
    """
    _check_media_type(content_type, _FORM)
    try:
        text = body.decode("ascii")
        if _ENCODED.isdisjoint(text):  # nearly every form sent by a program, and three times as fast
            return _plain_fields(text)
        text = "&".join(filter(None, text.split("&")))
        return parse_qsl(text, strict_parsing=bool(body), max_num_fields=_MAX_FIELDS, errors="strict")
    except (ValueError, UnicodeDecodeError):
        raise Refusal("invalid_request", "The body is not a form.") from None


def _plain_fields(text: str) -> Fields:
    """Split a form without percent-encoding, as `parse_qsl` does; ValueError for anything else."""
    pairs = list(filter(None, text.split("&")))
    if len(pairs) > _MAX_FIELDS:
        raise ValueError("too many fields")
    split = [pair.partition("=") for pair in pairs]
    if not all(equals for _, equals, _ in split):
        raise ValueError("a field without a value")
    return [(name, value) for name, _, value in split if value]


def _check_media_type(content_type: str, *expected: str) -> None:
    """Require one of the media types: a form of another site cannot send JSON without a preflight (CORS).

    What is said of a form's charset means nothing: it is ASCII, and what it encodes is UTF-8 (RFC 6749 appendix B).
    """
    media_type, _, parameters = content_type.lower().partition(";")
    is_utf_8 = parameters.replace('"', "").strip(" ;") in _UTF_8
    if media_type.strip() not in expected or not (is_utf_8 or _FORM in expected):
        raise Refusal("unsupported_media_type", f"Send the body as Content-Type: {expected[0]}.")


@cache
def _repeatable(kind: Any) -> frozenset[str]:  # noqa: ANN401
    return frozenset(field.name for field in msgspec.structs.fields(kind) if field.type == tuple[str, ...])


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:  # noqa: ANN401
    return msgspec.json.Decoder(kind)


class RawForm(Confidential, frozen=True, kw_only=True):
    """A form as its fields stand in it, for a page that has to say itself what is wrong with them."""

    fields: tuple[tuple[str, str], ...]


class Body:
    """A request's body, and how its route reads it."""

    __slots__ = ("_content_type", "_fields", "_octets", "_route")

    def __init__(self, octets: bytes, content_type: str, route: Route) -> None:
        self._octets = octets
        self._content_type = content_type
        self._route = route
        self._fields: Fields | None = None

    def texts(self) -> dict[str, str]:
        """The strings that appear once in it, by name; empty if it cannot be split."""
        if self._route.form is None:
            return text_members(self._octets)
        try:
            return once_only(self._split())
        except Refusal:
            return {}

    def converted(self) -> Any:  # noqa: ANN401 - the struct that the route names, or None
        """Convert it into the route's struct. Raises Refusal as `split_form`, `read_form` and `parse_json` do."""
        if self._route.form is RawForm:
            return RawForm(fields=tuple(self._split()))
        if self._route.form is not None:
            return read_form(self._split(), self._route.form)
        if self._route.body is not None:
            return parse_json(self._octets, self._content_type, self._route.body)
        return None

    def _split(self) -> Fields:
        if self._fields is None:
            # UserInfo has a form only where the access token is in it, and a POST without one says nothing of a type.
            is_left_out = not self._octets and self._route.auth is OPENID_TOKEN
            self._fields = [] if is_left_out else split_form(self._octets, self._content_type)
        return self._fields
