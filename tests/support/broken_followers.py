"""Followers that lack one rule of docs/protocol/revocation.md each, and the scenarios that have to find them out."""

from __future__ import annotations

import re
from math import inf
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from gatepass.jose import base64url
from gatepass.jose.errors import BadClaimError, JoseError
from gatepass.testing.feed.scenarios import documents as scripts
from gatepass.tokens import heartbeat, published_keys, revocation_event, revocation_snapshot, status_list
from gatepass.tokens.heartbeat import Heartbeat
from gatepass.tokens.revocation_event import RevocationEvent
from gatepass.tokens.status_list import Bits, StatusList, StatusReference
from gatepass.verify import fetch, follow, http_client, issuer
from gatepass.verify.following import documents, known, proof, sse, status_lists, stream, verdict
from gatepass.verify.following.document import Document
from gatepass.verify.following.documents import Documents
from gatepass.verify.following.events import KnownEvents
from gatepass.verify.following.known import Known
from gatepass.verify.following.names import Names
from gatepass.verify.following.proof import FreshnessProof
from gatepass.verify.following.retry import Trouble
from gatepass.verify.following.stream import LostError, Resync, Stream

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


class BrokenFollower(NamedTuple):
    """A follower that lacks a rule.

    Attributes:
        breaks: Takes the rule out of our own.
        found_by: The scenarios that complain of it.
    """

    breaks: Callable[[pytest.MonkeyPatch], None]
    found_by: tuple[str, ...]


BROKEN: list[BrokenFollower] = []


def found_by(*scenarios: str) -> Callable[[Callable[[pytest.MonkeyPatch], None]], Callable[[pytest.MonkeyPatch], None]]:
    """Add a broken follower, and say which scenarios find it out."""

    def added(breaks: Callable[[pytest.MonkeyPatch], None]) -> Callable[[pytest.MonkeyPatch], None]:
        BROKEN.append(BrokenFollower(breaks, scenarios))
        return breaks

    return added


def _nothing(*_: object, **__: object) -> None:
    pass


def _unverified(kind: type[Any]) -> Callable[..., Any]:
    """A check that believes everything that has the shape."""

    def check(token: str, *_: object, **__: object) -> Any:  # noqa: ANN401 - as the kind
        return msgspec.json.decode(base64url.decode(token.split(".")[1]), type=kind)

    return check


# ── what is revoked ──


@found_by("by-jti", "a-whole-person", "revoked-before-the-start", "a-heartbeat-that-knows-more", "resync")
def takes_no_tokens_by_id(mend: pytest.MonkeyPatch) -> None:
    """`jtis` of snapshot and events are not looked at."""
    mend.setattr(Names, "add_tokens", _nothing)


@found_by("by-index", "ten-thousand-at-once", "a-thousand-lists", "events-out-of-order")
def takes_no_bits_of_events(mend: pytest.MonkeyPatch) -> None:
    """Events set no bits in lists that are held."""
    mend.setattr(status_lists.StatusListCopies, "hear", _nothing)


@found_by("a-key")
def believes_revoked_keys(mend: pytest.MonkeyPatch) -> None:
    """`kids` are not looked at."""
    mend.setattr(Names, "add_keys", lambda *_: frozenset())


@found_by("an-index-out-of-range")
def accepts_indexes_beyond_the_list(mend: pytest.MonkeyPatch) -> None:
    """What a list does not have is taken for good."""
    judged = verdict.Verdict._is_listed_as_good

    def is_listed_as_good(self: verdict.Verdict, *args: Any) -> bool:  # noqa: ANN401 - passed on
        try:
            return judged(self, *args)
        except BadClaimError:
            return True

    mend.setattr(verdict.Verdict, "_is_listed_as_good", is_listed_as_good)


@found_by("a-token-without-a-status")
def looks_for_a_list_of_every_token(mend: pytest.MonkeyPatch) -> None:
    """A token that names no list is looked up in the first one."""
    mend.setattr(Known, "statuses_of", lambda self, _: (StatusReference(0, f"{self.issuer}/status/1"),))


