"""What a bridge tells of another issuer: which tokens were issued before."""

from __future__ import annotations

from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepass.tokens.bridge_entry import BridgeEntry, FeedSecret
from gatepass.verify.following.bridged import Bridged
from gatepass.verify.principal import Principal

ISSUER = "https://sso.example.com"
SECRET = FeedSecret("a-secret-of-the-feed-that-is-long-enough")
OF_ANN, OF_SIGN_IN = SECRET.digest_of_subject(ISSUER, "ann"), SECRET.digest_of_session(ISSUER, "s1")


def token(sub: str = "ann", sid: str | None = "s1", **claims: object) -> Principal:
    """A verified token."""
    return Principal(subject=sub, session_id=sid, claims=MappingProxyType(claims))


def told(**entries: BridgeEntry) -> Bridged:
    """A bridge that has told of Ann, or of her sign-in."""
    bridged = Bridged(ISSUER, SECRET)
    bridged.add({{"ann": OF_ANN, "sign_in": OF_SIGN_IN}[name]: entry for name, entry in entries.items()})
    return bridged


@pytest.mark.parametrize(
    ("iat", "is_dead"),
    [(99, True), (100, True), (100.9, True), (101, False), (101.5, False), (None, True), ("100", True)],
)
def test_issued_before(*, iat: object, is_dead: bool) -> None:
    """Whole seconds count, the same second is before, and what has no time is before, too."""
    for bridged in (told(ann=BridgeEntry(100, 900)), told(sign_in=BridgeEntry(100, 900))):
        assert bridged.revokes(token(iat=iat)) == is_dead


def test_whom_it_is_about() -> None:
    """A subject is not a sign-in of the same name, and another issuer's are nobody."""
    bridged = told(ann=BridgeEntry(100, 900))
    assert bridged.revokes(token(sid=None, iat=1))
    assert not bridged.revokes(token("bob", "ann", iat=1))
    assert not told(sign_in=BridgeEntry(100, 900)).revokes(token("s1", None, iat=1))
    other = Bridged("https://other.example.com", SECRET)
    other.add({OF_ANN: BridgeEntry(100, 900)})
    assert not other.revokes(token(iat=1))


def test_what_is_forgotten() -> None:
    """Once no token of before can live, and not earlier."""
    bridged = told(ann=BridgeEntry(100, 900))
    bridged.forget_ended(899)
    assert bridged.revokes(token(iat=1))
    bridged.forget_ended(900)
    assert not bridged.revokes(token(iat=1))


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=6), st.integers(0, 60))
def test_entries_only_add_up(entries: list[tuple[int, int]], iat: int) -> None:
    """In whatever order they come, what one of them revokes is revoked."""
    bridged = Bridged(ISSUER, SECRET)
    for before, until in entries:
        bridged.add({OF_ANN: BridgeEntry(before, until)})
    assert bridged.revokes(token(iat=iat)) == any(iat <= before for before, _ in entries)
