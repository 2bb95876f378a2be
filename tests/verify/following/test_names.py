"""Tokens and keys that are revoked by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.revocation_reader import STATUS_LIST, URI, principal
from tests.support.scripted_issuer import LIST

from gatepass.jose.errors import BadClaimError
from gatepass.tokens.revocation_event import Revoked
from gatepass.verify.errors import RevokedError
from gatepass.verify.following.known import PRUNE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.revocation_reader import Reader


def test_names_are_forgotten_when_their_tokens_have_ended(live: Reader) -> None:
    """Memory does not grow: a revoked token that has expired, with every leeway, needs no name."""
    live.issuer.revoke(jti="tok_2")
    live.hear_last()
    live.advance(900 + 301)
    live.beat()
    assert live.known.names.jtis == {}


def test_a_name_is_not_forgotten_by_a_clock_that_ran_ahead(live: Reader) -> None:
    """Forward by a day and back: the revoked token's name is still known."""
    live.issuer.revoke(jti="tok_2")
    live.hear_last()
    made = live.issuer.heartbeat()
    live.set_clock(86_400)
    live.advance(PRUNE_SECONDS)
    live.beat(made)
    live.set_clock(-86_400)
    assert live.verdict(principal(jti="tok_2")) == "revoked"


def test_a_revoked_key_signs_nothing_any_more(live: Reader) -> None:
    """Lists, snapshots and events by it are refused; another key's are taken."""
    stolen, other = live.issuer.keys
    live.issuer.revoke(kid=stolen.kid, key=other)
    live.hear_last()
    assert live.known.names.kids == {stolen.kid}
    attempts: tuple[Callable[[], None], ...] = (
        lambda: live.take_list(live.issuer.status_list(key=stolen)),
        lambda: live.take_snapshot(live.issuer.snapshot(key=stolen)),
        lambda: live.hear(live.issuer.event(Revoked(after=1), 2, key=stolen)),
    )
    for attempt in attempts:
        with pytest.raises(RevokedError):
            attempt()
    live.take_list(live.issuer.status_list(key=other))
    live.take_snapshot(live.issuer.snapshot(key=other))
    live.hear(live.issuer.event(Revoked(after=1), 2, key=other))


def test_a_document_that_was_read_before_its_key_was_revoked(live: Reader) -> None:
    """What is kept is decided when it is kept."""
    stolen, other = live.issuer.keys
    a_list = live.documents.read_list(URI, live.issuer.status_list(), live.issuer.published, live.now.wall)
    snapshot = live.documents.read_snapshot(live.issuer.snapshot(), live.issuer.published, live.now.wall)
    live.issuer.revoke(kid=stolen.kid, key=other)
    live.hear_last()
    with pytest.raises(RevokedError):
        live.documents.learn_list(a_list, live.now)
    with pytest.raises(RevokedError):
        live.documents.learn_snapshot(snapshot, live.now)


def test_a_key_cannot_revoke_itself(live: Reader) -> None:
    """Neither by an event nor by a snapshot: whoever stole it could say anything."""
    key = live.issuer.keys[0]
    assert key.kid is not None
    with pytest.raises(BadClaimError):
        live.hear(live.issuer.event(Revoked(after=0, kids=(key.kid,)), 1, key=key))
    with pytest.raises(BadClaimError):
        live.take_snapshot(live.issuer.snapshot(kids=(key.kid,)))
    assert live.known.names.kids == frozenset()


def test_what_a_stolen_key_signed_gives_way_to_anything(live: Reader) -> None:
    """A forged list could claim to be the newest of all; once its key is revoked the true one replaces it."""
    stolen, other = live.issuer.keys
    live.take_list(live.issuer.status_list(key=stolen, event_id=10**9, iat=int(live.now.wall) + 59))
    live.issuer.bits[LIST].set([5])
    with pytest.raises(BadClaimError):
        live.take_list(live.issuer.status_list(key=other))
    live.issuer.revoke(kid=stolen.kid, key=other)
    live.hear_last()
    assert STATUS_LIST in live.wants()
    live.take_list(live.issuer.status_list(key=other))
    assert live.verdict(principal(5)) == "revoked"


def test_a_revoked_key_stays_revoked(live: Reader) -> None:
    """Even when a later snapshot does not name it any more, in another epoch too."""
    stolen, other = live.issuer.keys
    live.issuer.revoke(kid=stolen.kid, key=other)
    live.hear_last()
    live.advance(5000)
    live.take_snapshot(live.issuer.snapshot(key=other, epoch="e2", kids=()))
    assert live.known.names.kids == {stolen.kid}
