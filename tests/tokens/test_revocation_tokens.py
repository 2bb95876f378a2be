"""Status lists, snapshots and events: what is written is read, and nothing else is taken for one."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepass.jose import Key, base64url, jws, jwt
from gatepass.jose.errors import BadClaimError, InvalidPolicyError, JoseError
from gatepass.tokens import access_token, revocation_event, revocation_snapshot, status_list
from gatepass.tokens.revocation_event import Position, Revoked
from gatepass.tokens.status_list import SIZE, Bits

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = Key.generate("ES256")
ISSUER, URI = "https://auth.example.test", "https://auth.example.test/status/7"
NOW = 1_800_000_000


def signed(message: bytes) -> str:
    """Sign as the server does."""
    return jws.assemble(message, KEY.sign(message))


def a_list(bits: Bits, **changes: Any) -> str:  # noqa: ANN401 - any claim
    """A signed list."""
    fields = {"iss": ISSUER, "sub": URI, "iat": NOW, "exp": NOW + 100, "ttl": 30, "epoch": "e1", "event_id": 9}
    made = status_list.claims(bits, **{**fields, **changes})
    return signed(status_list.signing_input(made, alg=KEY.alg, kid=KEY.thumbprint()))


def check_list(token: str, **changes: Any) -> status_list.StatusList:  # noqa: ANN401
    """Check it as a verifier does."""
    policy = {"issuer": ISSUER, "uri": URI, "now": NOW}
    return status_list.check(token, KEY.public(), **{**policy, **changes})


@given(st.sets(st.integers(0, SIZE - 1), max_size=50))
def test_the_bits_that_were_set_are_set_and_no_others(indexes: set[int]) -> None:
    """Through compression, signature and check."""
    read = check_list(a_list(Bits.of(indexes))).unpack()
    assert read == Bits.of(indexes)
    assert all(read[index] for index in indexes)
    assert not any(read[index ^ 1] for index in indexes if index ^ 1 not in indexes)


def test_the_layout_is_the_drafts() -> None:
    """§4.1's example: statuses 1,0,0,1,1,1,0,1 1,1,0,0,0,1,0,1 are the octets B9 A3."""
    statuses = [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1]
    bits = Bits.of(index for index, status in enumerate(statuses) if status)
    octets = zlib.decompress(base64url.decode(bits.compress()))
    assert octets[:2] == bytes.fromhex("B9A3")
    assert len(octets) == SIZE // 8


@pytest.mark.parametrize("index", [-1, SIZE, 10 * SIZE])
def test_an_index_out_of_bounds_is_an_error(index: int) -> None:
    """It is not taken for a bit that is not set, and a negative one does not count from the end."""
    with pytest.raises(IndexError):
        Bits.of([SIZE - 1])[index]


