"""Deciding: the answer to a proxy's question, complete, as octets."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec

from gatepass.guard.identity import NOBODY, headers_of
from gatepass.guard.request import ProxiedRequest
from gatepass.verify.guard import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gatepass.guard.request import HeaderList
    from gatepass.verify import Principal
    from gatepass.verify.challenge import Challenge
    from gatepass.verify.guard import Guard

_REASONS = {status.value: status.phrase for status in HTTPStatus}
_MOST_WRITTEN = 10_000
"""How many answers are kept: as many as a verifier remembers tokens."""
_ALWAYS = "Cache-Control: no-store\r\n"


class ForwardAuth:
    """Decides about requests by what a `Guard` admits."""

    def __init__(self, guard: Guard[Principal]) -> None:
        self._guard = guard
        self._written: dict[int, tuple[Principal, bytes]] = {}

    def at_once(self, headers: HeaderList, *, is_told: bool) -> bytes | None:
        """Return the answer if that takes no waiting; None: `decide` does it."""
        try:
            principal = self._guard.admit_at_once(ProxiedRequest(headers, is_told=is_told))
        except Refused as refused:
            return _refusal(refused.answer)
        return None if principal is None else self._admission(principal)

    async def decide(self, headers: HeaderList, *, is_told: bool) -> bytes:
        """Return the answer: 200 with who it is, or 400, 401, 403 or 503 with why not."""
        try:
            principal = await self._guard.aadmit(ProxiedRequest(headers, is_told=is_told))
        except Refused as refused:
            return _refusal(refused.answer)
        return FAILED if principal is None else self._admission(principal)

    def _admission(self, principal: Principal) -> bytes:
        """The same principal is the same octets: a verifier remembers those of tokens that it has seen."""
        found = self._written.get(id(principal))
        if found is None or found[0] is not principal:
            if len(self._written) >= _MOST_WRITTEN:
                self._written.clear()
            found = self._written[id(principal)] = principal, answer(200, headers_of(principal))
        return found[1]


def _refusal(refused: Challenge) -> bytes:
    body = msgspec.json.encode({"detail": refused.detail})
    return answer(refused.status, [*NOBODY, *refused.headers.items(), ("Content-Type", "application/json")], body)


def answer(status: int, headers: Iterable[tuple[str, str]], body: bytes = b"") -> bytes:
    """Write an HTTP/1.1 response (RFC 9112 §4)."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers])
    head = f"HTTP/1.1 {status} {_REASONS[status]}\r\n{lines}{_ALWAYS}Content-Length: {len(body)}\r\n\r\n"
    return head.encode("latin-1") + body


FAILED = answer(500, NOBODY)
"""A defect: nobody is let in."""