# ── order ──


@found_by("a-list-with-an-earlier-iat", "an-older-epoch")
def believes_older_documents(mend: pytest.MonkeyPatch) -> None:
    """An older document replaces a newer one."""
    mend.setattr(Document, "refuse_older", _nothing)


@found_by("a-replayed-snapshot", "a-replayed-list")
def goes_by_the_last_documents_alone(mend: pytest.MonkeyPatch) -> None:
    """What a document does not name is forgotten, and an older one is believed."""
    believes_older_documents(mend)
    takes_bits_back(mend)
    mend.setattr(Known, "prune", lambda self, _: self.names.jtis.clear())


@found_by("a-list-behind-the-stream", "a-cached-list-for-that-of-a-stolen-key")
def forgets_the_bits_of_events(mend: pytest.MonkeyPatch) -> None:
    """A list that comes after an event, and was made before it, is taken as it is."""
    mend.setattr(KnownEvents, "since", lambda *_: ())


@found_by("a-cached-list-after-starting-over", "more-bits-than-are-remembered")
def takes_bits_back(mend: pytest.MonkeyPatch) -> None:
    """An older list, in which events have set bits, is replaced by another that lacks them."""
    mend.setattr(status_lists.Copy, "knows_more_than", lambda *_: False)


@found_by("a-snapshot-ahead-of-the-stream", "a-cached-snapshot")
def moves_with_every_snapshot(mend: pytest.MonkeyPatch) -> None:
    """Each snapshot is the new position, though the stream goes on from another."""
    mend.setattr(Documents, "_carry_on_from", lambda self, position: setattr(self._known.events, "position", position))


def _hears_event(mend: pytest.MonkeyPatch, meant: Callable[[Stream, RevocationEvent], RevocationEvent | None]) -> None:
    """Take an event for what a broken follower takes it; None ignores it."""
    heard = Stream.hear_event

    def hear_event(self: Stream, connection: Any, event: RevocationEvent, now: Any) -> None:  # noqa: ANN401 - passed on
        taken = meant(self, event)
        if taken is not None:
            heard(self, connection, taken, now)

    mend.setattr(Stream, "hear_event", hear_event)


def _after(event: RevocationEvent, after: int) -> RevocationEvent:
    revoked = msgspec.structs.replace(event.revoked, after=after)
    return msgspec.structs.replace(event, events=msgspec.structs.replace(event.events, revoked=revoked))


def _position(self: Stream) -> Any:  # noqa: ANN401 - a Position, or None
    return self._known.events.position


@found_by("a-gap")
def does_not_notice_gaps(mend: pytest.MonkeyPatch) -> None:
    """`after` is not looked at."""
    _hears_event(mend, lambda _, event: _after(event, 0))


@found_by("a-duplicate", "an-overlap", "events-out-of-order")
def starts_over_for_what_is_known(mend: pytest.MonkeyPatch) -> None:
    """An event whose `after` is below the position counts as a gap."""
    _hears_event(
        mend,
        lambda self, event: _after(event, 10**9) if event.revoked.after != _position(self).event_id else event,
    )


@found_by("an-event-of-another-epoch", "a-new-epoch")
def ignores_other_epochs(mend: pytest.MonkeyPatch) -> None:
    """What is of another epoch is ignored, in place of starting over."""
    _hears_event(mend, lambda self, event: event if event.position.epoch == _position(self).epoch else None)
    _hears_heartbeat(mend, lambda self, beat: beat if beat.epoch == _position(self).epoch else None)
    greeted = Stream.hear_greeting

    def hear_greeting(self: Stream, connection: Any, data: str, now: Any) -> None:  # noqa: ANN401 - passed on
        if f'"{_position(self).epoch}"' in data:
            greeted(self, connection, data, now)

    mend.setattr(Stream, "hear_greeting", hear_greeting)