@pytest.mark.parametrize(
    "octets",
    [b"", bytes(SIZE // 8 - 1), bytes(SIZE // 8 + 1), bytes(100_000_000)],
    ids=["empty", "short", "long", "bomb"],
)
def test_a_list_of_another_size_is_refused_without_inflating_it(octets: bytes) -> None:
    """A zip bomb costs no more than a list."""
    with pytest.raises(BadClaimError):
        Bits.decompress(base64url.encode(zlib.compress(octets)))


@pytest.mark.parametrize(
    "lst",
    [
        "",
        "AAAA",
        base64url.encode(zlib.compress(bytes(SIZE // 8))[:-1]),
        base64url.encode(zlib.compress(bytes(SIZE // 8)) + b"x"),
        base64url.encode(zlib.compress(bytes(SIZE // 8))[2:-4]),
        "not base64url!",
    ],
)
def test_what_is_no_compressed_list_is_refused(lst: str) -> None:
    """Cut, extended, another format: a JoseError."""
    with pytest.raises(JoseError):
        Bits.decompress(lst)


@pytest.mark.parametrize(
    ("changes", "policy", "code"),
    [
        ({"sub": URI + "0"}, {}, "bad_claim"),
        ({}, {"uri": "https://evil.example/status/7"}, "bad_claim"),
        ({"iss": "https://evil.example"}, {}, "wrong_issuer"),
        ({"exp": NOW}, {}, "expired"),
    ],
)
def test_a_list_about_another_place_or_time_is_refused(
    changes: dict[str, Any], policy: dict[str, Any], code: str
) -> None:
    """`sub` is where it was fetched from, `iss` whose it is, `exp` how long it counts."""
    with pytest.raises(JoseError) as caught:
        check_list(a_list(Bits(), **changes), **policy)
    assert caught.value.code == code


def test_statuses_of_more_bits_are_refused() -> None:
    """We write one bit, so two would be read wrongly."""
    token = check_list(a_list(Bits()))
    two_bits = msgspec.structs.replace(token, status_list=status_list._List(2, token.status_list.lst))
    with pytest.raises(BadClaimError):
        two_bits.unpack()


def a_snapshot() -> str:
    """A signed snapshot."""
    made = revocation_snapshot.Snapshot(
        iss=ISSUER, iat=NOW, exp=NOW + 100, epoch="e1", event_id=9, jtis={"t1": NOW + 50}, kids=("k1",)
    )
    return signed(revocation_snapshot.signing_input(made, alg=KEY.alg, kid=KEY.thumbprint()))


def an_event() -> str:
    """A signed event."""
    made = revocation_event.claims(
        issuer=ISSUER,
        now=NOW,
        position=Position("e1", 9),
        revoked=Revoked(after=7, status=((URI, (1, 2)),), jtis={"t1": NOW}, kids=("k1",)),
    )
    return signed(revocation_event.signing_input(made, alg=KEY.alg, kid=KEY.thumbprint()))


def test_a_snapshot_and_an_event_are_read_as_written() -> None:
    """Every field comes back."""
    snapshot = revocation_snapshot.check(a_snapshot(), KEY.public(), issuer=ISSUER, now=NOW)
    assert (snapshot.epoch, snapshot.event_id, snapshot.jtis, snapshot.kids) == ("e1", 9, {"t1": NOW + 50}, ("k1",))
    event = revocation_event.check(an_event(), KEY.public(), issuer=ISSUER, now=NOW)
    assert event.position == Position("e1", 9)
    assert event.revoked == Revoked(after=7, status=((URI, (1, 2)),), jtis={"t1": NOW}, kids=("k1",))


def an_access_token() -> str:
    """A signed access token."""
    claims = access_token.AccessToken(
        iss=ISSUER, sub="usr_1", aud="api", exp=NOW + 100, iat=NOW, jti="t", client_id="first-party"
    )
    return signed(access_token.signing_input(claims, alg=KEY.alg, kid=KEY.thumbprint()))


CHECKS: dict[str, Callable[[str], object]] = {
    "access token": lambda token: access_token.check(token, KEY.public(), issuer=ISSUER, audience="api", now=NOW),
    "status list": check_list,
    "snapshot": lambda token: revocation_snapshot.check(token, KEY.public(), issuer=ISSUER, now=NOW),
    "event": lambda token: revocation_event.check(token, KEY.public(), issuer=ISSUER, now=NOW),
}


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("kind", CHECKS)
def test_no_kind_of_token_is_taken_for_another(kind: str, check: str) -> None:
    """RFC 8725bis §3.12: a list, a snapshot, an event and an access token, each where another is expected."""
    made = {
        "access token": an_access_token(),
        "status list": a_list(Bits()),
        "snapshot": a_snapshot(),
        "event": an_event(),
    }
    if kind == check:
        CHECKS[check](made[kind])
    else:
        with pytest.raises(JoseError) as caught:
            CHECKS[check](made[kind])
        assert caught.value.code == "wrong_typ"


def test_a_shared_secret_signs_none_of_them() -> None:
    """Whoever can check one could then forge it."""
    everything = check_list(a_list(Bits()))
    snapshot = revocation_snapshot.check(a_snapshot(), KEY.public(), issuer=ISSUER, now=NOW)
    event = revocation_event.check(an_event(), KEY.public(), issuer=ISSUER, now=NOW)
    with pytest.raises(InvalidPolicyError):
        status_list.signing_input(everything, alg="HS256", kid="k")
    with pytest.raises(InvalidPolicyError):
        revocation_snapshot.signing_input(snapshot, alg="HS256", kid="k")
    with pytest.raises(InvalidPolicyError):
        revocation_event.signing_input(event, alg="HS256", kid="k")


@pytest.mark.parametrize(
    "text", ["", ":", "e1", "e1:", ":1", "e1:-1", "e1:1:1", "e1:x", "é:1", "e1:" + "9" * 19, "e 1:1"]
)
def test_what_is_no_position_is_none(text: str) -> None:
    """A reader's `Last-Event-ID` is attacker's input."""
    assert Position.parse(text) is None


def test_a_position_is_read_as_written() -> None:
    """Epoch and id."""
    assert Position.parse(str(Position("00ff", 12))) == Position("00ff", 12)


def test_an_event_without_a_position_is_refused() -> None:
    """`jti` of another form."""
    claims = {"iss": ISSUER, "iat": NOW, "jti": "x", "events": {revocation_event.REVOKED: {"after": 1}}}
    token = jwt.sign(claims, KEY, typ=revocation_event.TYP)
    with pytest.raises(BadClaimError):
        revocation_event.check(token, KEY.public(), issuer=ISSUER, now=NOW)
