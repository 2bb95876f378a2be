"""Write docs/protocol/vectors/revocation.json, from fixed keys and times. `--check` compares instead.

The verdicts are written down here by hand; tests/vectors/test_revocation_protocol.py holds our own follower to them.
"""

from __future__ import annotations

import hashlib
import json
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gatepass.jose import base64url
from gatepass.tokens import heartbeat, revocation_event, revocation_snapshot, status_list
from gatepass.tokens.published_keys import REVOCATIONS, SIGNS

if TYPE_CHECKING:
    from collections.abc import Callable

OUT = Path(__file__).parents[1] / "docs" / "protocol" / "vectors" / "revocation.json"

ISSUER = "https://auth.example.com"
URI = f"{ISSUER}/status/1"
EPOCH = "e1"
NOW = 1_800_000_000

# 131,072 octets with the bits 0, 9 and 1,048,575, and one octet more. Constants, because compressors differ.
LST = (
    "eAHtwQENAAAIAyBvcqO79wCyAwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAFD3APYA"
    "hA"
)
LST_TOO_LONG = (
    "eAHtwQENAAAIA6Br8kd39gBmAwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAPCaAwF6"
    "AIQ"
)


def _seed(name: str) -> Ed25519PrivateKey:
    """A private key that is a digest of its name. Ed25519, whose signatures are deterministic (RFC 8032)."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())


def _jwk(name: str) -> dict[str, str]:
    x = base64url.encode(_seed(name).public_key().public_bytes_raw())
    return {"kty": "OKP", "crv": "Ed25519", "x": x, "kid": name, "alg": "Ed25519", "use": "sig"}


NULL = object()
"""Stands for the `null` of JSON; None leaves a claim out."""


class _Key(NamedTuple):
    name: str
    kid: str | None
    alg: str = "Ed25519"

    def sign(self, claims: dict[str, Any], typ: str) -> str:
        """Write a JWS, without the claims that are None; with our own library, some of them could not be written."""
        header = {"alg": self.alg, "typ": typ} | ({} if self.kid is None else {"kid": self.kid})
        payload = {name: None if value is NULL else value for name, value in claims.items() if value is not None}
        signed = ".".join(base64url.encode(json.dumps(part).encode()) for part in (header, payload))
        return f"{signed}.{base64url.encode(_seed(self.name).sign(signed.encode()))}"


HONEST, STOLEN = _Key("honest", "honest"), _Key("stolen", "stolen")
FORGED, UNKNOWN, NAMELESS = _Key("forged", "honest"), _Key("unknown", "unknown"), _Key("honest", None)
RENAMED = _Key("renamed", "renamed")  # published with `alg` EdDSA


def _stored(octets: bytes) -> str:
    """The ZLIB format of a few octets, uncompressed."""
    size = len(octets)
    block = b"\x01" + size.to_bytes(2, "little") + (size ^ 0xFFFF).to_bytes(2, "little") + octets
    return base64url.encode(b"\x78\x01" + block + zlib.adler32(octets).to_bytes(4, "big"))


def _list(key: _Key = HONEST, typ: str = status_list.TYP, *, bits: int = 1, lst: str = LST, **changed: object) -> str:
    claims: dict[str, Any] = {
        "sub": URI,
        "iat": NOW - 10,
        "status_list": {"bits": bits, "lst": lst},
        "iss": ISSUER,
        "exp": NOW + 86_390,
        "ttl": 30,
        "epoch": EPOCH,
        "event_id": 41,
    }
    return key.sign(claims | changed, typ)


def _snapshot(key: _Key = HONEST, typ: str = revocation_snapshot.TYP, **changed: object) -> str:
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "iat": NOW - 10,
        "exp": NOW + 86_390,
        "epoch": EPOCH,
        "event_id": 41,
        "jtis": {"at_1": NOW + 600},
        "kids": ["stolen"],
    }
    return key.sign(claims | changed, typ)


def _event(
    key: _Key = HONEST, typ: str = revocation_event.TYP, *, at: str = f"{EPOCH}:42", after: int = 41, **changed: object
) -> str:
    body = {"after": after, "status": [[URI, [7, 9]]], "jtis": {"at_2": NOW + 600}, "kids": ["stolen"]}
    claims: dict[str, Any] = {"iss": ISSUER, "iat": NOW, "jti": at, "events": {revocation_event.REVOKED: body}}
    return key.sign(claims | changed, typ)


def _event_of(**revoked: object) -> str:
    return _event(events={revocation_event.REVOKED: {"after": 41} | revoked})


def _beat(key: _Key = HONEST, typ: str = heartbeat.TYP, **changed: object) -> str:
    claims: dict[str, Any] = {"iss": ISSUER, "epoch": EPOCH, "head": 41, "as_of": NOW - 0.5, "iat": NOW + 0.0}
    return key.sign(claims | changed, typ)


def _case(document: str, name: str, token: str, error: str | None = None) -> dict[str, Any]:
    verdict = {"verdict": "accept"} if error is None else {"verdict": "refuse", "error": error}
    return {"name": name, "document": document, "token": token} | verdict


def _typ(kind: str) -> str:
    return {
        "status_list": status_list.TYP,
        "snapshot": revocation_snapshot.TYP,
        "event": revocation_event.TYP,
        "heartbeat": heartbeat.TYP,
    }[kind]


def documents() -> list[dict[str, Any]]:
    """One document each: accepted, or refused with a code."""
    kinds: dict[str, Callable[..., str]] = {
        "status_list": _list,
        "snapshot": _snapshot,
        "event": _event,
        "heartbeat": _beat,
    }
    cases: list[dict[str, Any]] = []
    for kind, make in kinds.items():
        other = heartbeat.TYP if kind == "event" else revocation_event.TYP
        cases += [
            _case(kind, "good", make()),
            _case(kind, "forged: signed by another key under the name of an honest one", make(FORGED), "bad_signature"),
            _case(kind, "signed by a key that is not in the key set", make(UNKNOWN), "unknown_key"),
            _case(kind, "signed by a key that has been revoked", make(STOLEN), "revoked"),
            _case(kind, "names no key", make(NAMELESS), "invalid_key"),
            _case(kind, "another kind of document", make(typ=other), "wrong_typ"),
            _case(kind, "another issuer's", make(iss="https://evil.example.com"), "wrong_issuer"),
            _case(kind, "not a token", "not a token", "malformed"),
            _case(kind, "alg EdDSA, the older name of the key's Ed25519", make(HONEST._replace(alg="EdDSA"))),
            _case(kind, "alg Ed25519, by a key that is published with alg EdDSA", make(RENAMED)),
            _case(kind, "alg of another key", make(HONEST._replace(alg="ES256")), "alg_not_allowed"),
            _case(kind, "alg HS256", make(HONEST._replace(alg="HS256")), "alg_not_allowed"),
            _case(kind, "alg none", make(HONEST._replace(alg="none")), "alg_not_allowed"),
            _case(kind, "typ as a whole media type", make(typ=f"application/{_typ(kind)}")),
            _case(kind, "typ in capitals", make(typ=_typ(kind).upper())),
            _case(kind, "iss is no string", make(iss=5), "bad_claim"),
            _case(kind, "iss is null", make(iss=NULL), "bad_claim"),
            _case(kind, "iat is no number", make(iat=str(NOW)), "bad_claim"),
            _case(kind, "exp is no number", make(exp="later"), "bad_claim"),
            _case(kind, "exp is null", make(exp=NULL), "bad_claim"),
            _case(kind, "iat is null", make(iat=NULL), "bad_claim"),
            _case(kind, "a member that is not known", make(more={"a": [1]})),
        ]
        if kind != "status_list":
            cases.append(_case(kind, "no iss", make(iss=None), "missing_claim"))
        if kind in ("status_list", "snapshot", "event"):
            cases.append(_case(kind, "iat with a fraction", make(iat=NOW - 9.5), "bad_claim"))
    cases += [
        _case("status_list", "no exp, ttl, iss, epoch: another issuer's kind of list",
              _list(exp=None, ttl=None, iss=None, epoch=None, event_id=None)),
        _case("status_list", "for another URL", _list(sub=f"{ISSUER}/status/2"), "bad_claim"),
        _case("status_list", "expired", _list(exp=NOW - 1), "expired"),
        _case("status_list", "from the future", _list(iat=NOW + 61), "issued_in_future"),
        _case("status_list", "as far ahead as clocks may differ", _list(iat=NOW + 60)),
        _case("status_list", "no iat", _list(iat=None), "missing_claim"),
        _case("status_list", "statuses of two bits", _list(bits=2), "bad_claim"),
        _case("status_list", "inflates to more than 131,072 octets", _list(lst=LST_TOO_LONG), "bad_claim"),
        _case("status_list", "shorter than 131,072 octets, though it has an epoch",
              _list(lst=_stored(bytes(16))), "bad_claim"),
        _case("status_list", "shorter, without an epoch", _list(lst=_stored(bytes(16)), epoch=None, event_id=None)),
        _case("status_list", "octets after the end",
              _list(lst=base64url.encode(base64url.decode(LST) + b"\0")), "bad_claim"),
        _case("status_list", "not compressed", _list(lst=base64url.encode(bytes(16))), "bad_claim"),
        _case("status_list", "not valid yet, by nbf", _list(nbf=NOW + 1), "not_yet_valid"),
        _case("snapshot", "not valid yet, by nbf", _snapshot(nbf=NOW + 1), "not_yet_valid"),
        _case("event", "not valid yet, by nbf", _event(nbf=NOW + 1), "not_yet_valid"),
        _case("snapshot", "expired", _snapshot(exp=NOW - 1), "expired"),
        _case("snapshot", "no exp", _snapshot(exp=None), "missing_claim"),
        _case("snapshot", "from the future", _snapshot(iat=NOW + 61), "issued_in_future"),
        _case("snapshot", "revokes the key that signed it", _snapshot(kids=["honest"]), "bad_claim"),
        _case("event", "revokes the key that signed it", _event_of(kids=["honest"]), "bad_claim"),
        _case("event", "an index that no list has", _event_of(status=[[URI, [1_048_576]]]), "bad_claim"),
        _case("event", "a negative index", _event_of(status=[[URI, [-1]]]), "bad_claim"),
        _case("event", "revokes nothing", _event_of()),
        _case("event", "no jti", _event(jti=None), "missing_claim"),
        _case("event", "an hour old: it stays true", _event(iat=NOW - 3600)),
        _case("heartbeat", "no iat", _beat(iat=None), "missing_claim"),
        _case("status_list", "no sub", _list(sub=None), "missing_claim"),
        _case("status_list", "sub is no string", _list(sub=1), "bad_claim"),
        _case("status_list", "no status_list", _list(status_list=None), "bad_claim"),
        _case("status_list", "status_list has no lst", _list(status_list={"bits": 1}), "bad_claim"),
        _case("status_list", "ttl is no number", _list(ttl="30"), "bad_claim"),
        _case("status_list", "ttl is null", _list(ttl=NULL)),
        _case("status_list", "epoch is no string", _list(epoch=1), "bad_claim"),
        _case("status_list", "epoch is null: as without", _list(epoch=NULL)),
        _case("status_list", "event_id is no number", _list(event_id="41"), "bad_claim"),
        _case("status_list", "event_id is null", _list(event_id=NULL), "bad_claim"),
        _case("snapshot", "no epoch", _snapshot(epoch=None), "bad_claim"),
        _case("snapshot", "event_id is no number", _snapshot(event_id="41"), "bad_claim"),
        _case("snapshot", "no jtis", _snapshot(jtis=None), "bad_claim"),
        _case("snapshot", "jtis is a list", _snapshot(jtis=["at_1"]), "bad_claim"),
        _case("snapshot", "a time in jtis is no number", _snapshot(jtis={"at_1": "soon"}), "bad_claim"),
        _case("snapshot", "kids is null", _snapshot(kids=NULL), "bad_claim"),
        _case("snapshot", "a kid is no string", _snapshot(kids=[1]), "bad_claim"),
        _case("event", "jti is no string", _event(jti=42), "bad_claim"),
        _case("event", "jti is no position", _event(jti="e1"), "bad_claim"),
        _case("event", "jti has a number of 19 digits", _event(jti=f"{EPOCH}:{10**18}"), "bad_claim"),
        _case("event", "no events", _event(events=None), "bad_claim"),
        _case("event", "events has another event only", _event(events={"urn:other": {}}), "bad_claim"),
        _case("event", "no after", _event(events={revocation_event.REVOKED: {"kids": []}}), "bad_claim"),
        _case("event", "after is no number", _event_of(after="41"), "bad_claim"),
        _case("event", "status is an object", _event_of(status={URI: [7]}), "bad_claim"),
        _case("event", "status has no pairs", _event_of(status=[[URI]]), "bad_claim"),
        _case("event", "an index is no number", _event_of(status=[[URI, ["7"]]]), "bad_claim"),
        _case("event", "jtis is null", _event_of(jtis=None), "bad_claim"),
        _case("event", "a kid is no string", _event_of(kids=[1]), "bad_claim"),
        _case("heartbeat", "no head", _beat(head=None), "bad_claim"),
        _case("heartbeat", "head is no number", _beat(head="41"), "bad_claim"),
        _case("heartbeat", "no epoch", _beat(epoch=None), "bad_claim"),
        _case("heartbeat", "as_of is no number", _beat(as_of="now"), "bad_claim"),
        _case("heartbeat", "no as_of", _beat(as_of=None), "bad_claim"),
    ]  # fmt: skip
    return cases


def messages() -> list[dict[str, Any]]:
    """What a message means to a follower at `e1:41`: `apply`, `ignore`, `prove` (freshness) or `start over`."""

    def case(document: str, name: str, token: str, verdict: str) -> dict[str, Any]:
        return {"name": name, "document": document, "token": token, "position": f"{EPOCH}:41", "verdict": verdict}

    return [
        case("event", "the next one", _event(), "apply"),
        case("event", "several at once", _event(at="e1:50"), "apply"),
        case("event", "overlaps what is known", _event(at="e1:45", after=30), "apply"),
        case("event", "known already", _event(at="e1:41", after=40), "ignore"),
        case("event", "a gap before it", _event(at="e1:44", after=42), "start over"),
        case("event", "another epoch", _event(at="e2:42"), "start over"),
        case("heartbeat", "where we stand", _beat(), "prove"),
        case("heartbeat", "its node is behind us", _beat(head=40), "ignore"),
        case("heartbeat", "events are missing", _beat(head=42), "start over"),
        case("heartbeat", "another epoch", _beat(epoch="e2"), "start over"),
    ]


def greetings() -> list[dict[str, Any]]:
    """What the unsigned greeting of a new stream means to a follower at `e1:41`: `go on`, or `start over`."""

    def case(name: str, data: str, verdict: str) -> dict[str, Any]:
        return {"name": name, "data": data, "position": f"{EPOCH}:41", "verdict": verdict}

    def greeting(epoch: object, event_id: object) -> str:
        return json.dumps({"epoch": epoch, "event_id": event_id})

    return [
        case("where we stand", greeting(EPOCH, 41), "go on"),
        case("ahead: what is missing follows", greeting(EPOCH, 45), "go on"),
        case("a member that is not known", json.dumps({"epoch": EPOCH, "event_id": 41, "more": True}), "go on"),
        case("behind us", greeting(EPOCH, 40), "start over"),
        case("another epoch", greeting("e2", 41), "start over"),
        case("no number", greeting(EPOCH, "41"), "start over"),
        case("no epoch", json.dumps({"event_id": 41}), "start over"),
        case("not JSON", f"{EPOCH}:41", "start over"),
    ]


def joined() -> list[dict[str, Any]]:
    """Bits of a list that comes after events: those that it does not know are set in it again."""

    def case(name: str, events: list[str], token: str, bits: list[int]) -> dict[str, Any]:
        return {"name": name, "position": f"{EPOCH}:41", "events": events, "list": token, "bits": bits}

    later = _event(at=f"{EPOCH}:43", events={revocation_event.REVOKED: {"after": 42, "status": [[URI, [12]]]}})
    other = _event(events={revocation_event.REVOKED: {"after": 41, "status": [[f"{ISSUER}/status/2", [3]]]}})
    return [
        case("made before the event", [_event()], _list(), [0, 7, 9, 1_048_575]),
        case("made after it", [_event()], _list(event_id=42), [0, 9, 1_048_575]),
        case("made between two", [_event(), later], _list(event_id=42), [0, 9, 12, 1_048_575]),
        case("another list's event", [other], _list(), [0, 9, 1_048_575]),
    ]


def replaced() -> list[dict[str, Any]]:
    """Bits of a list that comes after starting over: what an event has set in the one before stays set."""

    def case(name: str, token: str, bits: list[int], error: str | None = None) -> dict[str, Any]:
        given = {"name": name, "position": f"{EPOCH}:41", "held": _list(), "events": [_event()], "list": token}
        return given | ({} if error is None else {"error": error}) | {"bits": bits}

    without, with_event = [0, 9, 1_048_575], [0, 7, 9, 1_048_575]
    return [
        case("made before the event: a cache had it", _list(iat=NOW - 9), with_event),
        case("made after it", _list(event_id=42), without),
        case("of another epoch", _list(epoch="e2", event_id=1, iat=NOW), without),
        case("older than the one that is held", _list(event_id=40), with_event, "bad_claim"),
    ]


def key_sets() -> list[dict[str, Any]]:
    """Which keys of a set verify documents, and which verify tokens."""

    def case(name: str, marks: dict[str, object], documents: list[str], tokens: list[str]) -> dict[str, Any]:
        keys = [_jwk(kid) | ({SIGNS: marks[kid]} if kid in marks else {}) for kid in ("tokens", "feed", "other")]
        return {"name": name, "jwks": {"keys": keys}, "documents": documents, "tokens": tokens}

    every = ["tokens", "feed", "other"]
    unusable = case("one that nobody can use is marked", {"feed": REVOCATIONS}, [], ["tokens", "other"])
    unusable["jwks"]["keys"][1]["alg"] = "none"
    return [
        case("none is marked", {}, every, every),
        case("one is marked", {"feed": REVOCATIONS}, ["feed"], ["tokens", "other"]),
        case("two are marked", {"feed": REVOCATIONS, "other": REVOCATIONS}, ["feed", "other"], ["tokens"]),
        unusable,
    ]


def text() -> str:
    """The file."""
    return (
        json.dumps(
            {
                "about": "Test vectors of docs/protocol/revocation.md; written by scripts/protocol_vectors.py",
                "issuer": ISSUER,
                "uri": URI,
                "now": NOW,
                "jwks": {"keys": [_jwk("honest"), _jwk("stolen"), _jwk("renamed") | {"alg": "EdDSA"}]},
                "revoked_kids": ["stolen"],
                "bits": [0, 9, 1_048_575],
                "documents": documents(),
                "messages": messages(),
                "greetings": greetings(),
                "joined": joined(),
                "replaced": replaced(),
                "key_sets": key_sets(),
            },
            indent=1,
        )
        + "\n"
    )


def main() -> int:
    """Write the file, or compare it."""
    if "--check" in sys.argv[1:]:
        return int(OUT.read_text() != text())
    OUT.write_text(text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
