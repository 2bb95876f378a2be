"""The state machine behind a verifier's keys: when it fetches what, without any I/O."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from gatepass.jose import Key, KeySet
from gatepass.verify import Fetched, FetchError
from gatepass.verify import issuer as module
from gatepass.verify.issuer import IssuerKeys, fresh_seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gatepass.verify.issuer import Published

URL = "https://auth.example.com"
JWKS_URL = "https://auth.example.com/jwks.json"
KEY = Key.generate("ES256")
NOW = 1000.0


def document(*keys: Key, status: int = 200, headers: Mapping[str, str] | None = None) -> Fetched:
    """Publish keys."""
    return Fetched(status, headers or {}, json.dumps(KeySet(keys).to_jwks()).encode())


def metadata(**changes: object) -> Fetched:
    """Publish metadata."""
    return Fetched(200, {}, json.dumps({"issuer": URL, "jwks_uri": JWKS_URL} | changes).encode())


def follow(issuer: IssuerKeys, answers: Mapping[str, Fetched], *, now: float = NOW) -> tuple[list[str], Published]:
    """Fetch what the issuer asks for, and say what that was."""
    asked: list[str] = []
    flow = issuer.refresh(now)
    try:
        url = next(flow)
        while True:
            asked.append(url)
            url = flow.send(answers[url])
    except StopIteration as stop:
        return asked, stop.value


def ready(*keys: Key, headers: Mapping[str, str] | None = None) -> IssuerKeys:
    """Know an issuer whose keys were fetched at `NOW`."""
    issuer = IssuerKeys(URL, jwks_url=JWKS_URL)
    issuer.learn(follow(issuer, {JWKS_URL: document(*keys or (KEY,), headers=headers)})[1], NOW)
    return issuer


# ── what it asks for ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("issuer", "urls"),
    [
        (
            "https://auth.example.com",
            [
                "https://auth.example.com/.well-known/oauth-authorization-server",
                "https://auth.example.com/.well-known/openid-configuration",
            ],
        ),
        (
            "https://auth.example.com/",
            [
                "https://auth.example.com/.well-known/oauth-authorization-server",
                "https://auth.example.com/.well-known/openid-configuration",
            ],
        ),
        (
            "https://auth.example.com:8443/realms/a",
            [
                "https://auth.example.com:8443/.well-known/oauth-authorization-server/realms/a",
                "https://auth.example.com:8443/realms/a/.well-known/openid-configuration",
            ],
        ),
    ],
)
def test_where_metadata_is(issuer: str, urls: list[str]) -> None:
    """RFC 8414 §3.1 puts the well-known part before the path, OpenID Connect Discovery §4 behind it."""
    flow = IssuerKeys(issuer).refresh(NOW)
    assert [next(flow), flow.send(Fetched(404, {}, b""))] == urls
    with pytest.raises(FetchError):
        flow.send(Fetched(404, {}, b""))


def test_metadata_is_asked_once_a_day() -> None:
    """Later refreshes go straight to the keys, until the metadata is a day old."""
    issuer = IssuerKeys(URL)
    metadata_url = URL + "/.well-known/oauth-authorization-server"
    answers = {metadata_url: metadata(), JWKS_URL: document(KEY)}
    asked, published = follow(issuer, answers)
    assert asked == [metadata_url, JWKS_URL]
    issuer.learn(published, NOW)
    later = NOW + module.DISCOVERY_SECONDS
    assert follow(issuer, answers, now=later - 1)[0] == [JWKS_URL]
    assert follow(issuer, answers, now=later)[0] == [metadata_url, JWKS_URL]


def test_a_given_jwks_url_needs_no_metadata() -> None:
    """With `jwks_url` the keys are asked for directly, after a failure too."""
    issuer = ready()
    issuer.fail("down", NOW)
    assert follow(issuer, {JWKS_URL: document(KEY)})[0] == [JWKS_URL]


@pytest.mark.parametrize(
    "first",
    [
        Fetched(500, {}, b""),
        Fetched(503, {}, b""),
        Fetched(403, {}, b""),
        Fetched(302, {}, b""),
        Fetched(200, {}, b"<!doctype html>"),
    ],
)
def test_a_place_that_fails_is_followed_by_the_next(first: Fetched) -> None:
    """A proxy or a page of the application may answer at one well-known place while the document is at the other."""
    flow = IssuerKeys(URL).refresh(NOW)
    next(flow)
    assert flow.send(first) == URL + "/.well-known/openid-configuration"
    assert flow.send(metadata()) == JWKS_URL


@pytest.mark.parametrize("second", [404, 500])
def test_an_outage_at_the_first_place_is_remembered(second: int) -> None:
    """If the other place has no document, it is the outage that is told, not that there is no metadata."""
    flow = IssuerKeys(URL).refresh(NOW)
    next(flow)
    flow.send(Fetched(502, {}, b""))
    with pytest.raises(FetchError, match="oauth-authorization-server answered 502"):
        flow.send(Fetched(second, {}, b""))


@pytest.mark.parametrize("issuer", [URL + "/", URL.upper(), "http://auth.example.com", "", None, [URL]])
def test_metadata_must_name_the_issuer_exactly(issuer: object) -> None:
    """No difference is small enough to be overlooked (RFC 8414 §3.3)."""
    flow = IssuerKeys(URL).refresh(NOW)
    next(flow)
    with pytest.raises(FetchError, match="another issuer"):
        flow.send(metadata(issuer=issuer))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]", "localhost."])
def test_a_public_issuer_cannot_point_at_this_machine(host: str) -> None:
    """Else whoever may write the metadata reads what only this machine may reach (RFC 8725bis §3.10)."""
    flow = IssuerKeys(URL).refresh(NOW)
    next(flow)
    with pytest.raises(FetchError, match="on this machine"):
        flow.send(metadata(jwks_uri=f"https://{host}/jwks"))


# ── when ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_is_known_at_first() -> None:
    """Before the first fetch it is due, and no key may be used."""
    issuer = IssuerKeys(URL)
    assert issuer.is_due(0)
    assert not issuer.is_usable(0)


def test_fresh_then_stale_then_of_no_use() -> None:
    """Keys are fresh for their term, usable for three days, and then gone."""
    issuer = ready(headers={"cache-control": "max-age=300"})
    assert not issuer.is_due(NOW + 299)
    assert issuer.fresh_until == NOW + 300
    assert issuer.is_due(NOW + 300)
    assert issuer.is_usable(NOW + module.USABLE_SECONDS - 1)
    assert not issuer.is_usable(NOW + module.USABLE_SECONDS)


def test_failures_wait_longer_each_time() -> None:
    """5, 10, 20, 40 and then 60 seconds; a success starts over."""
    issuer = ready()
    waits = []
    for _ in range(6):
        issuer.fail("down", NOW)
        waits.append(issuer.retry_after(NOW))
    assert waits == [5, 10, 20, 40, 60, 60]
    assert not issuer.is_due(NOW + 59.9)
    assert issuer.is_due(NOW + 60)
    issuer.learn(follow(issuer, {JWKS_URL: document(KEY)})[1], NOW)
    issuer.fail("down", NOW)
    assert issuer.retry_after(NOW) == 5


def test_a_failure_leaves_the_keys() -> None:
    """What was known stays known."""
    issuer = ready()
    issuer.fail("down", NOW)
    assert [key.kid for key in issuer.keys] == [KEY.kid]
    assert issuer.failure == "down"


def test_unknown_kids_ask_once_in_a_while() -> None:
    """One fetch, then none for half a minute, however many tokens come."""
    issuer = ready()
    assert issuer.may_ask(NOW)
    assert not any(issuer.may_ask(NOW + seconds) for seconds in range(module.UNKNOWN_KID_SECONDS))
    assert issuer.may_ask(NOW + module.UNKNOWN_KID_SECONDS)


def test_a_clock_that_is_set_back_stops_nothing() -> None:
    """After a jump into the past keys are fetched again rather than believed, and no wait lasts for days."""
    issuer = ready()
    issuer.may_ask(NOW)
    issuer.fail("down", NOW)
    long_ago = NOW - 500
    assert issuer.retry_after(long_ago) == 0
    assert issuer.is_due(long_ago)
    assert issuer.may_ask(long_ago)


def test_the_same_keys_stay_the_same_object() -> None:
    """A refresh that brings nothing new does not make anybody forget what those keys have verified."""
    issuer = ready()
    before = issuer.keys
    issuer.learn(follow(issuer, {JWKS_URL: document(KEY)})[1], NOW + 600)
    assert issuer.keys is before
    issuer.learn(follow(issuer, {JWKS_URL: document(Key.generate("ES256"))})[1], NOW + 1200)
    assert issuer.keys is not before


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 600),
        ({"cache-control": "public, max-age=900"}, 900),
        ({"cache-control": "MAX-AGE=900"}, 900),
        ({"cache-control": 'max-age="900"'}, 900),
        ({"cache-control": "max-age=900", "age": "100"}, 800),
        ({"cache-control": "max-age=900", "age": "-100"}, 900),
        ({"cache-control": "max-age=900", "age": "900"}, 60),
        ({"cache-control": "max-age=0"}, 60),
        ({"cache-control": "max-age=1"}, 60),
        ({"cache-control": "max-age=86400"}, 3600),
        ({"cache-control": "max-age=" + "9" * 5000}, 3600),
        ({"cache-control": "no-store, max-age=900"}, 60),
        ({"cache-control": "no-cache"}, 60),
        ({"cache-control": "s-maxage=900"}, 600),
        ({"cache-control": "max-age=-5"}, 600),
        ({"cache-control": "max-age=٣"}, 600),
        ({"cache-control": "max-age=60, max-age=3600"}, 600),
        ({"cache-control": "max-age="}, 600),
    ],
)
def test_how_long_keys_are_fresh(headers: dict[str, str], seconds: int) -> None:
    """`Cache-Control` decides between a minute and an hour; what makes no sense counts as absent."""
    assert fresh_seconds(headers) == seconds


def test_published_keys_that_name_no_algorithm() -> None:
    """`alg` says what RSA keys without one are for; without it they are skipped."""
    rsa = Key.generate("RS256")
    member = {name: value for name, value in rsa.public().to_jwk().items() if name != "alg"}
    answer = Fetched(200, {}, json.dumps({"keys": [member]}).encode())
    for alg, found in ((None, []), ("RS256", ["RS256"]), ("PS256", ["PS256"])):
        published = follow(IssuerKeys(URL, jwks_url=JWKS_URL, alg=alg), {JWKS_URL: answer})[1]
        assert [key.alg for key in published.keys] == found
