"""Fetching events from a transmitter that keeps them for us (RFC 8936), acknowledged once they are on the disk."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING, Annotated, Any

import httpx
import msgspec

from gatepass.bridge.answers import set_error
from gatepass.client import ClientCredentials
from gatepass.jose.errors import JoseError

if TYPE_CHECKING:
    from gatepass.bridge.receiving import Receiver
    from gatepass.bridge.transmitter import Transmitter

_log = logging.getLogger(__name__)

_MOST_AT_ONCE = 100
_MOST_BYTES = 4_000_000
_LONG_POLL_SECONDS = 60.0
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
_HTTP_OK = 200


class _Polled(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An answer (RFC 8936 §2.3): events by `jti`, or with `moreAvailable` the first of them."""

    sets: Annotated[dict[str, str], msgspec.Meta(max_length=10 * _MOST_AT_ONCE)]
    more_available: bool = False


def _client_of(transmitter: Transmitter) -> ClientCredentials | None:
    """What gets tokens for us; None where one is in a file."""
    settings = transmitter.settings
    if settings.client_id is None:
        settings.bearer()
        return None
    return ClientCredentials(
        issuer=settings.signed_by,
        client_id=settings.client_id,
        client_secret=settings.client_secret(),
        scope=settings.scope,
    )


class PollFailedError(Exception):
    """There was no usable answer."""


class Polling:
    """Polls one transmitter, until it is cancelled."""

    def __init__(self, transmitter: Transmitter, receiver: Receiver) -> None:
        """Prepare.

        Raises:
            BridgeSettingsError: A file with our token, or our client's secret, cannot be read.
        """
        self._transmitter = transmitter
        self._receiver = receiver
        self._url = transmitter.settings.poll_url or ""
        self._auth = _client_of(transmitter)
        self._taken: list[str] = []
        self._refused: dict[str, dict[str, str]] = {}

    async def run(self) -> None:
        """Poll; after a failure again, a little later each time."""
        pause = _FIRST_PAUSE
        async with httpx.AsyncClient(auth=self._auth, timeout=_LONG_POLL_SECONDS, follow_redirects=False) as client:
            while True:
                try:
                    has_more = await self._poll(client)
                except Exception as error:  # noqa: BLE001 - whatever it is, the next poll may succeed
                    name = self._transmitter.settings.name
                    _log.warning("cannot poll %s: %s: %s", name, type(error).__name__, error)
                    self._transmitter.counts["polls_failed"] += 1
                    await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - it only spreads them
                    pause = min(2 * pause, _LONGEST_PAUSE)
                    continue
                pause = _FIRST_PAUSE
                if not has_more:
                    await asyncio.sleep(self._transmitter.settings.poll_seconds)

    async def _poll(self, client: httpx.AsyncClient) -> bool:
        """Fetch some events, acknowledging those before; return whether to go on at once."""
        acked, refused = self._taken[:], dict(self._refused)
        try:
            answer = await self._ask(client, acked, refused)
        except httpx.ReadTimeout:  # it had nothing to say for as long as we wait (RFC 8936 §2.5)
            return True
        self._taken = self._taken[len(acked) :]
        self._refused = {jti: error for jti, error in self._refused.items() if jti not in refused}
        for jti, token in answer.sets.items():
            try:
                await self._receiver.take_token(self._transmitter, token)
            except JoseError as error:
                self._refused[jti] = set_error(error)
            else:
                self._taken.append(jti)
        return bool(answer.sets) or answer.more_available

    async def _ask(self, client: httpx.AsyncClient, acked: list[str], refused: dict[str, dict[str, str]]) -> _Polled:
        asked: dict[str, Any] = {"maxEvents": _MOST_AT_ONCE, "returnImmediately": False}
        asked |= ({"ack": acked} if acked else {}) | ({"setErrs": refused} if refused else {})
        headers = {"Accept": "application/json"}
        if self._auth is None:  # read each time, since others may renew it
            headers["Authorization"] = f"Bearer {self._transmitter.settings.bearer()}"
        async with client.stream("POST", self._url, json=asked, headers=headers) as answer:
            if answer.status_code != _HTTP_OK:
                raise PollFailedError(f"it answered {answer.status_code}")
            body = bytearray()
            async for chunk in answer.aiter_bytes():
                body += chunk
                if len(body) > _MOST_BYTES:
                    raise PollFailedError("the answer is too long")
        try:
            return msgspec.json.decode(bytes(body), type=_Polled)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            raise PollFailedError("the answer is not one of RFC 8936") from None