def _greeted_anyway(self: Stream, connection: Any, _: str, now: Any) -> None:  # noqa: ANN401 - passed on
    connection.heard_at, connection.goal = now.run, 0
    self._current, self._next = connection, None


@found_by("a-greeting-behind-on-the-only-stream", "a-forged-greeting")
def does_not_read_greetings(mend: pytest.MonkeyPatch) -> None:
    """Whatever the greeting says, the stream goes on, and counts as caught up."""
    mend.setattr(Stream, "hear_greeting", _greeted_anyway)


@found_by("a-snapshot-behind-the-stream")
def jumps_to_the_greeting(mend: pytest.MonkeyPatch) -> None:
    """The greeting is the new position, before what was missed has come."""
    greeted = Stream.hear_greeting

    def hear_greeting(self: Stream, connection: Any, data: str, now: Any) -> None:  # noqa: ANN401 - passed on
        greeted(self, connection, data, now)
        self._known.events.position = msgspec.structs.replace(_position(self), event_id=connection.goal)

    mend.setattr(Stream, "hear_greeting", hear_greeting)


@found_by("a-greeting-behind-beside-another")
def starts_over_for_any_greeting_behind(mend: pytest.MonkeyPatch) -> None:
    """A second stream that is behind costs what the first one has."""
    greeted = Stream.hear_greeting

    def hear_greeting(self: Stream, *args: Any) -> None:  # noqa: ANN401 - passed on
        try:
            greeted(self, *args)
        except LostError:
            self._known.start_over()
            raise

    mend.setattr(Stream, "hear_greeting", hear_greeting)


# ── who has signed it ──


@found_by(
    "an-event-by-another-key",
    "an-event-with-alg-none",
    "an-event-with-the-public-key-as-secret",
    "an-event-of-another-issuer",
    "a-stolen-key-that-names-an-honest-one",
)
def believes_any_event(mend: pytest.MonkeyPatch) -> None:
    """Events are not verified."""
    mend.setattr(known, "signer_of", lambda _: "any")
    mend.setattr(revocation_event, "check", _unverified(RevocationEvent))


@found_by("an-event-of-another-typ", "a-snapshot-as-a-list")
def does_not_look_at_typ(mend: pytest.MonkeyPatch) -> None:
    """A token of any kind passes for any other."""
    mend.setattr(revocation_event, "TYP", None)
    mend.setattr(status_list, "TYP", None)


@found_by("a-forged-list", "an-expired-list", "a-list-of-another-issuer", "a-list-for-another-url")
def believes_any_list(mend: pytest.MonkeyPatch) -> None:
    """Lists are not verified."""
    mend.setattr(status_list, "check", _unverified(StatusList))
    mend.setattr(documents.Documents, "learn_list", _as_if_fetched(documents.Documents.learn_list))


def _as_if_fetched(learned: Callable[..., None]) -> Callable[..., None]:
    """A list for another URL is taken for the one that was asked for."""

    def learn_list(self: Documents, read: documents.ReadList, now: Any) -> None:  # noqa: ANN401 - passed on
        url = f"{self._known.issuer}/status/1"
        learned(self, read._replace(claims=msgspec.structs.replace(read.claims, sub=url)), now)

    return learn_list


@found_by("a-forged-heartbeat")
def believes_any_heartbeat(mend: pytest.MonkeyPatch) -> None:
    """Heartbeats are not verified."""
    mend.setattr(heartbeat, "check", _unverified(Heartbeat))


@found_by("a-key-that-revokes-itself")
def lets_an_event_revoke_its_own_key(mend: pytest.MonkeyPatch) -> None:
    """An event may name its own key."""
    mend.setattr(stream, "refuse_own_key", _nothing)


@found_by("a-snapshot-that-revokes-its-key")
def lets_a_snapshot_revoke_its_own_key(mend: pytest.MonkeyPatch) -> None:
    """A snapshot may name its own key."""
    mend.setattr(documents, "refuse_own_key", _nothing)


