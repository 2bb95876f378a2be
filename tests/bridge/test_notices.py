"""Notices of each kind: what they end, how they are answered, and how they are fetched."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.support.bridges import BEARER, CAEP, RECEIVER, RISC, ForeignIssuer, bridged, running_bridge
from tests.support.scripted_issuer import NOW, Clock, answer
from tests.support.wait import eventually, soon

from gatepass.bridge.notices import subjects
from gatepass.bridge.settings import TransmitterSettings
from gatepass.jose import jwt
from gatepass.jose.errors import JoseError

if TYPE_CHECKING:
    import socket
    from collections.abc import Generator
    from pathlib import Path

    from tests.support.bridges import Bridged

ISSUER = "https://auth.example.com"


@pytest.fixture
def all_(tmp_path: Path) -> Generator[Bridged]:
    """An issuer, a bridge, a verifier."""
    with bridged(tmp_path) as found:
        yield found


@pytest.mark.parametrize("typ", ["logout+jwt", "application/logout+jwt", "JWT", None])
def test_logout_tokens_of_every_age(all_: Bridged, typ: str | None) -> None:
    """§2.4 recommends `logout+jwt`; issuers from before write `JWT`, or nothing."""
    assert all_.bridge.log_out(all_.issuer.logout_token(typ=typ)).status_code == 200
    assert len(all_.bridge.entries()) == 1


def test_events_that_end_nothing_are_acknowledged(all_: Bridged) -> None:
    """Another event, an added credential, a subject that no token names: 202, no entry, and each is counted."""
    issuer, push = all_.issuer, all_.bridge.push
    person = issuer.person()
    verification = "https://schemas.openid.net/secevent/ssf/event-type/verification"
    assert push(issuer.event(verification, {"format": "opaque", "id": "stream"}, {"state": "s"})).status_code == 202
    added = {"credential_type": "fido2-roaming", "change_type": "create"}
    assert push(issuer.event(f"{CAEP}credential-change", person, added)).status_code == 202
    by_email = {"format": "email", "email": "ann@example.com"}
    assert push(issuer.event(f"{RISC}account-disabled", by_email)).status_code == 202
    assert all_.bridge.entries() == {}
    assert all_.bridge.counts("push") == {"taken": 3, "other_event": 2, "unknown_subject": 1}


def test_subjects_of_before_ssf_1(all_: Bridged) -> None:
    """Where the event itself has `subject`, that is whom it is about; `toe` is when it happened."""
    sent = all_.issuer.event(
        f"{RISC}sessions-revoked", None, {"subject": all_.issuer.person()}, toe=int(NOW) - 7, iat=int(NOW)
    )
    assert all_.bridge.push(sent).status_code == 202
    [(before, _)] = all_.bridge.entries().values()
    assert before == int(NOW) - 7


def test_an_opaque_session_may_be_either(all_: Bridged) -> None:
    """`session-revoked` about an opaque id ends the sign-in of that id, and the subject of that id."""
    by_sid, by_sub = all_.issuer.access(sid="it", jti="a"), all_.issuer.access(sub="it", sid="x", jti="b")
    assert all_.judge(by_sid) == all_.judge(by_sub) == "good"
    assert all_.bridge.push(all_.issuer.event(f"{CAEP}session-revoked", {"format": "opaque", "id": "it"})).is_success
    soon(lambda: all_.judge(by_sid) == all_.judge(by_sub) == "revoked")


def test_a_session_with_its_user_ends_alone(all_: Bridged) -> None:
    """A complex subject with both ends the session, and not the user's others."""
    both = {"format": "complex", "user": all_.issuer.person(), "session": {"format": "opaque", "id": "sign-in-1"}}
    this, other = all_.issuer.access(jti="a"), all_.issuer.access(sid="other", jti="b")
    assert all_.bridge.push(all_.issuer.event(f"{CAEP}session-revoked", both)).status_code == 202
    soon(lambda: all_.judge(this) == "revoked")
    assert all_.judge(other) == "good"


def test_where_tokens_do_not_name_their_sign_in(tmp_path: Path) -> None:
    """With `tokens_have_sid = false` a notice about a sign-in ends all of the person that it names, too."""
    with bridged(tmp_path, tokens_have_sid=False) as all_:
        for number, send in enumerate((all_.bridge.log_out, all_.bridge.push)):
            person, session = f"user_{number}", {"format": "opaque", "id": "sign-in-1"}
            token = all_.issuer.access(sub=person, sid=None, jti=person)
            assert all_.judge(token) == "good"
            both = {"format": "complex", "user": all_.issuer.person(person), "session": session}
            made = (all_.issuer.logout_token(sub=person), all_.issuer.event(f"{CAEP}session-revoked", both))
            assert send(made[number]).is_success
            soon(lambda it=token: all_.judge(it) == "revoked")  # type: ignore[misc] # of a loop


