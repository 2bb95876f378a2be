"""Documents that the issuer did not sign, or not as what they are shown as."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import TYPE_CHECKING

from gatepass.jose import Key, base64url
from gatepass.testing.feed.publishing import by_id, comment, unsigned_parts
from gatepass.testing.feed.scenario import Scenarios
from gatepass.testing.feed.sections import PageSection

if TYPE_CHECKING:
    from gatepass.testing.feed.stage import Stage

SCENARIOS = Scenarios()
_TYP = "secevent+jwt"
_FLOOD_SECONDS = 10


async def _disbelieves(stage: Stage, forged: str, victim: str, why: str) -> None:
    """Send a forged event, and see that only true ones are believed, before it and after."""
    before, after = stage.token("revoked before"), stage.token("revoked after")
    await stage.begin(victim, before, after)
    stage.say("revoked", forged)
    await stage.keeps(victim, 2, accepted=True, though=f"believing an event {why}", section=PageSection.DOCUMENTS)
    await stage.connected()
    stage.revoke_ids(after)
    await stage.refuses(after, after="its true event was sent, after a forged one", section=PageSection.FAILURE)
    await stage.accepts(victim, though=f"only an event {why} revoked it", section=PageSection.DOCUMENTS)


@SCENARIOS.add()
async def an_event_by_another_key(stage: Stage) -> None:
    """An event is signed by a stranger's key under the name of the issuer's."""
    victim = stage.token("victim")
    forged = stage.feed.sign(
        stage.feed.event_claims(by_id([victim]), after=1, event_id=2),
        _TYP,
        key=Key.generate("ES256"),
        kid=stage.feed.keys[0].kid,
    )
    await _disbelieves(stage, forged, victim, "by another key")


@SCENARIOS.add()
async def an_event_with_alg_none(stage: Stage) -> None:
    """An event has `alg` none and no signature."""
    victim = stage.token("victim")
    claims = stage.feed.event_claims(by_id([victim]), after=1, event_id=2)
    parts = unsigned_parts(claims, {"alg": "none", "typ": _TYP, "kid": stage.feed.keys[0].kid})
    await _disbelieves(stage, f"{parts}.", victim, "with alg none")


@SCENARIOS.add()
async def an_event_with_the_public_key_as_secret(stage: Stage) -> None:
    """An event has an HMAC whose secret is the issuer's public key."""
    victim, key = stage.token("victim"), stage.feed.keys[0]
    claims = stage.feed.event_claims(by_id([victim]), after=1, event_id=2)
    parts = unsigned_parts(claims, {"alg": "HS256", "typ": _TYP, "kid": key.kid})
    secret = json.dumps(stage.feed.jwks["keys"][0]).encode()
    tag = hmac.digest(secret, parts.encode(), hashlib.sha256)
    await _disbelieves(stage, f"{parts}.{base64url.encode(tag)}", victim, "with the public key as an HMAC secret")


@SCENARIOS.add()
async def an_event_of_another_typ(stage: Stage) -> None:
    """What is shown as an event was signed as an access token."""
    victim = stage.token("victim")
    forged = stage.feed.sign(stage.feed.event_claims(by_id([victim]), after=1, event_id=2), "at+jwt")
    await _disbelieves(stage, forged, victim, "of another typ")


@SCENARIOS.add()
async def an_event_of_another_issuer(stage: Stage) -> None:
    """An event by the issuer's own key has another `iss`."""
    victim = stage.token("victim")
    forged = stage.feed.next_event(by_id([victim]), iss="https://evil.example.com")
    await _disbelieves(stage, forged, victim, "of another issuer")


@SCENARIOS.add()
async def a_key_that_revokes_itself(stage: Stage) -> None:
    """An event names its own signer in `kids`."""
    victim = stage.token("victim")
    forged = stage.feed.next_event({"kids": [stage.feed.keys[0].kid]})
    await _disbelieves(stage, forged, victim, "in which a key revokes itself")


@SCENARIOS.add()
async def an_event_beyond_the_list(stage: Stage) -> None:
    """An event has an index that no list has, beside a token's."""
    victim = stage.token("victim", 1)
    forged = stage.feed.next_event(stage.by_index(1, 1 << 20))
    await _disbelieves(stage, forged, victim, "with an index that no list has")


@SCENARIOS.add()
async def a_stolen_key_that_names_an_honest_one(stage: Stage) -> None:
    """The documents have a key of their own; an event names an honest key, and is signed by one that signs tokens."""
    honest, stage.feed.document_key = stage.feed.add_key(), Key.generate("ES256")
    victim = stage.token("victim", key=honest)
    forged = stage.feed.next_event({"kids": [honest.kid]}, key=stage.feed.keys[0])
    await _disbelieves(stage, forged, victim, "by a key that signs tokens")