@found_by("an-event-beyond-the-list")
def takes_indexes_that_no_list_has(mend: pytest.MonkeyPatch) -> None:
    """The indexes of an event have no bound."""
    mend.setattr(stream, "status_list", SimpleNamespace(SIZE=inf))


@found_by("a-token-by-the-key-of-documents", "a-stolen-key-that-names-an-honest-one")
def does_not_tell_keys_apart(mend: pytest.MonkeyPatch) -> None:
    """Every key verifies tokens and documents, marked or not."""
    mend.setattr(issuer, "split", lambda keys, _: published_keys.PublishedKeys(keys, keys))


@found_by("an-event-of-an-unknown-key")
def asks_for_keys_at_each_document(mend: pytest.MonkeyPatch) -> None:
    """Documents of unknown keys cause any number of fetches."""
    mend.setattr(issuer, "SIGNERS_LOOKED_FOR", 1000)


@found_by("a-flood-of-unknown-keys")
def asks_for_keys_at_each_token(mend: pytest.MonkeyPatch) -> None:
    """Tokens of unknown keys cause any number of fetches."""
    mend.setattr(issuer.IssuerKeys, "may_ask", lambda *_: True)


@found_by("a-new-key")
def asks_for_no_new_keys(mend: pytest.MonkeyPatch) -> None:
    """A document of an unknown key is refused without asking for the keys."""
    mend.setattr(fetch.KeySource, "look_again", _nothing)


# ── the stream ──


def _hears_heartbeat(mend: pytest.MonkeyPatch, meant: Callable[[Stream, Heartbeat], Heartbeat | None]) -> None:
    """Take a heartbeat for what a broken follower takes it; None ignores it."""
    heard = Stream.hear_heartbeat

    def hear_heartbeat(self: Stream, beat: Heartbeat, now: Any) -> None:  # noqa: ANN401 - passed on
        taken = None if _position(self) is None else meant(self, beat)
        if taken is not None:
            heard(self, taken, now)

    mend.setattr(Stream, "hear_heartbeat", hear_heartbeat)


@found_by("a-heartbeat-that-knows-more")
def does_not_look_at_head(mend: pytest.MonkeyPatch) -> None:
    """A heartbeat that knows more is ignored."""
    _hears_heartbeat(mend, lambda self, beat: beat if beat.head <= _position(self).event_id else None)


@found_by("a-replayed-heartbeat", "a-node-without-its-store")
def takes_a_heartbeat_for_news(mend: pytest.MonkeyPatch) -> None:
    """A heartbeat proves that everything is known when it comes."""
    heard = Stream.hear_heartbeat

    def hear_heartbeat(self: Stream, beat: Heartbeat, now: Any) -> None:  # noqa: ANN401 - passed on
        heard(self, msgspec.structs.replace(beat, as_of=now.wall, iat=now.wall), now)

    mend.setattr(Stream, "hear_heartbeat", hear_heartbeat)


@found_by("a-node-without-its-store-and-with-a-fast-clock")
def takes_a_heartbeat_for_as_young_as_it_came(mend: pytest.MonkeyPatch) -> None:
    """`iat` - `as_of` is not counted."""
    _hears_heartbeat(mend, lambda _, beat: msgspec.structs.replace(beat, iat=beat.as_of))


@found_by("a-heartbeat-of-the-future")
def believes_in_the_future(mend: pytest.MonkeyPatch) -> None:
    """A proof may be of any time."""
    mend.setattr(proof, "MAX_CLOCK_LEAD", inf)


@found_by("a-clock-set-back-makes-nothing-young")
def goes_by_the_wall_clock_alone(mend: pytest.MonkeyPatch) -> None:
    """The clock that only runs is not looked at."""
    mend.setattr(FreshnessProof, "age", lambda self, now: now.wall - self.as_of)


@found_by("a-clock-set-forward", "a-clock-set-back")
def judges_documents_by_its_clock(mend: pytest.MonkeyPatch) -> None:
    """What was made more than ten minutes ago or ahead is refused."""
    for module, kind in ((revocation_event, "event"), (status_list, "list"), (revocation_snapshot, "snapshot")):
        mend.setattr(module, "check", _within_ten_minutes(module.check, kind))


