"""What a scripted issuer publishes: signed as a real one's, with any claim, header, key or bit changed on request."""

from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING, Any

from gatepass.jose import Key, KeySet, base64url, jws
from gatepass.tokens import (
    access_token,
    heartbeat,
    published_keys,
    revocation_event,
    revocation_snapshot,
    status_list,
)
from gatepass.tokens.status_list import Bits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

AUDIENCE = "https://api.example.test"
"""What every token is for."""

TTL_SECONDS = 30

_TOKEN_SECONDS = 7200
"""How long tokens have been good and will be: clocks are set by an hour."""
_DOCUMENT_SECONDS = 86_400


class ScriptedFeed:
    """What one issuer has revoked, and the documents that say so.

    Attributes:
        url: The issuer.
        keys: Its keys; the first one signs.
        document_key: Signs the documents, if it is not None, and is marked in the key set.
        epoch: Which line of events it is.
        event_id: The last event.
        log: The events that a stream resumes from: number and message.
        bits: Status lists by number.
        jtis: Revoked tokens.
        kids: Revoked keys.
        ttl: The `ttl` of lists.
        extra: Members that every document has besides.
    """

    def __init__(self, url: str, clock: Callable[[], float]) -> None:
        """Start with one key and nothing revoked.

        Args:
            url: The issuer.
            clock: The time at which documents are made.
        """
        self.url = url
        self.keys = [Key.generate("ES256")]
        self.document_key: Key | None = None
        self.epoch = "e1"
        self.event_id = 1
        self.log: list[tuple[int, str]] = []
        self.bits: dict[int, Bits] = {}
        self.jtis: dict[str, int] = {}
        self.kids: list[str] = []
        self.ttl = TTL_SECONDS
        self.extra: dict[str, Any] = {}
        self._clock = clock
        self._compressed: dict[int, tuple[bytes, str]] = {}
        self._serials = count(1)

    # ── where ──

    def list_url(self, number: int) -> str:
        """The URL of a status list."""
        return f"{self.url}/status/{number}"

    @property
    def metadata(self) -> dict[str, Any]:
        """The metadata document (RFC 8414 §2)."""
        return {
            "issuer": self.url,
            "jwks_uri": f"{self.url}/jwks",
            "revocations_uri": f"{self.url}/stream",
            "revocations_snapshot_uri": f"{self.url}/snapshot",
        } | self.extra

    @property
    def jwks(self) -> dict[str, Any]:
        """The key set."""
        marked = () if self.document_key is None else (self.document_key,)
        keys = KeySet(key.public() for key in (*self.keys, *marked))
        return {"keys": published_keys.members(keys, [key.kid for key in marked])}

    # ── documents ──

    def sign(self, claims: Mapping[str, Any], typ: str, *, key: Key | None = None, kid: str | None = None) -> str:
        """Sign claims; those that are None are left out.

        Args:
            claims: The claims.
            typ: The header's `typ`.
            key: What signs; by default the key of documents, or the issuer's first one.
            kid: The name of the key in the header; by default its own.
        """
        key = key or self.document_key or self.keys[0]
        header = {"alg": key.alg, "typ": typ, "kid": key.kid if kid is None else kid}
        message = jws.signing_input(_json(claims), header)
        return jws.assemble(message, key.sign(message))

    def token(self, idx: int | None = None, *, number: int = 1, key: Key | None = None, **changed: object) -> str:
        """Sign an access token.

        Args:
            idx: Its index in a status list; None for a token that names none.
            number: Which list.
            key: What signs it.
            changed: Other claims; None takes one away.
        """
        now = int(self._clock())
        claims: dict[str, Any] = {
            "iss": self.url,
            "sub": "user_1",
            "aud": AUDIENCE,
            "exp": now + _TOKEN_SECONDS,
            "iat": now - _TOKEN_SECONDS,
            "jti": f"at_{next(self._serials)}",
            "client_id": "first-party",
        }
        if idx is not None:
            claims["status"] = {"status_list": {"idx": idx, "uri": self.list_url(number)}}
        return self.sign(claims | changed, access_token.TYP, key=key or self.keys[0])

    def status_list(self, number: int = 1, *, key: Key | None = None, kid: str | None = None, **changed: object) -> str:
        """Make a status list as it is now."""
        now = int(self._clock())
        claims: dict[str, Any] = {
            "iss": self.url,
            "sub": self.list_url(number),
            "iat": now,
            "exp": now + _DOCUMENT_SECONDS,
            "ttl": self.ttl,
            "epoch": self.epoch,
            "event_id": self.event_id,
            "status_list": {"bits": 1, "lst": self._lst(number)},
        }
        return self.sign(self.extra | claims | changed, status_list.TYP, key=key, kid=kid)

    def _lst(self, number: int) -> str:
        """The compressed bits, which cost milliseconds: once for each content."""
        octets = bytes(self.bits.setdefault(number, Bits()).octets) if number in self.bits else b""
        known = self._compressed.get(number)
        if known is None or known[0] != octets:
            known = self._compressed[number] = octets, (Bits(bytearray(octets)).compress() if octets else _NO_BITS)
        return known[1]

    def snapshot(self, *, key: Key | None = None, kid: str | None = None, **changed: object) -> str:
        """Make a snapshot as of now."""
        now = int(self._clock())
        claims: dict[str, Any] = {
            "iss": self.url,
            "iat": now,
            "exp": now + _DOCUMENT_SECONDS,
            "epoch": self.epoch,
            "event_id": self.event_id,
            "jtis": self.jtis,
            "kids": self.kids,
        }
        return self.sign(self.extra | claims | changed, revocation_snapshot.TYP, key=key, kid=kid)

    def event_claims(self, revoked: Mapping[str, Any], *, after: int, event_id: int) -> dict[str, Any]:
        """The claims of an event message."""
        return self.extra | {
            "iss": self.url,
            "iat": int(self._clock()),
            "jti": f"{self.epoch}:{event_id}",
            "events": {revocation_event.REVOKED: self.extra | {"after": after} | dict(revoked)},
        }

    def next_event(self, revoked: Mapping[str, Any], *, key: Key | None = None, **changed: object) -> str:
        """Sign what would be the next event, without recording it."""
        claims = self.event_claims(revoked, after=self.event_id, event_id=self.event_id + 1)
        return self.sign(claims | changed, revocation_event.TYP, key=key)

    def heartbeat(self, *, key: Key | None = None, kid: str | None = None, **changed: object) -> str:
        """Make a heartbeat as of now."""
        now = round(self._clock(), 3)
        claims: dict[str, Any] = {
            "iss": self.url,
            "epoch": self.epoch,
            "head": self.event_id,
            "as_of": now,
            "iat": now,
        }
        return self.sign(self.extra | claims | changed, heartbeat.TYP, key=key, kid=kid)

    # ── changes ──

    def revoke(self, revoked: Mapping[str, Any], *, key: Key | None = None) -> str:
        """Revoke: in lists, snapshot and log. Return the event message, which is not sent."""
        message = self.next_event(revoked, key=key)
        self.event_id += 1
        for url, indexes in revoked.get("status", ()):
            number = int(url.rpartition("/")[2])
            self.bits.setdefault(number, Bits()).set(indexes)
        self.jtis = self.jtis | dict(revoked.get("jtis", {}))
        self.kids = [*self.kids, *revoked.get("kids", ())]
        self.log.append((self.event_id, message))
        return message

    def add_key(self) -> Key:
        """Publish another key, which does not sign unless told to."""
        key = Key.generate("ES256")
        self.keys.append(key)
        return key


