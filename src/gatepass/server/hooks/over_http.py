"""Hooks at URLs, for those who do not write Python: asked by signed requests, as Standard Webhooks has it.

What they are asked and may answer is what plugins are and may. Yes has to be said: an empty answer may come from any
server that a name leads to by mistake.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import msgspec

from gatepass.server.base.ids import new_id
from gatepass.server.domain.hooks.asking import Decider, hook_unavailable
from gatepass.server.domain.hooks.requests import NAMES, Deny  # noqa: TC001 - msgspec reads the annotations
from gatepass.server.domain.public_fetch import PublicFetch
from gatepass.server.domain.sessions.custom_claims import ExtraClaims, claims_unavailable
from gatepass.server.domain.webhooks.signing import signed_headers
from gatepass.server.hooks.answers import HookError, checked_answer, limited
from gatepass.verify.issuer import FetchError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gatepass.server.base.clock import Clock
    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.hooks.requests import HookName, HookRequest
    from gatepass.server.domain.sessions.custom_claims import ClaimsRequest

T = TypeVar("T")

_OK = 200
_MAX_BYTES = 16 * 1024


class Decision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`{"allow": true}`, or `{"deny": {"code": …, "text": …}}`."""

    allow: bool = False
    deny: Deny | None = None


class ReturnedClaims(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`{"claims": {…}}`."""

    claims: dict[str, object]


class HttpHooks:
    """The hooks that the settings name."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._key = settings.hooks_key
        self._clock = clock
        # Of its own: receivers of webhooks that are slow take no turn from those whom a person waits for.
        self._fetch = PublicFetch.of(settings)
        urls = settings.hook_urls
        self.deciders = tuple(
            Decider(urls[hook], hook, partial(self._decide, hook, urls[hook]))
            for hook in NAMES.values()
            if hook in urls
        )
        self.claims = tuple(
            ExtraClaims(url, partial(self._read_claims, url)) for hook, url in urls.items() if hook == "extra_claims"
        )

    async def _decide(self, hook: HookName, url: str, request: HookRequest) -> Deny | None:
        try:
            return _decided(await self._ask(hook, url, request, Decision))
        except HookError as error:
            raise hook_unavailable(f"the hook {url}: {error}") from error

    async def _read_claims(self, url: str, request: ClaimsRequest) -> Mapping[str, object]:
        try:
            return (await self._ask("extra_claims", url, request, ReturnedClaims)).claims
        except HookError as error:
            raise claims_unavailable(url, str(error)) from error

    async def _ask(self, hook: str, url: str, request: msgspec.Struct, answer: type[T]) -> T:
        now = self._clock()
        at = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")
        body = msgspec.json.encode({"type": hook, "timestamp": at, "data": request})
        headers = signed_headers(new_id("msg"), body, [self._key], int(now))
        return await limited(self._exchange(url, body, headers, answer))

    async def _exchange(self, url: str, body: bytes, headers: Mapping[str, str], answer: type[T]) -> T:
        try:
            fetched = await self._fetch.send(url, body, headers, max_bytes=_MAX_BYTES)
        except FetchError as error:
            raise HookError(str(error)) from None
        if fetched.status != _OK:
            raise HookError(f"it answered with status {fetched.status}")
        try:
            return msgspec.json.decode(fetched.body, type=answer)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise HookError("it answered with something else than a hook does") from None


def _decided(decision: Decision) -> Deny | None:
    if decision.allow is (decision.deny is not None):
        raise HookError("it says neither yes nor no, or both")
    return checked_answer(decision.deny)
