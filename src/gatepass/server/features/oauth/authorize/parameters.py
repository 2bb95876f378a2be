"""The parameters of an authorization request as they were sent, and what all checks of them need to know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from gatepass.server.base.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from gatepass.server.domain.sessions.api import Api
    from gatepass.server.domain.sessions.client import Client
    from gatepass.server.web.parsing import RawForm

MAX_BYTES = 16_384
_MOST_PARAMETERS = 64
_REPEATABLE = "resource"
"""The one parameter that may stand more than once (RFC 8707 §2)."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters by name. One without a value counts as absent (RFC 6749 §3.1).

    `is_signed` says that the client has signed them (RFC 9101).
    """

    values: Mapping[str, str]
    repeated: frozenset[str]
    resource: tuple[str, ...]
    is_signed: bool = False

    @classmethod
    def of(cls, fields: Iterable[tuple[str, str]], *, is_signed: bool = False) -> Parameters:
        """Sort out which stand once, and which more often."""
        values: dict[str, str] = {}
        repeated: set[str] = set()
        resource: list[str] = []
        for name, value in fields:
            if not value:
                continue
            if name == _REPEATABLE:
                resource.append(value)
            elif name in values:
                repeated.add(name)
            else:
                values[name] = value
        return cls(values, frozenset(repeated), tuple(dict.fromkeys(resource)), is_signed)

    @classmethod
    def in_query(cls, query: bytes) -> Parameters:
        """Read them from a URL.

        Raises:
            Refusal: `invalid_request`, for what is too long, too many or no UTF-8.
        """
        if len(query) > MAX_BYTES:
            raise Refusal("invalid_request", f"A request has at most {MAX_BYTES} bytes.")
        try:
            text = query.decode("ascii")
            fields = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_PARAMETERS, errors="strict")
        except ValueError:
            raise Refusal("invalid_request", "The parameters are too many, or not in UTF-8.") from None
        return cls.of(fields)

    def get(self, name: str) -> str:
        """A parameter; empty where there is none."""
        return self.values.get(name, "")

    def words(self, name: str) -> tuple[str, ...]:
        """A parameter that lists words between blanks, each once."""
        return tuple(dict.fromkeys(self.get(name).split()))


def parameters_of(query: bytes, form: RawForm | None) -> Parameters:
    """Read the parameters of a request by either method: from the form of a POST, else from the URL.

    Raises:
        Refusal: `invalid_request`, as `Parameters.in_query`.
    """
    if form is None:
        return Parameters.in_query(query)
    if sum(len(name) + len(value) for name, value in form.fields) > MAX_BYTES:
        raise Refusal("invalid_request", f"A request has at most {MAX_BYTES} bytes.")
    return Parameters.of(form.fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request and what it is checked against.

    Attributes:
        client: Who asks.
        parameters: What was sent.
        issuer: Our own URL.
        known_scopes: Every scope that there is here.
        apis: The APIs that have scopes of their own.
        subject_of_hint: Whom an ID token that comes back to us is about; raises `invalid_request` for any other text.
        is_pushed: Whether the client has pushed the request, and so proved to be itself.
        must_be_pushed: Whether every request has to be.
        proven_key: The key that the client has proved to have when it pushed the request; empty for none.
    """

    client: Client
    parameters: Parameters
    issuer: str
    known_scopes: frozenset[str]
    apis: Sequence[Api]
    subject_of_hint: Callable[[str], str]
    is_pushed: bool = False
    must_be_pushed: bool = False
    proven_key: str = ""