def test_global_revocation_answers(all_: Bridged) -> None:
    """204 for whom tokens name; 422 for a format in which they name nobody; 400 for what is none."""
    assert all_.bridge.revoke({"format": "opaque", "id": "user_1"}).status_code == 204
    assert all_.bridge.revoke({"format": "email", "email": "ann@example.com"}).status_code == 422
    for wrong in ("user_1", {}, {"format": "opaque"}, {"format": "iss_sub", "sub": "x"}, None):
        assert all_.bridge.revoke(wrong).status_code == 400
    soon(lambda: all_.judge(all_.issuer.access()) == "revoked")


def test_global_revocation_with_a_signed_jwt(tmp_path: Path) -> None:
    """As Okta sends it: the JWT says who asks and when, for this audience, and counts once; anything else is 401."""
    clock, endpoint = Clock(), "https://bridge.example.com/notices/global"
    with ForeignIssuer(clock=clock) as issuer:
        made = TransmitterSettings(name="global", kind="global-revocation", issuer=issuer.url, audience=endpoint)
        claims = {
            "iss": issuer.url,
            "aud": endpoint,
            "sub": "app",
            "jti": "a",
            "iat": int(NOW) - 3,
            "exp": int(NOW) + 300,
        }
        typ = "global-token-revocation+jwt"
        with running_bridge(tmp_path, made, clock=clock) as bridge:
            good = jwt.sign(claims, issuer.keys[0], typ=typ)
            for wrong in (
                "",
                BEARER,
                jwt.sign(claims, issuer.keys[0], typ="JWT"),
                jwt.sign(claims | {"aud": "https://other.example.com"}, issuer.keys[0], typ=typ),
                jwt.sign(claims | {"iss": "https://other.example.com"}, issuer.keys[0], typ=typ),
                jwt.sign(claims | {"exp": int(NOW) - 100}, issuer.keys[0], typ=typ),
                issuer.access(aud=endpoint),
                good[:-8] + "AAAAAAAA",
            ):
                assert bridge.revoke(issuer.person(), bearer=wrong or "x").status_code == 401
            assert bridge.entries() == {}
            assert bridge.revoke(issuer.person(), bearer=good).status_code == 204
            assert [before for before, _ in bridge.entries().values()] == [int(NOW) - 3]
            assert bridge.revoke(issuer.person("user_2"), bearer=good).status_code == 204
            assert len(bridge.entries()) == 1
            assert bridge.counts("global")["repeated"] == 1


def test_how_notices_are_sent(all_: Bridged) -> None:
    """A notice of another media type, to another path or by GET is refused as its specification says."""
    token = all_.issuer.event(f"{RISC}account-disabled", all_.issuer.person())
    headers = {"authorization": f"Bearer {BEARER}", "content-type": "application/jwt"}
    wrong = all_.bridge.notify("push", content=token, headers=headers)
    assert (wrong.status_code, wrong.json()["err"]) == (400, "invalid_request")
    assert all_.bridge.notify("logout", json={"logout_token": token}).status_code == 400
    assert all_.bridge.notify("nobody", content=b"").status_code == 404
    assert httpx.get(f"{all_.bridge.url}/notices/logout").status_code == 405
    wrong = all_.bridge.push(all_.issuer.event(f"{RISC}account-disabled", all_.issuer.person(), aud="x"))
    assert (wrong.status_code, wrong.json()["err"]) == (400, "invalid_audience")
    wrong = all_.bridge.push(token[:-8] + "AAAAAAAA")
    assert (wrong.status_code, wrong.json()["err"]) == (400, "invalid_key")


def test_an_issuer_that_is_away_makes_no_notice_wrong(tmp_path: Path) -> None:
    """Without the issuer's keys nobody can tell: 503, so that the notice is sent again."""
    clock = Clock()
    with ForeignIssuer(clock=clock) as issuer:
        token = issuer.logout_token()
    made = TransmitterSettings(name="logout", kind="backchannel-logout", issuer=issuer.url, audience="app")
    with running_bridge(tmp_path, made, clock=clock) as bridge:
        assert bridge.log_out(token).status_code == 503