def _within_ten_minutes(checked: Callable[..., Any], kind: str) -> Callable[..., Any]:
    def check(*args: Any, now: float, **more: Any) -> Any:  # noqa: ANN401 - passed on
        found = checked(*args, now=now, **more)
        if abs(found.iat - now) > 600:
            raise BadClaimError(f"the {kind} is of another time", claim="iat")
        return found

    return check


@found_by("only-comments")
def takes_comments_for_proof(mend: pytest.MonkeyPatch) -> None:
    """A stream that is open proves that everything is known."""

    def hear_comment(self: Stream, connection: Any, now: Any) -> None:  # noqa: ANN401 - as the rule's
        connection.heard_at = now.run
        self._known.by_stream = FreshnessProof(now.wall, now.run)

    mend.setattr(Stream, "hear_comment", hear_comment)


@found_by("half-open", "a-drip", "a-second-stream")
def waits_for_a_silent_stream(mend: pytest.MonkeyPatch) -> None:
    """A silent stream is believed in until it ends."""
    mend.setattr(stream, "DOUBT_SECONDS", inf)
    mend.setattr(stream, "SILENCE_SECONDS", inf)


@found_by("a-second-stream")
def closes_a_silent_stream_first(mend: pytest.MonkeyPatch) -> None:
    """A stream is given up before there is another."""
    mend.setattr(stream, "SILENCE_SECONDS", 2.9)


@found_by("an-oversized-message")
def reads_messages_without_end(mend: pytest.MonkeyPatch) -> None:
    """A message may have any size."""
    mend.setattr(follow, "Parser", lambda: sse.Parser(1 << 40))


@found_by("resync")
def ignores_resync(mend: pytest.MonkeyPatch) -> None:
    """The position is kept when the issuer does not have the events since."""
    mend.setattr(follow, "said", lambda message: None if message.event == "resync" else stream.said(message))


@found_by("resume")
def starts_over_with_each_stream(mend: pytest.MonkeyPatch) -> None:
    """A stream that ends costs all documents."""
    closed = Stream.closed

    def closed_and_lost(self: Stream, *args: Any, **more: Any) -> None:  # noqa: ANN401 - passed on
        closed(self, *args, **more)
        self._known.start_over()

    mend.setattr(Stream, "closed", closed_and_lost)


@found_by("too-many-streams", "too-many-requests")
def does_not_wait_as_it_is_told(mend: pytest.MonkeyPatch) -> None:
    """Retry-After is not looked at."""
    mend.setattr(stream, "_LONGEST_RETRY_AFTER", 0.0)


@found_by("a-stream-of-another-media-type")
def listens_to_any_media_type(mend: pytest.MonkeyPatch) -> None:
    """Whatever answers is a stream."""
    mend.setattr(http_client, "EVENT_STREAM", "text/html")


@found_by("unusual-framing")
def reads_lines_that_end_by_line_feed(mend: pytest.MonkeyPatch) -> None:
    """Server-sent events with CRLF are not understood."""
    mend.setattr(sse, "_END_OF_LINE", re.compile(rb"\n"))


@found_by("unknown-messages")
def starts_over_for_what_it_does_not_know(mend: pytest.MonkeyPatch) -> None:
    """A message of another kind counts as resync."""
    mend.setattr(follow, "said", lambda message: stream.said(message) or Resync())


# ── documents ──


@found_by("a-list-of-the-future")
def believes_lists_of_the_future(mend: pytest.MonkeyPatch) -> None:
    """`iat` has no bound."""
    mend.setattr(documents, "refuse_future", _nothing)


@found_by("an-inflated-list", "a-list-that-is-too-short", "a-list-of-two-bits", "a-list-that-is-not-compressed")
def takes_lists_as_they_are(mend: pytest.MonkeyPatch) -> None:
    """The bits of a list have no size, and what cannot be inflated has none that are set."""

    def unpack(self: StatusList) -> Bits:
        try:
            return Bits.decompress(self.status_list.lst)
        except JoseError:
            return Bits()

    mend.setattr(StatusList, "unpack", unpack)