@SCENARIOS.add()
async def a_token_by_the_key_of_documents(stage: Stage) -> None:
    """A token is signed by the key that signs documents only."""
    stage.feed.document_key = Key.generate("ES256")
    await stage.begin(stage.token("good"))
    await stage.refuses(
        stage.token("by the key of documents", key=stage.feed.document_key),
        within=0,
        after="it came, by a key that signs documents only",
        section=PageSection.DOCUMENTS,
        code="unknown_key",
    )


@SCENARIOS.add()
async def a_snapshot_that_revokes_its_key(stage: Stage) -> None:
    """The snapshot names its own signer in `kids`, and later does not."""
    good = stage.token("good")
    stage.answer("snapshot", stage.feed.snapshot(kids=[stage.feed.keys[0].kid]))
    await stage.accepts(
        good, within=3, though="only a snapshot revoked its key that the same key signed", section=PageSection.SNAPSHOT
    )
    stage.answer_truly("snapshot")
    await stage.connected()


@SCENARIOS.add()
async def an_event_of_an_unknown_key(stage: Stage) -> None:
    """Every stream brings an event of a key that is not published; the key set is not asked for each."""
    victim = stage.token("victim")
    await stage.begin(victim)
    forged = stage.feed.next_event(by_id([victim]), key=Key.generate("ES256"))
    asked, began = stage.count("jwks"), stage.clock()
    while stage.clock() - began < _FLOOD_SECONDS:
        stage.say("revoked", forged)
        await stage.keeps(victim, 0.5, accepted=True, though="by an unknown key's event", section=PageSection.DOCUMENTS)
    stage.at_most(3, "jwks", more_than=asked, why="in 10 s, for one unknown key", section=PageSection.DOCUMENTS)


@SCENARIOS.add()
async def a_flood_of_unknown_keys(stage: Stage) -> None:
    """Forty tokens name forty keys that are not published."""
    await stage.begin(stage.token("good"))
    asked = stage.count("jwks")
    for number in range(40):
        await stage.refuses(
            stage.token(f"by unknown key {number}", key=Key.generate("ES256")),
            within=0,
            after="it came, by a key that is not published",
            section=PageSection.DOCUMENTS,
        )
    stage.at_most(1, "jwks", more_than=asked, why="for 40 tokens by unknown keys", section=PageSection.DOCUMENTS)


@SCENARIOS.add()
async def a_new_key(stage: Stage) -> None:
    """The issuer rotates: an event and a token come by a key that only the key set of now has."""
    good, bad = stage.token("good", 1), stage.token("bad", 2)
    await stage.begin(good, bad)
    asked = stage.count("jwks")
    stage.feed.keys.insert(0, Key.generate("ES256"))
    stage.revoke(stage.by_index(2))
    await stage.refuses(bad, after="its event was sent, by a new key", section=PageSection.DOCUMENTS)
    await stage.accepts(stage.token("by the new key", 3), within=1, though="its key is published")
    await stage.accepts(good, though="the old key is still published")
    stage.at_most(3, "jwks", more_than=asked, why="for one new key", section=PageSection.DOCUMENTS)


@SCENARIOS.add(stale="refuse", stale_after=10)
async def a_forged_list(stage: Stage) -> None:
    """A list is signed by a stranger's key, and has every bit at 0."""
    bad = stage.token("bad", 1)
    forged = stage.feed.status_list(key=Key.generate("ES256"), kid=stage.feed.keys[0].kid)
    stage.answer("list", forged)
    stage.feed.revoke(stage.by_index(1))
    await stage.keeps(bad, 3, accepted=False, though="believing a list by another key", section=PageSection.DOCUMENTS)
    stage.answer_truly("list")
    await stage.accepts(
        stage.token("good", 2), within=3, though="the true list is there now", section=PageSection.FAILURE
    )
    await stage.refuses(bad, within=0, after="the true list was published")


@SCENARIOS.add()
async def a_forged_heartbeat(stage: Stage) -> None:
    """A heartbeat is signed by a stranger's key: the stream is closed, and another opened."""
    good = stage.token("good")
    await stage.begin(good)
    (line,) = stage.open_lines[-1:]
    forged = stage.feed.heartbeat(key=Key.generate("ES256"), kid=stage.feed.keys[0].kid)
    line.write(comment(f"heartbeat {forged}"))
    await stage.hangs_up(line, 2, "a forged heartbeat came", PageSection.FAILURE)
    await stage.connected()
    stage.revoke_ids(good)
    await stage.refuses(good, after="its event was sent")


@SCENARIOS.add()
async def a_forged_greeting(stage: Stage) -> None:
    """A greeting, which nobody signs, names a position that is too high: nothing is revoked, and nothing is lost."""
    good, bad = stage.token("good", 1), stage.token("bad", 2)
    stage.greeting = {"epoch": "e1", "event_id": 10**15}
    await stage.begin(good, bad)
    await stage.lives(good, live=False, within=1, why="a greeting that it has not reached", section=PageSection.STREAM)
    stage.greeting = None
    stage.revoke(stage.by_index(2))
    await stage.refuses(bad, within=3, after="its event was sent")
    await stage.accepts(good, though="nothing revoked it")