class PolledTransmitter(ForeignIssuer):
    """An issuer whose events are fetched (RFC 8936).

    Attributes:
        waiting: Events by `jti`, until they are acknowledged.
        polls: What each poll said.
        failures: How many of the next polls fail.
        asked: How many polls have come.
        is_quiet: Whether polls are not answered, since there is nothing to say.
    """

    def __init__(self, *, clock: Clock) -> None:
        super().__init__(clock=clock)
        self.waiting: dict[str, str] = {}
        self.polls: list[dict[str, Any]] = []
        self.failures = 0
        self.is_quiet, self.asked = False, 0
        self.lock = threading.Lock()

    def serve(self, connection: socket.socket) -> None:
        """Answer polls; everything else as before."""
        head = connection.recv(65_536, 2)  # peeked at
        if not head.startswith(b"POST /poll "):
            super().serve(connection)
            return
        read = b""
        while b"\r\n\r\n" not in read or len(read.partition(b"\r\n\r\n")[2]) < _length(read):
            read += connection.recv(65_536)
        asked = json.loads(read.partition(b"\r\n\r\n")[2])
        self.asked += 1
        if self.is_quiet:
            self.released.wait(5)
        with self.lock:
            self.polls.append(asked)
            if self.failures or f"Bearer {BEARER}".encode() not in read:
                self.failures -= 1
                answer(connection, b"{}", status=500)
                return
            for jti in (*asked.get("ack", ()), *asked.get("setErrs", ())):
                self.waiting.pop(jti, None)
            body = json.dumps({"sets": self.waiting, "moreAvailable": False}).encode()
        answer(connection, body, headers={"Content-Type": "application/json"})


def _length(read: bytes) -> int:
    lines = read.lower().split(b"\r\n")
    return next(int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length"))


def test_events_are_fetched_and_acknowledged_once_they_are_stored(tmp_path: Path) -> None:
    """A good event is in the feed and then acknowledged, a bad one is reported; after a failure it is asked again."""
    clock = Clock()
    with PolledTransmitter(clock=clock) as issuer:
        issuer.failures = 1
        good = issuer.event(f"{RISC}account-disabled", issuer.person())
        bad = issuer.event(f"{RISC}account-disabled", issuer.person("user_2"), aud="https://other.example.com")
        issuer.waiting = {"notice-0": good, "notice-1": bad}
        with running_bridge(tmp_path, polled(issuer, tmp_path), clock=clock) as bridge:
            eventually(lambda: not issuer.waiting)
            assert len(bridge.entries()) == 1
            assert bridge.counts("polled") == {"polls_failed": 1, "taken": 1, "refused": 1}
            said = next(poll for poll in issuer.polls if "ack" in poll)
            assert said["ack"] == ["notice-0"]
            assert said["setErrs"]["notice-1"]["err"] == "invalid_audience"
            assert bridge.notify("polled", content=good).status_code == 404
            with issuer.lock:
                issuer.waiting = {"notice-0": good}  # the acknowledgment was lost
            eventually(lambda: not issuer.waiting)
            assert bridge.counts("polled")["repeated"] == 1


def polled(issuer: PolledTransmitter, folder: Path) -> TransmitterSettings:
    """Its settings."""
    bearer = folder / "bearer"
    bearer.write_text(BEARER)
    return TransmitterSettings(
        name="polled",
        kind="ssf-poll",
        issuer=issuer.url,
        audience=RECEIVER,
        token_file=str(bearer),
        poll_url=f"{issuer.url}/poll",
        poll_seconds=0.05,
    )


def test_a_transmitter_that_has_nothing_to_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A poll that is not answered in a minute, here a tenth of a second, is no failure: the next one follows."""
    monkeypatch.setattr("gatepass.bridge.polling._LONG_POLL_SECONDS", 0.1)
    clock = Clock()
    with PolledTransmitter(clock=clock) as issuer:
        issuer.is_quiet = True
        with running_bridge(tmp_path, polled(issuer, tmp_path), clock=clock) as bridge:
            eventually(lambda: issuer.asked > 1)
            assert bridge.counts("polled") == {}


@pytest.mark.parametrize(
    ("identifier", "names"),
    [
        ({"format": "iss_sub", "iss": ISSUER, "sub": "a"}, (("a",), (), ())),
        ({"format": "opaque", "id": "a"}, ((), (), ("a",))),
        ({"format": "email", "email": "a@example.com"}, ((), (), ())),
        (
            {
                "format": "aliases",
                "identifiers": [{"format": "email"}, {"format": "iss_sub", "iss": ISSUER, "sub": "a"}],
            },
            (("a",), (), ()),
        ),
        (
            {
                "format": "complex",
                "user": {"format": "opaque", "id": "a"},
                "session": {"format": "opaque", "id": "b"},
                "device": {"format": "opaque", "id": "c"},
            },
            (("a",), ("b",), ()),
        ),
        ({"format": "iss_sub", "iss": "https://other.example.com", "sub": "a"}, "wrong_issuer"),
        ({"format": "aliases", "identifiers": []}, "bad_claim"),
        ({"format": "aliases", "identifiers": [{"format": "aliases", "identifiers": []}]}, "bad_claim"),
        ({"id": "a"}, "bad_claim"),
        ({"format": "opaque", "id": ""}, "bad_claim"),
        ("a", "bad_claim"),
        ([], "bad_claim"),
    ],
)
def test_subject_identifiers(identifier: object, names: object) -> None:
    """The formats of RFC 9493, as far as tokens have such names."""
    try:
        found: object = tuple(subjects.read(identifier, {ISSUER}))
    except JoseError as error:
        found = error.code
    assert found == names