def by_index(feed: ScriptedFeed, *indexes: int, number: int = 1) -> dict[str, Any]:
    """Revoke grants."""
    return {"status": [[feed.list_url(number), list(indexes)]]}


def by_id(tokens: Iterable[str]) -> dict[str, Any]:
    """Revoke tokens by `jti`."""
    claims = [claims_of(token) for token in tokens]
    return {"jtis": {each["jti"]: each["exp"] for each in claims}}


def claims_of(token: str) -> dict[str, Any]:
    """Read the claims of a token of our own."""
    found: dict[str, Any] = json.loads(base64url.decode(token.split(".")[1]))
    return found


def unsigned_parts(claims: Mapping[str, Any], header: Mapping[str, Any]) -> str:
    """Header and payload of a forgery, in which no signer of ours takes part."""
    return f"{base64url.encode(_json(header))}.{base64url.encode(_json(claims))}"


def message(event: str, data: str, number: str | None = None) -> bytes:
    """Write a server-sent event."""
    head = "" if number is None else f"id: {number}\n"
    return f"{head}event: {event}\ndata: {data}\n\n".encode()


def comment(text: str) -> bytes:
    """Write a comment of server-sent events."""
    return f": {text}\n\n".encode()


def _json(members: Mapping[str, Any] | Sequence[Any]) -> bytes:
    known = (
        {name: value for name, value in members.items() if value is not None} if isinstance(members, dict) else members
    )
    return json.dumps(known, separators=(",", ":")).encode()


_NO_BITS = Bits().compress()
