"""A reader of what an issuer revokes, and that issuer, without any I/O: the calls of the driver, one by one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal

from tests.support.scripted_issuer import LIST, NOW, Clock, Revoking

from gatepass.jose import JoseError, Key, KeySet
from gatepass.tokens.status_list import StatusReference
from gatepass.verify.clocks import Moment
from gatepass.verify.following.documents import Want
from gatepass.verify.following.revocations import Revocations
from gatepass.verify.following.stream import StreamConnection
from gatepass.verify.issuer import Offer
from gatepass.verify.principal import Principal

if TYPE_CHECKING:
    from gatepass.tokens.revocation_event import Position
    from gatepass.verify import Health

URL = "https://auth.example.com"
URI = URL + LIST
OFFER = Offer(URL + "/revocations", URL + "/revocations/snapshot")
SNAPSHOT = Want(URL + "/revocations/snapshot", is_list=False)
STATUS_LIST = Want(URI, is_list=True)


class Issuer(Revoking):
    """The other side: makes the documents and messages, and serves nobody."""

    def __init__(self) -> None:
        super().__init__(Clock())
        self.url = URL
        self.keys = [Key.generate("ES256"), Key.generate("ES256")]

    @property
    def published(self) -> KeySet:
        """The JWKS."""
        return KeySet(key.public() for key in self.keys)


class Reader:
    """A `Revocations` and an issuer, with the calls that the driver makes."""

    def __init__(
        self,
        *,
        mode: Literal["feed", "list"] = "feed",
        stale: Literal["serve", "refuse"] = "serve",
        relays: tuple[str, ...] = (),
    ) -> None:
        self.issuer = Issuer()
        self.clock = self.issuer.clock
        self.revocations = Revocations(URL, mode=mode, stale=stale, stale_after=60, relays=relays, jitter=lambda: 1.0)
        self.known, self.stream = self.revocations.known, self.revocations.stream
        self.documents = self.revocations.documents
        self.set_by = 0.0
        self.connection = StreamConnection(0)

    @property
    def now(self) -> Moment:
        """The time, by both clocks."""
        return Moment(self.clock(), self.clock() - self.set_by)

    @property
    def position(self) -> Position | None:
        """The last event that is known."""
        return self.known.events.position

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        assert isinstance(self.clock, Clock)
        self.clock.advance(seconds)

    def live_on(self, seconds: float) -> None:
        """Let time pass, and hear a heartbeat every two seconds."""
        for _ in range(int(seconds // 2)):
            self.advance(2)
            self.beat()
        self.advance(seconds % 2)
        self.beat()

    def set_clock(self, seconds: float) -> None:
        """Set the wall clock, while the other one runs on."""
        self.set_by += seconds
        self.advance(seconds)

    def wants(self) -> list[Want]:
        """What is due."""
        return list(self.documents.due(self.now))

    def take_list(self, token: str | None = None, path: str = LIST) -> None:
        """Fetch a list."""
        read = self.documents.read_list(
            URL + path, token or self.issuer.status_list(path), self.issuer.published, self.now.wall
        )
        self.documents.learn_list(read, self.now)

    def take_snapshot(self, token: str | None = None) -> None:
        """Fetch the snapshot."""
        read = self.documents.read_snapshot(token or self.issuer.snapshot(), self.issuer.published, self.now.wall)
        self.documents.learn_snapshot(read, self.now)

    def hear(self, token: str) -> None:
        """Hear an event message."""
        read = self.stream.read_event(token, self.issuer.published, self.now.wall)
        self.stream.hear_event(self.connection, read, self.now)

    def hear_last(self) -> None:
        """Hear the last event in the issuer's log."""
        self.hear(self.issuer.log[-1][1])

    def hello(self, epoch: str | None = None, event_id: int | None = None) -> None:
        """Hear the greeting."""
        at = {"epoch": epoch or self.issuer.epoch, "event_id": self.issuer.event_id if event_id is None else event_id}
        self.stream.hear_greeting(self.connection, json.dumps(at), self.now)

    def beat(self, token: str | None = None) -> None:
        """Hear a heartbeat."""
        read = self.stream.read_heartbeat(token or self.issuer.heartbeat(), self.issuer.published, self.now.wall)
        self.stream.hear_comment(self.connection, self.now)
        self.stream.hear_heartbeat(read, self.now)

    def open(self) -> None:
        """Open a connection."""
        self.connection = self.stream.opened(self.now)

    def close(self, *, is_faulty: bool = False) -> None:
        """Lose it."""
        self.stream.closed(self.connection, self.now, is_faulty=is_faulty)

    def connect(self) -> None:
        """Open the stream."""
        upstreams = self.stream.upstreams
        assert OFFER.stream_url is not None
        assert self.stream.due(self.now) == upstreams.url(OFFER.stream_url, upstreams.place)
        self.open()
        self.hello()
        self.beat()

    def start(self, *, token: Principal | None = None) -> None:
        """Come up, with the list that a token names, and listen."""
        self.documents.learn_offer(OFFER)
        self.documents.missing(token or principal(5), self.now)
        self.take_snapshot()
        self.take_list()
        self.connect()

    def clears(self, token: Principal) -> bool:
        """Ask the fast way, after a look at the clocks."""
        self.revocations.verdict.look(self.now)
        return self.revocations.verdict.clears(token, self.now.wall)

    def verdict(self, token: Principal) -> str:
        """Judge a token: `clears` may be shorter of words, but never of another mind."""
        clears = self.clears(token)
        try:
            self.revocations.verdict.judge(token, self.now)
        except JoseError as error:
            assert not clears
            return error.code
        return "good"

    def feed(self) -> str:
        """The state, in a word."""
        return self.health.feed

    @property
    def health(self) -> Health:
        """How we are."""
        return self.revocations.health(self.now, keys_fresh=True, keys_usable=True)


def principal(idx: int | None = None, *, uri: str = URI, jti: str | None = "tok_1") -> Principal:
    """Somebody whose token names a place in a list."""
    return Principal(
        subject="user_1",
        client_id="c",
        session_id=None,
        token_id=jti,
        scopes=frozenset(),
        roles=frozenset(),
        expires_at=NOW + 900,
        auth_time=None,
        acr=None,
        amr=(),
        claims={},
        status=None if idx is None else StatusReference(idx, uri),
    )