@found_by("an-endless-list")
def reads_documents_without_end(mend: pytest.MonkeyPatch) -> None:
    """An answer may have any size, and may take any time."""
    mend.setattr(http_client, "FETCH_SECONDS", 60.0)
    read = http_client.HttpxFetch._read

    async def read_on(self: http_client.HttpxFetch, *args: Any) -> Any:  # noqa: ANN401 - passed on
        mend.setattr(self, "_max_bytes", 1 << 40)
        return await read(self, *args)

    mend.setattr(http_client.HttpxFetch, "_read", read_on)


@found_by("a-slow-list")
def lets_tokens_wait_for_a_list(mend: pytest.MonkeyPatch) -> None:
    """A token waits as long as its list takes."""
    mend.setattr(follow, "FIRST_SECONDS", 60.0)
    mend.setattr(scripts, "_WAIT_SECONDS", 0.7)  # the fetch itself ends after a second in these tests


@found_by("a-list-that-does-not-exist")
def asks_again_for_what_is_missing(mend: pytest.MonkeyPatch) -> None:
    """A 404 is as any failure."""
    mend.setattr(documents, "MISSING_SECONDS", 0)


@found_by("a-list-that-fails", "a-snapshot-that-fails")
def tries_documents_once(mend: pytest.MonkeyPatch) -> None:
    """A document that failed is not asked for again."""
    mend.setattr(Trouble, "is_over", lambda self, _: not self)


@found_by("everything-is-down")
def storms_an_issuer_that_is_down(mend: pytest.MonkeyPatch) -> None:
    """What failed is asked for again at once."""
    mend.setattr(Trouble, "is_over", lambda *_: True)


@found_by("keys-that-fail")
def asks_for_keys_once(mend: pytest.MonkeyPatch) -> None:
    """Keys that could not be had are not asked for again."""
    mend.setattr(issuer.IssuerKeys, "retry_after", lambda *_: 3600.0)


@found_by("unknown-members")
def ignores_what_has_members_that_it_does_not_know(mend: pytest.MonkeyPatch) -> None:
    """A heartbeat with more members than the page has proves nothing."""
    heeded = follow.Follower._heed_heartbeat

    async def heed_heartbeat(self: follow.Follower, token: str) -> None:
        members = msgspec.json.decode(base64url.decode(token.split(".")[1]))
        if set(members) <= set(Heartbeat.__struct_fields__):
            await heeded(self, token)

    mend.setattr(follow.Follower, "_heed_heartbeat", heed_heartbeat)


@found_by("no-stream", "no-feed")
def polls_every_ten_minutes(mend: pytest.MonkeyPatch) -> None:
    """`ttl` is not looked at."""
    mend.setattr(Documents, "_polled_seconds", lambda *_: documents.RENEWAL_SECONDS)


# ── origins ──


@found_by("a-list-at-another-origin")
def fetches_lists_from_anywhere(mend: pytest.MonkeyPatch) -> None:
    """A token may name a list at any origin."""
    mend.setattr(status_lists, "_is_ours", lambda *_: True)


@found_by("an-offer-of-another-origin")
def follows_feeds_from_anywhere(mend: pytest.MonkeyPatch) -> None:
    """The metadata may name a stream at any origin."""
    mend.setattr(issuer, "is_same_origin", lambda *_: True)


@found_by("a-redirect-elsewhere", "a-redirect-of-the-snapshot")
def follows_redirects(mend: pytest.MonkeyPatch) -> None:
    """Documents may be anywhere."""
    import httpx  # noqa: PLC0415 - its class is changed only here

    made = httpx.AsyncClient.__init__

    def init(self: httpx.AsyncClient, **options: Any) -> None:  # noqa: ANN401 - passed on
        made(self, **options, follow_redirects=True)

    mend.setattr(httpx.AsyncClient, "__init__", init)
