"""Taking notices: each is checked, stored and published, and then acknowledged."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gatepass.bridge.notices import global_revocation, logout_token, security_event
from gatepass.bridge.store import TakenNotice
from gatepass.bridge.transmitter import KeysUnavailableError
from gatepass.jose.errors import JoseError
from gatepass.tokens.bridge_entry import BridgeEntry
from gatepass.verify.policy import MAX_LEEWAY

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from gatepass.bridge.feed import BridgeFeed
    from gatepass.bridge.notices.global_revocation import RevocationAssertion
    from gatepass.bridge.notices.notice import Ending, ForeignNotice
    from gatepass.bridge.shares import Shares
    from gatepass.bridge.store import BridgeStore
    from gatepass.bridge.transmitter import Transmitter
    from gatepass.jose import KeySet
    from gatepass.tokens.bridge_entry import FeedSecret

_log = logging.getLogger(__name__)

_READERS = {"backchannel-logout": logout_token.read, "ssf-push": security_event.read, "ssf-poll": security_event.read}


class NotTakenError(Exception):
    """A notice cannot be taken now, through no fault of its own: send it again."""


class Receiver:
    """Takes the notices of every transmitter."""

    def __init__(
        self, store: BridgeStore, feed: BridgeFeed, shares: Shares, secret: FeedSecret, *, clock: Callable[[], float]
    ) -> None:
        """Take them into a store and a feed.

        Args:
            store: Where they are kept.
            feed: Where they are published.
            shares: How many entries each transmitter may have.
            secret: What subjects and sign-ins are named with.
            clock: The time, in seconds since 1970.
        """
        self._store = store
        self._feed = feed
        self._shares = shares
        self._secret = secret
        self._clock = clock
        self._taking = asyncio.Lock()

    async def take_token(self, transmitter: Transmitter, token: str) -> None:
        """Take a signed notice; when this returns it is on the disk, and readers have been told.

        Raises:
            JoseError: It is refused.
            NotTakenError: It cannot be taken now.
        """
        settings, read = transmitter.settings, _READERS[transmitter.settings.kind]

        def check(keys: KeySet) -> ForeignNotice:
            return read(token, keys, settings, self._clock())

        with _told_of(transmitter):
            notice = await transmitter.checked(check)
        await self._take(transmitter, notice)

    async def check_assertion(self, transmitter: Transmitter, token: str) -> RevocationAssertion:
        """Check the signed JWT that a request for global revocation came with.

        Raises:
            JoseError: It is refused.
            NotTakenError: It cannot be checked now.
        """

        def check(keys: KeySet) -> RevocationAssertion:
            return global_revocation.read_assertion(token, keys, transmitter.settings, self._clock())

        with _told_of(transmitter):
            return await transmitter.checked(check)

    async def take_request(
        self, transmitter: Transmitter, body: bytes, assertion: RevocationAssertion | None = None
    ) -> bool:
        """Take a request for global revocation, as `take_token` takes a token.

        Args:
            transmitter: Who sent it, as was proved.
            body: The request.
            assertion: What proved it, if that was a signed JWT.

        Returns:
            Whether its subject has a name that tokens have, too.

        Raises:
            JoseError: It is refused.
            NotTakenError: It cannot be taken now.
        """
        with _told_of(transmitter):
            notice = global_revocation.read(body, transmitter.settings, self._clock(), assertion)
        await self._take(transmitter, notice)
        return bool(notice.endings)

    async def _take(self, transmitter: Transmitter, notice: ForeignNotice) -> None:
        now, seconds = self._clock(), transmitter.settings.token_seconds + MAX_LEEWAY
        entries = {
            self._digest(transmitter.settings.issuer, each): BridgeEntry(each.before, each.before + seconds)
            for each in notice.endings
            if each.before + seconds > now  # all tokens of before have expired
        }
        async with self._taking:  # so that events come out in the order in which they were stored
            name = transmitter.settings.name
            if not self._shares.has_room(name, entries):
                _log.error(
                    "a notice of %s is not taken, and what it revokes is accepted: it has %s of the %s entries that it"
                    " may have; token_seconds may be too long, or max_entries too small",
                    name, self._shares.held[name], self._shares.most[name],
                )  # fmt: skip
                transmitter.counts["not_taken"] += 1
                transmitter.counts["full"] += 1
                raise NotTakenError
            taken = _taken(transmitter, notice, until=notice.issued_at + seconds)
            try:
                is_new = await self._store.take(name, taken, entries)
            except sqlite3.Error as error:
                _log.error("a notice of %s cannot be stored: %s", name, error)
                transmitter.counts["not_taken"] += 1
                raise NotTakenError from None
            if is_new:
                self._shares.add(name, entries)
                self._feed.add(entries)
        _count(transmitter, notice, is_new=is_new, is_late=len(entries) < len(set(notice.endings)))

    def _digest(self, issuer: str, ending: Ending) -> str:
        """The name of an ending in the feed, always at the issuer that the transmitter is pinned to."""
        if ending.kind == "session":
            return self._secret.digest_of_session(issuer, ending.name)
        return self._secret.digest_of_subject(issuer, ending.name)


def _taken(transmitter: Transmitter, notice: ForeignNotice, *, until: int) -> TakenNotice | None:
    if notice.jti is None:
        return None
    digest = hashlib.sha256(notice.jti.encode("utf-8", "surrogatepass")).hexdigest()
    return TakenNotice(transmitter.settings.name, digest, until)


def _count(transmitter: Transmitter, notice: ForeignNotice, *, is_new: bool, is_late: bool) -> None:
    if not is_new:
        transmitter.counts["repeated"] += 1
        return
    transmitter.counts["taken"] += 1
    transmitter.counts.update(notice.ignored)
    if is_late:
        transmitter.counts["late"] += 1
    if "unknown_subject" in notice.ignored:
        _log.warning("a notice of %s names its subject in a way that no token does", transmitter.settings.name)


@contextmanager
def _told_of(transmitter: Transmitter) -> Generator[None]:
    """Count and log that a notice is refused, or has to wait."""
    try:
        yield
    except JoseError as error:
        transmitter.counts["refused"] += 1
        _log.warning("a notice of %s is refused: %s: %s", transmitter.settings.name, error.code, error)
        raise
    except KeysUnavailableError as error:
        transmitter.counts["not_taken"] += 1
        _log.warning("a notice of %s has to wait: %s", transmitter.settings.name, error)
        raise NotTakenError from None
