"""How up to date the revocations are, as `Verifier.health` reports it."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from gatepass.tokens.heartbeat import SILENCE_SECONDS
from gatepass.tokens.revocation_event import Position

from .document import TTL_SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gatepass.verify.clocks import Moment

    from .known import Known
    from .stream import Stream

State: TypeAlias = Literal["off", "starting", "live", "stale", "list only"]


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """How up to date a verifier is.

    Attributes:
        keys_fresh: Whether the issuer's keys need not be fetched again.
        feed: `"live"`: revocations arrive within a second. `"list only"`: they are fetched each `ttl`. `"stale"`: for
            more than `stale_after` seconds revocations have been unknown, or a list that tokens name cannot be fetched.
            `"starting"`: no word yet. `"off"`: they are not followed, or the issuer does not publish them; a token
            that names a status list is checked against it all the same, unless `revocation=None`. With a bridge
            (`feed_url`) it is about whichever of the two feeds is less up to date, like `epoch` and the times.
        ready: Whether good tokens are accepted: there are keys, and what `stale="refuse"` asks for.
        known_within: The seconds within which a revocation is known at worst as things stand; None if unknown.
            It is 5 while live, also when the stream freezes this very moment (a healthy one takes less than 1), and the
            lists' `ttl` while they are fetched.
        proved_seconds_ago: The age of the last proof that we know everything, in seconds, or None.
        epoch: Which line of events we follow.
        event_id: The last event that we know.
        lists: How many status lists we hold.
        lists_missing: How many we do not hold that tokens have named within the last minute.
        refusals: How many lists, snapshots and events were refused so far: forged, older than ours, or broken.
        keys_problem: Why tokens may lack a key: the last fetch failed, or keys that are published cannot be used. None
            if there is no such reason.
    """

    keys_fresh: bool
    feed: State
    ready: bool = False
    known_within: float | None = None
    proved_seconds_ago: float | None = None
    epoch: str | None = None
    event_id: int | None = None
    lists: int = 0
    lists_missing: int = 0
    refusals: int = 0
    keys_problem: str | None = None


_FROM_THE_WORST: tuple[State, ...] = ("stale", "starting", "list only", "live", "off")


def worst_of(healths: Sequence[Health]) -> Health:
    """Of several feeds, the one that is least up to date; tokens are accepted if all of them allow it."""
    worst = min(healths, key=lambda each: _FROM_THE_WORST.index(each.feed))
    return msgspec.structs.replace(
        worst, ready=all(each.ready for each in healths), refusals=sum(each.refusals for each in healths)
    )


def health_of(known: Known, stream: Stream, now: Moment, *, keys_fresh: bool, keys_usable: bool) -> Health:
    """Say how up to date we are."""
    position, age = known.events.position or Position("", 0), known.age_of_names(now)
    missing = known.lists.missing(now.run)
    state = _state(known, stream, now, missing)
    return Health(
        keys_fresh=keys_fresh,
        feed=state,
        known_within=_known_within(known, state),
        ready=keys_usable and (known.stale == "serve" or known.are_names_fresh(now)),
        proved_seconds_ago=None if age == inf else max(0.0, age),
        epoch=position.epoch or None,
        event_id=position.event_id if position.epoch else None,
        lists=len(known.lists.held),
        lists_missing=missing,
        refusals=known.refusals,
    )


def _state(known: Known, stream: Stream, now: Moment, missing: int) -> State:
    if known.offer is None:
        return "starting"
    if known.snapshot is None:
        return "off"
    if known.snapshot.is_on_its_way:
        return "starting"
    if not known.are_names_fresh(now):
        return "stale"
    if missing:
        return "starting" if known.lists.are_all_on_their_way else "stale"
    return "live" if stream.is_live(now) else "list only"


def _known_within(known: Known, state: State) -> float | None:
    if state == "live":
        return SILENCE_SECONDS
    if state == "list only":
        return max((copy.ttl for copy in known.lists.held.values()), default=TTL_SECONDS)
    return None
